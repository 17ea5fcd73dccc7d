//! `device list`: every entry, how its device stands, and what ends soon.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use jiff::Timestamp;
use serde::Serialize;

use super::missing::{Shown, is_missing};
use super::shared::warn_of_separators;
use crate::authz::{Device, Directory};
use crate::cli::context::failed;
use crate::cli::text::printable;
use crate::cli::time::Since;
use crate::cli::{Failure, Output};
use crate::fleet::{DeviceState, Fleet, Standing};
use crate::model::DeviceId;
use crate::store::Store;
use crate::view::{DeviceStandingView, StandingView, csv_cell};

/// Which entries are listed, and how.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Listed {
    /// Only devices of this ward
    #[arg(long, value_name = "WARD")]
    ward: Option<String>,
    /// Only devices in this state
    #[arg(long, value_name = "STATE", value_parser = state_parser())]
    state: Option<DeviceState>,
    /// Only devices whose certificate, as it was seen last, ends within this time; the first ends first
    #[arg(long, value_name = "90d")]
    expiring: Option<Since>,
    /// Only devices that never connected
    #[arg(long)]
    never_seen: bool,
    /// As comma-separated values (RFC 4180), for a spreadsheet
    #[arg(long)]
    csv: bool,
}

fn state_parser() -> impl clap::builder::TypedValueParser<Value = DeviceState> {
    PossibleValuesParser::new(DeviceState::ALL.map(DeviceState::code)).try_map(|word| {
        DeviceState::ALL.into_iter().find(|state| state.code() == word).ok_or("no state of a device")
    })
}

/// An entry as JSON.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    shown: Shown<DeviceStandingView<'a>>,
}

pub(super) async fn run(listed: &Listed, store: &Store, output: Output) -> Result<(), Failure> {
    let devices = store.devices().await.map_err(failed)?;
    let fleet = Fleet::read(store).await.map_err(failed)?;
    let now = store.now();
    let mut rows = Vec::new();
    for device in &devices {
        let standing = fleet.standing(device, None, now);
        if listed.has(device, &standing, now) {
            rows.push((device, standing));
        }
    }
    if listed.expiring.is_some() {
        rows.sort_by_key(|(_, standing)| standing.certificate_end());
    }
    if listed.csv {
        output.line(&csv(&rows))?;
    } else if output.is_json() {
        for (device, standing) in &rows {
            let view = DeviceStandingView::new(device, standing);
            let missing = is_missing(device, store).await?;
            let left = standing.state == DeviceState::Left;
            output.json_line(&Row { shown: Shown { view, missing, left, enforced: false } })?;
        }
    } else if !rows.is_empty() {
        let text = table(&rows, output);
        output.line(text.trim_end())?;
    }
    for device in &devices {
        warn_of_separators(device, output)?;
    }
    for spellings in Directory::from(devices.clone()).spelled_twice() {
        let names: Vec<_> = spellings.iter().map(DeviceId::as_str).collect();
        let (names, both) = (names.join(" and "), names.join(" "));
        output.warn(&format!("{names} are spellings of one EUI-64: `pcd-platform device merge {both}`"))?;
    }
    Ok(())
}

impl Listed {
    fn has(&self, device: &Device, standing: &Standing, now: Timestamp) -> bool {
        let is_of_ward =
            self.ward.as_ref().is_none_or(|ward| ward.eq_ignore_ascii_case(device.about.ward.trim()));
        let was_seen = !matches!(standing.state, DeviceState::NeverSeen | DeviceState::Missing);
        let ends = self.expiring.is_none_or(|within| {
            let left = now.duration_since(within.before(now));
            standing.certificate_end().is_some_and(|end| end.duration_since(now) <= left)
        });
        is_of_ward
            && ends
            && self.state.is_none_or(|state| state == standing.state)
            && !(self.never_seen && was_seen)
    }
}

/// The options of an entry that its state does not say.
fn remarks(device: &Device, output: Output) -> String {
    let patterns: Vec<_> = device.speaks_for.iter().map(ToString::to_string).collect();
    let silent_after = device.silent_after.map(|after| format!("silent-after={after}"));
    let speaks_for = (!patterns.is_empty()).then(|| format!("for {}", patterns.join(" ")));
    let learning = device.learns_until.filter(|until| *until > Timestamp::UNIX_EPOCH && patterns.is_empty());
    let learning = learning.map(|until| format!("learns-until={}", output.time(&until.to_string())));
    let expected = device.expected.then(|| "expected".to_owned());
    let orders = (!device.receives_orders).then(|| "no-orders".to_owned());
    let note = Some(device.note.clone()).filter(|note| !note.is_empty());
    [speaks_for, silent_after, expected, orders, learning, note]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("  ")
}

