//! `/trust`: the certificates on which connections depend, CRLs, OCSP responses and staples.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::calendar;
use super::element::{Html, Tone, address, grouped, help_link};
use super::frame::Frame;
use super::layout::Table;
use super::plot;
use super::problem::{Failure, OrFailure as _, Pages};
use super::query::given;
use super::response::page;
use super::validity;
use super::visitor::Visitor;
use crate::fleet::Fleet;
use crate::http::AdminState;
use crate::revocation::{Inventory, KnownCrl, KnownResponse, KnownStaple};
use crate::view::CertificateView;

#[derive(Template)]
#[template(path = "trust.html")]
struct TrustPage {
    frame: Frame,
    calendar: Table,
    chosen: String,
    ending: Table,
    quarters: Table,
    quarter: String,
    of_quarter: Table,
    /// Those of the quarter that are not listed.
    more: usize,
    /// Those of the month that are not listed.
    more_ending: usize,
    /// OCSP responses that are not listed.
    more_responses: usize,
    csv: String,
    certificates: Table,
    staples: Table,
    crls: Table,
    responses: Table,
}

/// The filters of the address.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Filters {
    /// `2026-12`: the devices whose certificates end in this month.
    month: Option<String>,
    /// `2026-Q4`: everything that ends in this quarter; the present one, if no month is asked for.
    quarter: Option<String>,
    /// `devices` or `others`: which of the quarter.
    of: Option<String>,
    /// `revoked`: only the OCSP responses that say so.
    ocsp: Option<String>,
}

/// The filters of the list as CSV.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct CsvFilters {
    quarter: Option<String>,
}

/// The certificates.
pub(super) async fn show(
    State(state): Pages,
    visitor: Visitor,
    Query(filters): Query<Filters>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/trust", "Certificates").live();
    let chosen = given(filters.month).unwrap_or_default();
    if !chosen.is_empty() && !calendar::is_month(&chosen) {
        return Err(Failure::unusable(frame, "There is no such month", "A month is written as 2026-12."));
    }
    let quarter = known_quarter(filters.quarter, &frame)?;
    let (of, ocsp) = (given(filters.of).unwrap_or_default(), given(filters.ocsp).unwrap_or_default());
    if !["", calendar::DEVICES, calendar::OTHERS].contains(&&*of) || !["", "revoked"].contains(&&*ocsp) {
        let help = "The parameter of is devices or others, and ocsp is revoked; or they are left out.";
        return Err(Failure::unusable(frame, "This search cannot be made", help));
    }
    let inventory = state.revocation().inventory();
    let fleet = Fleet::read(state.store()).await.or_failure(&frame)?;
    let ends = calendar::ends(&state, &fleet, frame.times.now());
    let (ending, more_ending) = calendar::of_month(&ends, &chosen, &frame);
    let months = calendar::months(&ends, &frame);
    let ends = calendar::with_others(ends, &state, &inventory);
    let quarter = quarter.unwrap_or_else(|| calendar::this_quarter(&frame));
    let (of_quarter, more) = calendar::of_quarter(&ends, &quarter, &of, &frame);
    let (responses, more_responses) = responses(&inventory, &ocsp, &frame);
    Ok(page(&TrustPage {
        calendar: months,
        ending,
        chosen,
        quarters: calendar::quarters(&ends, &quarter, &frame),
        of_quarter,
        more,
        more_ending,
        more_responses,
        csv: address("/trust.csv", &[("quarter", &quarter)]),
        quarter,
        certificates: certificates(&state, &frame),
        staples: staples(&state.live().staples(), &frame),
        crls: crls(&inventory, &frame),
        responses,
        frame,
    }))
}

/// `/trust.csv`: everything that ends, or that ends in one quarter, the one that ends first first.
pub(super) async fn csv(
    State(state): Pages,
    visitor: Visitor,
    Query(filters): Query<CsvFilters>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/trust", "Certificates");
    let quarter = known_quarter(filters.quarter, &frame)?;
    let fleet = Fleet::read(state.store()).await.or_failure(&frame)?;
    let ends = calendar::ends(&state, &fleet, frame.times.now());
    let ends = calendar::with_others(ends, &state, &state.revocation().inventory());
    let text = match quarter {
        Some(quarter) => calendar::csv(calendar::in_quarter(&ends, &quarter, &frame), frame.times.now()),
        None => calendar::csv(ends.iter(), frame.times.now()),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"certificates.csv\""),
    ];
    Ok((headers, text).into_response())
}

/// The quarter of the address, if it names one.
fn known_quarter(quarter: Option<String>, frame: &Frame) -> Result<Option<String>, Failure> {
    let quarter = given(quarter);
    if quarter.as_deref().is_none_or(calendar::is_quarter) {
        return Ok(quarter);
    }
    Err(Failure::unusable(frame.clone(), "There is no such quarter", "A quarter is written as 2026-Q4."))
}

