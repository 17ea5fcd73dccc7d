//! The content of a message as tables. Covered, it holds only words of the platform's own tables: what is
//! measured, never a value and no text of the sender.

use super::element::{Html, Tone, counted};
use super::layout::Table;
use super::plot;
use crate::audit::ViewedAs;
use crate::model::size_text;
use crate::pcd::nomenclature::{Coded, find_term, find_unit, plain_term};
use crate::view::{Node, OtherField, Patient, Request, Term, Tree};

/// A request (OBR) with its observations.
pub(super) struct Part {
    /// What it is about.
    pub(super) heading: Html,
    /// The observations.
    pub(super) table: Table,
}

/// The observations without their values.
pub(super) fn covered(tree: &Tree) -> Vec<Part> {
    let parts = tree.requests.iter().take(MAX_REQUESTS).map(|request| {
        let rows = request.observations.iter().take(MAX_ROWS).map(|node| {
            let term =
                known_term(&node.term).unwrap_or_else(|| "a term that the tables do not have".to_owned());
            let unit = find_unit(coded(&node.units)).map(|unit| unit.plain()).unwrap_or_default();
            vec![place(node), Html::text(&term), cover(), Html::text(unit)]
        });
        let heading = known_term(&request.service).unwrap_or_else(|| "Observations".to_owned());
        let table = Table::new(
            "Observations, values covered",
            &["Place", "What", "Value", "Unit"],
            "No observation.",
        );
        Part { heading: Html::text(&heading), table: table.with(rows) }
    });
    parts.collect()
}

/// The observations with their values; `tree` has the patient or not.
pub(super) fn open(tree: &Tree) -> Vec<Part> {
    tree.requests.iter().take(MAX_REQUESTS).map(|request| open_request(request, tree.patients)).collect()
}

fn open_request(request: &Request, patients: Option<usize>) -> Part {
    let rows = request.observations.iter().take(MAX_ROWS).map(|node| {
        let value = node.value.clone().unwrap_or_else(|| "covered: about the patient".to_owned());
        let value = if node.is_withdrawn {
            Html::joined([
                Html::tag(Tone::Bad, "withdrawn"),
                Html::written(format!("<s>{}</s>", Html::text(&value))),
            ])
        } else {
            Html::joined([
                Html::written(format!("<b>{}</b>", Html::text(&value))),
                Html::text(&node.unit),
                samples(node),
            ])
        };
        let marks = [node.doubt.clone(), node.flags.join(" ")];
        let marks = marks.into_iter().filter(|mark| !mark.is_empty()).collect::<Vec<_>>().join(" · ");
        let clinical = if node.not_clinical { Html::tag(Tone::Watch, "test") } else { Html::default() };
        vec![
            place(node),
            Html::joined([Html::text(&known_term(&node.term).unwrap_or_else(|| node.term.text()))]),
            value,
            Html::text(&node.range),
            Html::joined([clinical, Html::text(&marks)]),
            Html::text(node.shown_status().unwrap_or_default()),
            Html::text(&node.time_shown),
        ]
    });
    let columns = ["Place", "What", "Value", "Range", "Flags", "Status", "Time"];
    let heading = known_term(&request.service).unwrap_or_else(|| request.service.text());
    Part {
        heading: Html::joined([
            Html::text(&heading),
            Html::muted(&patient_of(request, patients)),
            Html::muted(&request.time_shown),
        ]),
        table: Table::new("Observations with their values", &columns, "No observation.").with(rows),
    }
}

/// Which of several patients a request is of.
fn patient_of(request: &Request, patients: Option<usize>) -> String {
    let both = request.patient.zip(patients);
    both.map(|(number, count)| format!("patient {number} of {count}")).unwrap_or_default()
}

/// A plot of the samples of a waveform; none of a value that does not count.
fn samples(node: &Node) -> Html {
    if node.value_type != "NA" || node.is_withdrawn || !node.doubt.is_empty() {
        return Html::default();
    }
    let values = node.value.as_deref().unwrap_or_default();
    let points: Vec<Option<f64>> = values.split('^').map(|sample| sample.trim().parse().ok()).collect();
    plot::line(&points, &counted(u64::try_from(points.len()).unwrap_or_default(), "sample"))
}

/// The patient, where a person asked for it, and the fields of segments beside the observations.
pub(super) fn others(tree: &Tree) -> Table {
    let patient = tree.patient.iter().chain(&tree.further_patients).flat_map(patient_rows);
    let of_requests = tree.requests.iter().flat_map(|request| {
        let participants = request.observations.iter().flat_map(|node| &node.participants);
        request.segments.iter().chain(participants)
    });
    let segments = tree.other_segments.iter().chain(of_requests);
    let all = segments.flat_map(|segment| &segment.fields).map(other_row);
    Table::new("Other fields", &["Field", "What", "Value"], "").with(patient.chain(all).take(MAX_ROWS))
}

