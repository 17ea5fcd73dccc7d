//! `/devices`: the directory, with how each device stands now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::element::{Html, Tone, address, counted, device_address, grouped, number};
use super::frame::Frame;
use super::layout::{Choice, Table, choices};
use super::problem::{Failure, OrFailure as _, Pages};
use super::query::given;
use super::response::page;
use super::state;
use super::validity;
use super::visitor::Visitor;
use crate::authz::Device;
use crate::fleet::{DeviceState, Fleet, Standing};
use crate::http::AdminState;

/// The filters of the address.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Filters {
    q: Option<String>,
    state: Option<String>,
    ward: Option<String>,
    page: Option<usize>,
}

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage {
    frame: Frame,
    heading: String,
    search: String,
    states: Vec<Choice>,
    wards: Vec<Choice>,
    counts: Vec<Html>,
    /// How each ward stands; empty where one is chosen, or there is none.
    by_ward: Table,
    table: Table,
    pager: Html,
}

/// A device as the list shows it.
struct Line {
    device: Arc<Device>,
    standing: Standing,
    /// Whether it has a session on this node, in whichever state it is.
    has_session: bool,
}

/// What is searched for.
#[derive(Debug, Default)]
struct Wanted {
    search: String,
    state: String,
    ward: String,
}

/// A page of the directory.
pub(super) async fn show(
    State(state): Pages,
    visitor: Visitor,
    Query(filters): Query<Filters>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/devices", "Devices").live();
    let text = |value| given(value).unwrap_or_default();
    let wanted = Wanted { search: text(filters.q), state: text(filters.state), ward: text(filters.ward) };
    let is_known = |code: &str| {
        [ANY_CONNECTED, NEEDING].contains(&code) || DeviceState::ALL.iter().any(|state| state.code() == code)
    };
    if !wanted.state.is_empty() && !is_known(&wanted.state) {
        let what = format!("There is no state {}", wanted.state);
        return Err(Failure::unusable(frame, what, "The list of states names what can be searched for."));
    }
    if filters.page == Some(0) {
        return Err(Failure::unusable(frame, "There is no such page", "The first page has the number 1."));
    }
    let all = lines(&state, &frame).await?;
    let of_ward: Vec<&Line> = all.iter().filter(|line| wanted.has_ward(line)).collect();
    let mut found: Vec<&Line> = all.iter().filter(|line| wanted.fits(line)).collect();
    found.sort_by(|one, other| {
        (one.standing.state, &one.device.id).cmp(&(other.standing.state, &other.device.id))
    });
    let page_number = filters.page.unwrap_or(1);
    let shown = found.iter().skip((page_number - 1).saturating_mul(ROWS)).take(ROWS);
    let wards: BTreeSet<&str> = all.iter().map(|line| line.device.about.ward.trim()).collect();
    let wards = wards.into_iter().filter(|ward| !ward.is_empty()).take(MAX_WARDS).map(|ward| (ward, ward));
    let states = DeviceState::ALL.iter().map(|state| (state.code(), state::word(*state)));
    let count = |rows: usize| u64::try_from(rows).unwrap_or_default();
    let heading = match found.len() == all.len() {
        true => counted(count(all.len()), "device"),
        false => format!("{} of {}", grouped(count(found.len())), counted(count(all.len()), "device")),
    };
    Ok(page(&DevicesPage {
        heading,
        states: choices(
            [("", "all"), (ANY_CONNECTED, "all connected"), (NEEDING, "to look at")]
                .into_iter()
                .chain(states),
            &wanted.state,
        ),
        wards: choices([("", "all")].into_iter().chain(wards), &wanted.ward),
        counts: counts(&of_ward, &wanted.ward),
        by_ward: if wanted.is_empty() && page_number == 1 { by_ward(&all) } else { Table::default() },
        table: table(shown.copied(), &frame, all.len()),
        pager: pager(&wanted, page_number, found.len()),
        search: wanted.search,
        frame,
    }))
}

