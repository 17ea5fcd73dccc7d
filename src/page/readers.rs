//! Hospital systems that read, and the index from which they do, on `/system`.

use super::element::{Html, Tone, counted, grouped};
use super::frame::Frame;
use super::layout::{Facts, Table};
use super::problem::{Failure, OrFailure as _};
use super::times::seconds;
use crate::clients::LastRead;
use crate::http::AdminState;

/// How far the index is, and what of messages is not in it.
pub(super) fn index(state: &AdminState) -> Facts {
    let metrics = &state.metrics().fhir;
    let lag = u64::try_from(metrics.lag_seconds.get()).unwrap_or_default();
    let unmapped: Vec<_> = metrics.unmapped().into_iter().filter(|(_, count)| *count > 0).collect();
    let unmapped = match unmapped.as_slice() {
        [] => "none since the start".to_owned(),
        some => some
            .iter()
            .map(|(why, count)| format!("{why} {}", grouped(*count)))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let config = state.config().load();
    let is_on = config.fhir.enabled;
    let listen = config.api.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Facts::new([
        ("Hospital systems connect to", Html::text(if listen.is_empty() { "no address" } else { &listen })),
        (
            "FHIR index",
            match (is_on, metrics.leads.get()) {
                (false, _) => Html::muted("switched off"),
                (true, 1) => Html::tag(Tone::Good, "written by this node"),
                (true, _) => Html::text("written by another node"),
            },
        ),
        ("Behind", if is_on { Html::text(&seconds(lag)) } else { Html::default() }),
        ("OBX that became nothing", if is_on { Html::text(&unmapped) } else { Html::default() }),
    ])
}

/// Each registered client, and each community that reads, with its last read.
pub(super) async fn clients(state: &AdminState, frame: &Frame) -> Result<Table, Failure> {
    let mut last = state.live().last_reads();
    let shown = |read: Option<LastRead>| match read {
        None => [Html::muted("not since the start"), Html::default()],
        Some(read) => {
            let ends = Html::text(&frame.times.relative(read.certificate_ends));
            let soon = || Html::tag(Tone::Watch, "renew");
            [
                Html::joined([frame.times.moment(read.at), Html::muted(&frame.times.relative(read.at))]),
                if read.ends_soon() { Html::joined([soon(), ends]) } else { ends },
            ]
        }
    };
    let known = state.store().clients().await.or_failure(frame)?;
    let more = known.len().saturating_sub(MAX_CLIENTS);
    let mut rows = Vec::new();
    for client in known.iter().take(MAX_CLIENTS) {
        let [at, ends] = shown(last.remove(client.id.as_str()));
        let status = match client.is_suspended {
            true => Html::tag(Tone::Watch, "suspended"),
            false => Html::tag(Tone::Good, "active"),
        };
        let scopes = Html::text(&client.scopes.to_string());
        let organisation = Html::text(client.organisation.as_str());
        rows.push(vec![Html::text(client.id.as_str()), organisation, status, scopes, at, ends]);
    }
    // Communities that read without being registered.
    for (name, read) in last.into_iter().filter(|(name, _)| name.starts_with("community:")) {
        let [at, ends] = shown(Some(read));
        let none = Html::default;
        rows.push(vec![Html::text(&name), none(), none(), none(), at, ends]);
    }
    if more > 0 {
        rows.push(vec![Html::muted(&format!("and {} more", counted(more as u64, "client")))]);
    }
    let columns =
        ["Client", "Organisation", "State", "May read", "Last read from this node", "Certificate ends"];
    Ok(Table::new("Clients of hospital systems", &columns, "No client is registered.").with(rows))
}

/// Rows of the table.
const MAX_CLIENTS: usize = 200;
