//! When certificates and CRLs end: those of devices, each as the device showed it last, and those of the
//! platform, by month and by quarter.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::Arc;

use jiff::Timestamp;

use super::devices::named;
use super::element::{Html, Tone, address, counted, number};
use super::frame::Frame;
use super::layout::Table;
use super::plot;
use super::validity;
use crate::authz::Device;
use crate::fleet::Fleet;
use crate::http::AdminState;
use crate::model::{DeviceId, Refusal};
use crate::revocation::{Inventory, KnownCrl};
use crate::view::csv_cell;

/// What ends, and when.
pub(super) struct End {
    of: Of,
    at: Timestamp,
    serial: String,
    issuer: String,
    /// Whether the platform refuses it as revoked.
    is_revoked: bool,
}

/// What an end is of.
enum Of {
    /// The certificate of a device, with its entry of the directory; `None` for one that was removed.
    Device(DeviceId, Option<Arc<Device>>),
    /// A certificate of the platform, a CA or a root, or a CRL: what it is, and its subject.
    Other(&'static str, String),
}

impl End {
    fn is_of_device(&self) -> bool {
        matches!(self.of, Of::Device(..))
    }

    /// What it is, in words.
    fn kind(&self) -> &'static str {
        match self.of {
            Of::Device(..) => "device",
            Of::Other(kind, _) => kind,
        }
    }

    fn ward(&self) -> &str {
        match &self.of {
            Of::Device(_, Some(device)) => &device.about.ward,
            Of::Device(_, None) | Of::Other(..) => "",
        }
    }

    /// The order among those that end at once.
    fn name(&self) -> &str {
        match &self.of {
            Of::Device(id, _) => id.as_str(),
            Of::Other(_, subject) => subject,
        }
    }
}

/// The certificates that devices showed last, the one that ends first first: of the devices of the directory
/// as the list of devices has them, and of those that were removed.
pub(super) fn ends(state: &AdminState, fleet: &Fleet, now: Timestamp) -> Vec<End> {
    let directory = state.live().directory();
    let of_directory = |device: &Arc<Device>| {
        let standing = fleet.standing(device, Some(&state.live().device(&device.id)), now);
        let is_revoked = standing.is_revoked();
        standing.certificate().map(|shown| End {
            of: Of::Device(device.id.clone(), Some(Arc::clone(device))),
            at: shown.not_after,
            serial: shown.serial.clone(),
            issuer: shown.issuer.clone(),
            is_revoked,
        })
    };
    let removed = |contact: &crate::store::Contact| End {
        of: Of::Device(contact.device.clone(), None),
        at: contact.certificate.not_after,
        serial: contact.certificate.serial.clone(),
        issuer: contact.certificate.issuer.clone(),
        is_revoked: contact.ended_why == Refusal::Revoked.code(),
    };
    let contacts = fleet.last_contacts().filter(|contact| directory.find(&contact.device).is_none());
    let known = directory.devices().filter_map(of_directory);
    sorted(known.chain(contacts.map(removed)).collect())
}

/// The same with the certificates of the platform, its CAs and the roots, and with the CRLs.
pub(super) fn with_others(ends: Vec<End>, state: &AdminState, inventory: &Inventory) -> Vec<End> {
    let certificates = state.live().certificates().into_iter().filter_map(|certificate| {
        Some(End {
            at: certificate.not_after?,
            of: Of::Other(certificate.role, certificate.subject),
            serial: certificate.serial,
            issuer: certificate.issuer,
            is_revoked: false,
        })
    });
    // Of the copies of one list, the latest counts.
    let mut crls: BTreeMap<(&str, bool), (Timestamp, &KnownCrl)> = BTreeMap::new();
    for crl in &inventory.crls {
        let Ok(end) = crl.next_update.parse::<Timestamp>() else { continue };
        let known = crls.entry((&crl.issuer, crl.delta)).or_insert((end, crl));
        if end > known.0 {
            *known = (end, crl);
        }
    }
    let crls = crls.into_values().map(|(at, crl)| End {
        of: Of::Other(if crl.delta { "delta CRL" } else { "CRL" }, crl.issuer.clone()),
        at,
        serial: crl.number.clone().unwrap_or_default(),
        issuer: crl.issuer.clone(),
        is_revoked: false,
    });
    sorted(ends.into_iter().chain(certificates).chain(crls).collect())
}