async fn lines(state: &AdminState, frame: &Frame) -> Result<Vec<Line>, Failure> {
    let fleet = Fleet::read(state.store()).await.or_failure(frame)?;
    let (live, now) = (state.live(), frame.times.now());
    let line = |device: &Arc<Device>| {
        let known = live.device(&device.id);
        let standing = fleet.standing(device, Some(&known), now);
        Line { device: Arc::clone(device), standing, has_session: known.sessions > 0 }
    };
    Ok(live.directory().devices().map(line).collect())
}

impl Wanted {
    fn fits(&self, line: &Line) -> bool {
        let device = &*line.device;
        let search = self.search.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&search);
        self.has_state(line)
            && self.has_ward(line)
            && (search.is_empty()
                || has(device.id.as_str())
                || has(&device.note)
                || device.about.fields().iter().any(|(_, text)| has(text)))
    }
}

impl Wanted {
    fn is_empty(&self) -> bool {
        self.search.is_empty() && self.state.is_empty() && self.ward.is_empty()
    }

    /// As `device list --ward` and the receivers of notifications compare wards.
    fn has_ward(&self, line: &Line) -> bool {
        self.ward.is_empty() || line.device.about.ward.trim().eq_ignore_ascii_case(self.ward.trim())
    }

    fn has_state(&self, line: &Line) -> bool {
        match self.state.as_str() {
            "" => true,
            ANY_CONNECTED => line.has_session,
            NEEDING => needs_a_person(line.standing.state),
            state => line.standing.state.code() == state,
        }
    }
}

/// How each ward stands: a watchlist, the ward with the most devices that need a person first.
fn by_ward(all: &[Line]) -> Table {
    let mut wards: BTreeMap<String, Vec<&Line>> = BTreeMap::new();
    for line in all.iter().filter(|line| !line.device.about.ward.trim().is_empty()) {
        // One ward in two spellings is one.
        let ward = line.device.about.ward.trim();
        wards.entry(ward.to_ascii_lowercase()).or_default().push(line);
    }
    let need = |lines: &[&Line]| lines.iter().filter(|line| needs_a_person(line.standing.state)).count();
    let mut wards: Vec<_> = wards.into_values().collect();
    wards.sort_by_key(|lines| std::cmp::Reverse(need(lines)));
    let rows = wards.iter().take(LISTED_WARDS).filter_map(|lines| {
        let ward = lines.first()?.device.about.ward.trim();
        let state = |state: DeviceState| {
            let count = lines.iter().filter(|line| line.standing.state == state).count();
            let href = address("/devices", &[("ward", ward), ("state", state.code())]);
            if count == 0 { Html::default() } else { Html::rows(&href, count, &number(count)) }
        };
        let needing = need(lines);
        let tag = match needing {
            0 => Html::tag(Tone::Good, "well"),
            count => {
                let href = address("/devices", &[("ward", ward), ("state", NEEDING)]);
                let tag = Html::tag(Tone::Bad, &format!("{} to look at", number(count)));
                Html::rows_of(&href, count, &tag)
            }
        };
        let href = address("/devices", &[("ward", ward)]);
        let mut cells = vec![Html::link(&href, ward), tag];
        cells.push(Html::rows(&href, lines.len(), &number(lines.len())));
        cells.extend(WATCHED.map(state));
        Some(cells)
    });
    let columns = ["Ward", "State", "Devices", "Locked out", "Rejected", "Silent", "Missing", "Sends"];
    Table::new("Wards", &columns, "").with(rows)
}

/// Whether a person of the ward should look at the device now.
fn needs_a_person(state: DeviceState) -> bool {
    matches!(state, DeviceState::Refused | DeviceState::Rejected | DeviceState::Silent | DeviceState::Missing)
}