fn patient_rows(patient: &Patient) -> impl Iterator<Item = Vec<Html>> + '_ {
    let fields = [
        ("PID-5", "name of the patient", &patient.name),
        ("PID-3", "identifiers of the patient", &patient.identifiers),
        ("PID-7", "born", &patient.born),
        ("PID-8", "sex", &patient.sex),
        ("PV1-3", "location", &patient.location),
    ];
    let notes = patient.notes.iter().map(|note| ("NTE-3", "note about the patient", note));
    let stated = fields.into_iter().chain(notes).filter(|(.., value)| !value.is_empty());
    let row = |(field, what, value): (&str, &str, &String)| {
        vec![Html::code(field), Html::text(what), Html::text(value)]
    };
    let observed = patient.observations.iter().map(|node| {
        vec![
            Html::code("OBX-5"),
            Html::text(&node.term.text()),
            Html::text(node.value.as_deref().unwrap_or_default()),
        ]
    });
    stated.map(row).chain(observed).chain(patient.others.iter().map(other_row))
}

fn other_row(field: &OtherField) -> Vec<Html> {
    let value = match &field.value {
        None => "covered".to_owned(),
        Some(_) if field.is_partial => format!("{} (the rest is covered)", field.shown),
        Some(_) => field.shown.clone(),
    };
    vec![Html::code(&field.field), Html::text(field.name), Html::text(&value)]
}

/// The segments, byte for byte; nothing of them unless that was asked for.
pub(super) fn raw(message: &[u8], viewed_as: Option<ViewedAs>) -> Table {
    let table = Table::new("Segments as they were received", &["Segment", "Fields"], "");
    if viewed_as != Some(ViewedAs::Raw) {
        return table;
    }
    let lines = message.split(|byte| *byte == b'\r').filter(|line| !line.is_empty()).take(MAX_ROWS);
    let rows = lines.map(|line| {
        let cut = line.get(..MAX_LINE).unwrap_or(line);
        let text = String::from_utf8_lossy(cut);
        let (name, fields) = text.split_at_checked(3).unwrap_or((&text, ""));
        let more = line.len().saturating_sub(MAX_LINE);
        let more = if more > 0 {
            Html::muted(&format!("… {} more", size_text(u64::try_from(more).unwrap_or(u64::MAX))))
        } else {
            Html::default()
        };
        vec![Html::code(name), Html::joined([marked(fields), more])]
    });
    table.with(rows)
}

/// The separators of a segment, made visible.
fn marked(fields: &str) -> Html {
    let mut html = String::from("<code class=\"raw\">");
    for piece in fields.split_inclusive(['|', '^', '~', '&']) {
        let at = piece.len() - usize::from(piece.ends_with(['|', '^', '~', '&']));
        let (text, separator) = piece.split_at(at);
        html.push_str(&Html::text(text).to_string());
        if !separator.is_empty() {
            html.push_str(&format!("<i>{}</i><wbr>", Html::text(separator)));
        }
    }
    html.push_str("</code>");
    Html::written(html)
}

/// The place in the device tree, indented.
fn place(node: &Node) -> Html {
    let depth = node.depth.min(6);
    let path = if node.path.is_empty() { "–" } else { &node.path };
    // OBX-4 as it came, where that is another spelling of the same place.
    let as_sent = match (node.path.is_empty(), node.sub_id.is_empty()) {
        (false, false) => Html::muted(&format!("sent as {}", node.sub_id)),
        _ => Html::default(),
    };
    Html::written(format!("<span class=\"depth{depth}\"><code>{}</code> {as_sent}</span>", Html::text(path)))
}

fn cover() -> Html {
    Html::written("<span class=\"cover\">covered</span>".to_owned())
}

/// The name of a term, in words of the tables or as it came.
pub(super) fn term_in_words(term: &Term) -> String {
    known_term(term).unwrap_or_else(|| term.text())
}

/// The name of a term that the tables have; never a text of the sender.
fn known_term(term: &Term) -> Option<String> {
    let coded = coded(term);
    find_term(coded).map(|_| plain_term(coded).to_string())
}

fn coded(term: &Term) -> Coded<'_> {
    Coded { code: &term.code, name: &term.name, system: &term.system }
}

const MAX_REQUESTS: usize = 20;
const MAX_ROWS: usize = 500;
const MAX_LINE: usize = 4000;