fn table(rows: &[(&Device, Standing)], output: Output) -> String {
    let header = HEADER.map(str::to_owned).to_vec();
    let mut lines = vec![header];
    for (device, standing) in rows {
        let time =
            |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| output.time(&format!("{at:.0}")));
        let refused = standing
            .last_refusal
            .as_ref()
            .map_or_else(|| "-".to_owned(), |row| format!("{}x {}", row.count, row.refusal.code()));
        let cells = [
            standing.state.code().to_owned(),
            device.id.to_string(),
            device.kind.as_str().to_owned(),
            or_dash(&device.about.name),
            or_dash(&device.about.ward),
            time(standing.last_message),
            standing.certificate_end().map_or_else(|| "-".to_owned(), day),
            refused,
            remarks(device, output),
        ];
        lines.push(cells.iter().map(|cell| printable(cell)).collect());
    }
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|cells| cells.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    let shown = lines.iter().map(|cells| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    shown.collect::<Vec<_>>().join("\n")
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// The day of a time, in UTC.
fn day(at: Timestamp) -> String {
    if at >= crate::x509::NO_EXPIRY {
        return "no expiry".to_owned();
    }
    at.to_zoned_datetime(jiff::tz::TimeZone::UTC).date().to_string()
}

fn csv(rows: &[(&Device, Standing)]) -> String {
    let mut lines = vec![CSV_HEADER.to_owned()];
    for (device, standing) in rows {
        let view = StandingView::from(standing);
        let refusal = view.last_refusal.as_ref();
        let patterns: Vec<_> = device.speaks_for.iter().map(ToString::to_string).collect();
        let mut cells = vec![device.id.to_string(), device.kind.as_str().to_owned()];
        cells.extend(device.about.fields().map(|(_, text)| text.to_owned()));
        cells.extend([
            patterns.join("; "),
            view.state.to_owned(),
            view.last_message.clone().unwrap_or_default(),
            view.certificate_ends.clone().unwrap_or_default(),
            refusal.map_or(String::new(), |refusal| refusal.reason.to_owned()),
            refusal.map_or(String::new(), |refusal| refusal.last.clone()),
            device.note.clone(),
        ]);
        lines.push(cells.iter().map(|cell| csv_cell(cell)).collect::<Vec<_>>().join(","));
    }
    lines.join("\r\n")
}

const HEADER: [&str; 9] =
    ["STATE", "CN", "KIND", "NAME", "WARD", "LAST MESSAGE", "CERTIFICATE ENDS", "REFUSED", "REMARKS"];

const CSV_HEADER: &str = "cn,kind,name,ward,model,serial,owner,speaks-for,state,last-message,certificate-ends,\
                          refused,refused-last,note";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::About;
    use crate::store::fixtures::gateway;

    fn rows(device: &Device) -> Vec<(&Device, Standing)> {
        let now = Timestamp::from_second(1_750_000_000).unwrap();
        vec![(device, Fleet::default().standing(device, None, now))]
    }

    #[test]
    fn the_list_has_a_header_and_aligned_columns() {
        let about = About { name: "ICU-14".to_owned(), ward: "ICU".to_owned(), ..About::default() };
        let device =
            Device { about, silent_after: Some("2m".parse().unwrap()), expected: true, ..gateway("GW-1") };
        let text = table(&rows(&device), Output::new(false));
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("STATE    CN    KIND     NAME    WARD  LAST MESSAGE"), "{text}");
        assert!(lines[1].starts_with("missing  GW-1  gateway  ICU-14  ICU   -"), "{text}");
        assert!(
            lines[1].ends_with("for 00A037* 0004A30000000001  silent-after=2m  expected  ward 7"),
            "{text}"
        );
    }

    #[test]
    fn a_csv_cell_is_quoted_and_no_formula() {
        let formula = Device { note: "x;=1+1".to_owned(), ..gateway("GW-1") };
        assert!(csv(&rows(&formula)).ends_with(",\"x;'=1+1\""), "{}", csv(&rows(&formula)));
        let device = gateway("GW-1");
        let text = csv(&rows(&device));
        assert!(
            text.ends_with("GW-1,gateway,,,,,,\"00A037*; 0004A30000000001\",never-seen,,,,,ward 7"),
            "{text}"
        );
    }
}