/// How many devices stand how, each a link to them; of one ward, if one is chosen.
fn counts(all: &[&Line], ward: &str) -> Vec<Html> {
    let count = |state: DeviceState| all.iter().filter(|line| line.standing.state == state).count();
    let some =
        DeviceState::ALL.into_iter().map(|state| (state, count(state))).filter(|(_, count)| *count > 0);
    some.map(|(of, count)| {
        let href = address("/devices", &[("ward", ward), ("state", of.code())]);
        Html::rows_of(&href, count, &Html::joined([state::tag(of), Html::text(&number(count))]))
    })
    .collect()
}

fn table<'a>(lines: impl Iterator<Item = &'a Line>, frame: &Frame, total: usize) -> Table {
    let columns = ["Device", "State", "Ward", "Last message", "Today", "Certificate", "Refused", "Note"];
    let empty = if total == 0 {
        "The directory is empty: pcd-platform device add CN adds the first device."
    } else {
        "No device fits."
    };
    Table::new("Devices, what needs attention first", &columns, empty)
        .with(lines.map(|line| row(line, frame)))
        .list()
}

fn row(line: &Line, frame: &Frame) -> Vec<Html> {
    let Line { device, standing, .. } = line;
    let refused = standing.locked_out.as_ref().or(standing.last_refusal.as_ref()).map(|row| {
        let count = Html::muted(&format!("{}×", grouped(row.count)));
        Html::joined([super::element::help_link(row.refusal.code(), row.refusal.code()), count])
    });
    let end = standing.certificate_end().map(|end| {
        let tag = validity::warning(end, frame);
        Html::joined([frame.times.day(end), tag])
    });
    vec![
        named(device),
        state::tag(standing.state),
        Html::text(&device.about.ward),
        standing.last_message.map(|at| frame.times.moment(at)).unwrap_or_default(),
        today(device.id.as_str(), standing, frame),
        end.unwrap_or_default(),
        refused.unwrap_or_default(),
        Html::text(&device.note),
    ]
}

/// The messages of today, as a link to them.
pub(super) fn today(cn: &str, standing: &Standing, frame: &Frame) -> Html {
    let count = usize::try_from(standing.messages_today).unwrap_or(usize::MAX);
    if count == 0 {
        return Html::text("0");
    }
    let since = frame.times.start_of_day().to_string();
    Html::rows(&address("/messages", &[("device", cn), ("since", &since)]), count, &number(count))
}

/// What staff call the device, with its Common Name, as a link to its page.
pub(super) fn named(device: &Device) -> Html {
    let (href, cn) = (device_address(device.id.as_str()), device.id.as_str());
    match device.about.name.as_str() {
        "" => Html::link(&href, cn),
        name => Html::joined([Html::link(&href, name), Html::muted(cn)]),
    }
}

fn pager(wanted: &Wanted, number: usize, found: usize) -> Html {
    let link = |number: usize, text: &str| {
        let number = number.to_string();
        let query =
            [("q", &*wanted.search), ("state", &*wanted.state), ("ward", &*wanted.ward), ("page", &*number)];
        Html::link(&address("/devices", &query), text)
    };
    let before = if number > 1 { link(number - 1, "Before") } else { Html::default() };
    let more = if number * ROWS < found { link(number + 1, "More") } else { Html::default() };
    Html::joined([before, more])
}

/// The filter for what the overview counts as connected: a device with a session, in whichever state.
pub(super) const ANY_CONNECTED: &str = "any-connected";
/// The filter for what a watchlist counts as devices that a person should look at.
const NEEDING: &str = "to-look-at";
/// The states that a watchlist counts.
const WATCHED: [DeviceState; 5] = [
    DeviceState::Refused,
    DeviceState::Rejected,
    DeviceState::Silent,
    DeviceState::Missing,
    DeviceState::Sends,
];
const ROWS: usize = 200;
/// Wards in the table: those that need a person come first.
const LISTED_WARDS: usize = 50;
/// Wards in the list of the form.
const MAX_WARDS: usize = 200;