fn sorted(mut ends: Vec<End>) -> Vec<End> {
    ends.sort_by(|one, other| (one.at, one.name()).cmp(&(other.at, other.name())));
    ends
}

/// Whether a text is a month: `2026-12`.
pub(super) fn is_month(text: &str) -> bool {
    has_number_of_year(text, "-", 1..=12, 2)
}

/// Whether a text is a quarter: `2026-Q4`.
pub(super) fn is_quarter(text: &str) -> bool {
    has_number_of_year(text, "-Q", 1..=4, 1)
}

/// Whether a text is a year of four digits, and a number of so many digits behind a separator.
fn has_number_of_year(text: &str, separator: &str, numbers: RangeInclusive<u8>, digits: usize) -> bool {
    let is_number = |text: &str, digits| text.len() == digits && text.bytes().all(|it| it.is_ascii_digit());
    text.split_once(separator).is_some_and(|(year, number)| {
        is_number(year, 4)
            && is_number(number, digits)
            && number.parse().is_ok_and(|number| numbers.contains(&number))
    })
}

/// How many certificates end in each month, each a link to them.
pub(super) fn months(ends: &[End], frame: &Frame) -> Table {
    let mut months: BTreeMap<String, Vec<&End>> = BTreeMap::new();
    for end in ends {
        months.entry(month(end.at, frame)).or_default().push(end);
    }
    let most = months.values().map(Vec::len).max().unwrap_or(1);
    let rows = months.iter().take(MAX_MONTHS).map(|(month, ends)| {
        let count = counted(u64::try_from(ends.len()).unwrap_or_default(), "certificate");
        #[expect(clippy::cast_precision_loss, reason = "a bar of a hundred units")]
        let share = ends.len() as f64 / most as f64;
        let tag = ends.first().map(|end| validity::warning(end.at, frame)).unwrap_or_default();
        let href = format!("{}#month", address("/trust", &[("month", month)]));
        let rows = Html::rows(&href, ends.len(), &count);
        vec![Html::link(&href, month), rows, plot::span(share, "quiet", &count), tag]
    });
    let empty = "No device has shown its certificate yet.";
    Table::new(
        "Certificates of devices by the month in which they end",
        &["Month", "End", "Share", "State"],
        empty,
    )
    .with(rows)
}

/// How many certificates and CRLs end in each quarter, each a link to all of them.
pub(super) fn quarters(ends: &[End], chosen: &str, frame: &Frame) -> Table {
    let mut quarters: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    // The present one is there, also if nothing ends in it.
    quarters.insert(this_quarter(frame), (0, 0));
    for end in ends {
        let (devices, others) = quarters.entry(quarter(end.at, frame)).or_default();
        *(if end.is_of_device() { devices } else { others }) += 1;
    }
    let rows = quarters.iter().take(MAX_QUARTERS).map(|(quarter, (devices, others))| {
        let href = format!("{}#quarter", address("/trust", &[("quarter", quarter)]));
        let part = |of: &str, count: usize| {
            let href = format!("{}#quarter", address("/trust", &[("quarter", quarter), ("of", of)]));
            if count == 0 { Html::text("0") } else { Html::rows(&href, count, &number(count)) }
        };
        let mark =
            if *quarter == this_quarter(frame) { Html::muted("this quarter") } else { Html::default() };
        let shown = if quarter == chosen { Html::muted("listed below") } else { Html::default() };
        vec![
            Html::joined([Html::link(&href, quarter), mark]),
            part(DEVICES, *devices),
            part(OTHERS, *others),
            shown,
        ]
    });
    let columns = ["Quarter", "Of devices", "Platform, CAs, roots, CRLs", "List"];
    Table::new("Certificates and CRLs by the quarter in which they end", &columns, "").with(rows)
}

/// The certificates of devices that end in one month.
pub(super) fn of_month(ends: &[End], chosen: &str, frame: &Frame) -> (Table, usize) {
    let all: Vec<_> = ends.iter().filter(|end| month(end.at, frame) == chosen).collect();
    let more = all.len().saturating_sub(MAX_ROWS);
    let rows = all.into_iter().take(MAX_ROWS).map(|end| row(end, frame));
    (Table::new(format!("Certificates that end in {chosen}"), &COLUMNS, "").with(rows).list(), more)
}