fn certificates(state: &AdminState, frame: &Frame) -> Table {
    let columns = ["Subject", "For", "Key", "State", "Time", "Ends", "Serial number"];
    let rows = state.live().certificates().into_iter().map(|certificate| {
        vec![
            Html::text(&certificate.subject),
            Html::text(certificate.role),
            Html::text(&certificate.key.to_uppercase()),
            validity::standing(certificate.not_after, frame),
            passed(&certificate, frame),
            validity::end(certificate.not_after, frame),
            Html::code(&certificate.serial),
        ]
    });
    Table::new("The platform's certificates, its CAs and the roots", &columns, "").with(rows)
}

fn passed(certificate: &CertificateView, frame: &Frame) -> Html {
    let Some(end) = certificate.not_after else { return Html::default() };
    let whole = end.duration_since(certificate.not_before).as_secs_f64();
    let gone = frame.times.now().duration_since(certificate.not_before).as_secs_f64();
    let left = end.duration_since(frame.times.now());
    let tone = if left < validity::VERY_SOON {
        "bad"
    } else if left < validity::SOON {
        "watch"
    } else {
        "good"
    };
    let share = if whole > 0.0 { gone / whole } else { 1.0 };
    plot::span(share, tone, &format!("{:.0} % of its time has passed", (share * 100.0).clamp(0.0, 100.0)))
}

fn staples(staples: &[KnownStaple], frame: &Frame) -> Table {
    let rows = staples.iter().map(|staple| {
        let state = match (staple.status, &staple.expires) {
            (Some("revoked"), _) => Html::tag(Tone::Bad, "revoked"),
            (Some(status), Some(_)) => Html::tag(Tone::Good, status),
            _ => Html::joined([Html::tag(Tone::Watch, "missing"), help_link("staple-missing", "what to do")]),
        };
        let until = staple.expires.as_ref().map(|until| frame.times.stated(&until.to_string()));
        vec![
            Html::joined([Html::text(&staple.subject.to_string()), Html::muted(&staple.certificate)]),
            Html::code(&staple.serial),
            state,
            until.unwrap_or_default(),
            Html::text(staple.problem.as_deref().unwrap_or_default()),
        ]
    });
    let columns = ["Certificate", "Serial number", "State", "Until", "Problem"];
    Table::new(
        "OCSP responses for the platform's own chain",
        &columns,
        "No chain of the platform is stapled.",
    )
    .with(rows)
}

fn crls(inventory: &Inventory, frame: &Frame) -> Table {
    let now = frame.times.now();
    let rows = inventory.crls.iter().map(|crl| {
        let next = crl.next_update.parse::<Timestamp>().ok();
        let is_newer = |other: &KnownCrl| {
            let is_same = other.issuer == crl.issuer && !other.delta && !crl.delta;
            is_same && is_later(&other.this_update, &crl.this_update)
        };
        let is_superseded = inventory.crls.iter().any(is_newer);
        let state = match next {
            Some(next) if next < now => {
                Html::joined([Html::tag(Tone::Bad, "ended"), help_link("crl-ending", "what to do")])
            }
            Some(_) if is_superseded => Html::tag(Tone::Quiet, "an older copy"),
            Some(next) if next.duration_since(now) < CRL_SOON => Html::tag(Tone::Watch, "ends soon"),
            _ => Html::tag(Tone::Good, "fresh"),
        };
        vec![
            Html::text(&crl.issuer),
            state,
            frame.times.stated(&crl.this_update),
            frame.times.stated(&crl.next_update),
            crl.next_refresh.as_deref().map(|at| frame.times.stated(at)).unwrap_or_default(),
            Html::text(&grouped(u64::try_from(crl.revoked).unwrap_or_default())),
            Html::text(&crl.from),
        ]
    });
    let columns = ["Issuer", "State", "Issued", "Ends", "Fetched again", "Revoked", "From"];
    Table::new("Certificate revocation lists", &columns, "No CRL is known.").with(rows).list()
}

/// The responses, and how many are not listed.
fn responses(inventory: &Inventory, status: &str, frame: &Frame) -> (Table, usize) {
    // What was revoked first.
    let is_asked = |response: &&KnownResponse| status.is_empty() || response.status == status;
    let mut all: Vec<_> = inventory.ocsp.iter().filter(is_asked).collect();
    let more = all.len().saturating_sub(MAX_RESPONSES);
    all.sort_by_key(|response| response.status == "good");
    let rows = all.into_iter().take(MAX_RESPONSES).map(|response| {
        let tone = if response.status == "good" { Tone::Good } else { Tone::Bad };
        vec![
            Html::code(&response.serial),
            Html::tag(tone, response.status),
            Html::text(&response.issuer),
            frame.times.stated(&response.this_update),
            frame.times.stated(&response.expires),
            Html::text(&response.responder),
        ]
    });
    let columns = ["Serial number", "Status", "Issuer", "Issued", "Ends here", "Responder"];
    let table = Table::new("OCSP responses about devices", &columns, "No OCSP response is cached.");
    (table.with(rows).list(), more)
}

/// Whether one time of JSON is after the other.
fn is_later(one: &str, other: &str) -> bool {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    time(one) > time(other)
}

const CRL_SOON: SignedDuration = SignedDuration::from_hours(24);
const MAX_RESPONSES: usize = 200;