/// What ends in one quarter, of devices, others or both; beyond [`MAX_ROWS`] the CSV has the rest.
pub(super) fn of_quarter(ends: &[End], chosen: &str, of: &str, frame: &Frame) -> (Table, usize) {
    let is_asked = |end: &&End| of.is_empty() || (of == DEVICES) == end.is_of_device();
    let all: Vec<_> = in_quarter(ends, chosen, frame).filter(is_asked).collect();
    let more = all.len().saturating_sub(MAX_ROWS);
    let rows = all.into_iter().take(MAX_ROWS).map(|end| row(end, frame));
    let title = format!("Certificates and CRLs that end in {chosen}");
    (Table::new(title, &COLUMNS, "Nothing ends in this quarter.").with(rows).list(), more)
}

/// What ends in this quarter.
pub(super) fn in_quarter<'a>(
    ends: &'a [End],
    chosen: &'a str,
    frame: &'a Frame,
) -> impl Iterator<Item = &'a End> {
    ends.iter().filter(move |end| quarter(end.at, frame) == chosen)
}

fn row(end: &End, frame: &Frame) -> Vec<Html> {
    let name = match &end.of {
        Of::Device(id, device) => {
            let removed =
                || Html::joined([Html::code(id.as_str()), Html::muted("removed from the directory")]);
            device.as_ref().map_or_else(removed, |device| named(device))
        }
        Of::Other(_, subject) => Html::text(subject),
    };
    vec![
        name,
        Html::text(end.kind()),
        Html::text(end.ward()),
        if end.is_revoked {
            Html::tag(Tone::Bad, "revoked")
        } else {
            validity::standing(Some(end.at), frame)
        },
        validity::end(Some(end.at), frame),
        Html::code(&end.serial),
        Html::text(&end.issuer),
    ]
}

/// As CSV (RFC 4180).
pub(super) fn csv<'a>(ends: impl Iterator<Item = &'a End>, now: Timestamp) -> String {
    let mut text = "device,name,ward,ends,serial,issuer,state,for,subject\r\n".to_owned();
    for end in ends {
        let (device, name, subject) = match &end.of {
            Of::Device(id, Some(device)) => (id.as_str(), device.about.name.as_str(), ""),
            Of::Device(id, None) => (id.as_str(), "", ""),
            Of::Other(_, subject) => ("", "", subject.as_str()),
        };
        let at = end.at.to_string();
        let state = match &end.of {
            _ if end.is_revoked => "revoked",
            Of::Device(_, None) => "removed",
            _ if end.at < now => "ended",
            _ => "valid",
        };
        let cells = [device, name, end.ward(), &at, &end.serial, &end.issuer, state, end.kind(), subject]
            .map(csv_cell);
        let _ = write!(text, "{}\r\n", cells.join(","));
    }
    text
}

fn month(at: Timestamp, frame: &Frame) -> String {
    at.to_zoned_datetime(frame.times.zone().clone()).strftime("%Y-%m").to_string()
}

/// `2026-Q4`, in the zone of the reader.
fn quarter(at: Timestamp, frame: &Frame) -> String {
    let at = at.to_zoned_datetime(frame.times.zone().clone());
    format!("{}-Q{}", at.year(), (at.month() - 1) / 3 + 1)
}

/// The present quarter.
pub(super) fn this_quarter(frame: &Frame) -> String {
    quarter(frame.times.now(), frame)
}

/// What a list of a quarter has: the certificates of devices.
pub(super) const DEVICES: &str = "devices";
/// What a list of a quarter has: all others, and CRLs.
pub(super) const OTHERS: &str = "others";
const COLUMNS: [&str; 7] = ["Device or subject", "For", "Ward", "State", "Ends", "Serial number", "Issuer"];
/// Months in the calendar.
const MAX_MONTHS: usize = 60;
/// Quarters in it.
const MAX_QUARTERS: usize = 60;
/// Lines of a list of one month or quarter: a page has to stay below 300 KB.
const MAX_ROWS: usize = 200;
