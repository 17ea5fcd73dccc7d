//! The content of a message as lines of text.

use crate::cli::text::{NO_STRIKE, STRIKE, counted, printable};
use crate::view::{AlertFacets, Node, OtherField, OtherSegment, Patient, Request, Tree};

/// A line of text without control characters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    text: String,
    /// Where the part begins that is not valid any more, if the line has one.
    struck_from: Option<usize>,
}

impl Line {
    /// The line; on a terminal what is not valid is struck through.
    pub(super) fn shown(&self, on_terminal: bool) -> String {
        match self.struck_from.filter(|_| on_terminal).and_then(|at| self.text.split_at_checked(at)) {
            Some((mark, struck)) => format!("{mark}{STRIKE}{struck}{NO_STRIKE}"),
            None => self.text.clone(),
        }
    }
}

/// The content as lines.
pub(super) fn lines(tree: &Tree) -> Vec<Line> {
    let mut lines = Lines::default();
    let transaction = tree.transaction.map_or("not IHE PCD".to_owned(), str::to_uppercase);
    lines.plain(&format!("{transaction}  {}  {}", tree.message_type, tree.control_id));
    if let Some(excerpt) = &tree.excerpt {
        lines.plain(&format!("NOT COMPLETE: {}", excerpt.in_words()));
    }
    if tree.not_clinical {
        lines.plain("NOT CLINICAL: a test or a demonstration (OBX-8)");
    }
    if let Some(mode) = tree.not_production {
        lines.plain(&format!("NOT CLINICAL: a message of {mode} (MSH-11)"));
    }
    if let Some(mode) = tree.not_current {
        lines.plain(&format!("NOT CURRENT: {mode} (MSH-11)"));
    }
    if tree.withdrawn > 0 {
        let results = counted(tree.withdrawn as u64, "result");
        lines.plain(&format!("NOT VALID: the sender withdrew {results} (OBX-11 W or D)"));
    }
    lines.row("sent", &tree.sent_shown);
    lines.row("from", &tree.from);
    match (tree.patients, &tree.patient) {
        (Some(count), _) => {
            let text = format!("{count} patients in one message: each request is of the patient above it");
            lines.row("warning", &text);
        }
        (None, Some(patient)) => lines.patient("", patient),
        (None, None) if tree.names_patient => lines.row("patient", HIDDEN),
        (None, None) => {}
    }
    lines.segments(&tree.other_segments);
    let mut patients = 1..=tree.patients.unwrap_or_default();
    let are_several = tree.requests.len() > 1;
    for request in &tree.requests {
        while patients.start() <= &request.patient.unwrap_or_default() {
            let Some(number) = patients.next() else { break };
            lines.numbered_patient(number, tree);
        }
        lines.request(request);
        if are_several {
            // Of several requests, each says what is hidden of it.
            lines.row("hidden", &hidden_fields(request.other_fields()));
        }
    }
    // Of these patients the message has no request.
    patients.for_each(|number| lines.numbered_patient(number, tree));
    let loose = tree.loose_fields();
    let hidden = if are_several { hidden_fields(loose) } else { hidden_fields(tree.other_fields()) };
    lines.row("hidden", &hidden);
    if tree.requests.is_empty() {
        lines.row("segments", &tree.segments.join(" "));
    } else if !tree.not_shown.is_empty() {
        lines.row("also", &format!("{} (--raw shows them)", tree.not_shown.join(" ")));
    }
    lines.0
}

#[derive(Default)]
struct Lines(Vec<Line>);

impl Lines {
    fn plain(&mut self, text: &str) {
        self.0.push(Line { text: printable(text.trim_end()), struck_from: None });
    }

    /// A name and its value, unless the value is empty. Further lines of the value are indented.
    fn row(&mut self, name: &str, value: &str) {
        for (at, line) in value.split('\n').enumerate().filter(|_| !value.is_empty()) {
            let (name, mark) = if at == 0 { (name, "") } else { ("", FURTHER_LINE) };
            self.plain(&format!("{name:<9} {mark}{line}"));
        }
    }

    fn patient(&mut self, number: &str, patient: &Patient) {
        self.row("patient", &format!("{number}{}", patient_text(patient)));
        self.others(&patient.others);
        self.notes(&patient.notes, 0);
        patient.observations.iter().for_each(|node| self.node(node));
    }

    /// One of several patients.
    fn numbered_patient(&mut self, number: usize, tree: &Tree) {
        let count = tree.patients.unwrap_or_default();
        let mark = format!("{number} of {count}: ");
        let mut all = tree.patient.iter().chain(&tree.further_patients);
        match all.nth(number.saturating_sub(1)) {
            Some(patient) => self.patient(&mark, patient),
            None => self.row("patient", &format!("{mark}{HIDDEN}")),
        }
    }

    fn request(&mut self, request: &Request) {
        self.row("request", &request.service.text());
        self.row("filler", &request.filler);
        self.row("placer", &request.placer);
        self.row("parent", &request.parent);
        self.row("time", &request.time_shown);
        self.row("until", &request.end_shown);
        self.others(&request.others);
        self.segments(&request.segments);
        for alert in request.alert.iter().chain(&request.further_alerts) {
            self.alert(alert);
        }
        self.notes(&request.notes, 0);
        for node in &request.observations {
            self.node(node);
        }
    }

    fn alert(&mut self, alert: &AlertFacets) {
        let doubt = || alert.doubted_facets.iter().find(|doubted| doubted.facet == "event");
        let mark = alert.withdrawn.or_else(|| doubt().map(|event| event.doubt.as_str()));
        let mark = mark.map(mark_of).unwrap_or_default();
        // An answer to an alert (PCD-05) need not repeat it.
        let text = format!("{mark}{} {}", alert.event.text(), alert.text);
        self.row("alert", text.trim());
        for (label, value) in &alert.rows {
            self.row(label, value);
        }
    }

    fn segments(&mut self, segments: &[OtherSegment]) {
        for segment in segments {
            self.others(&segment.fields);
            self.notes(&segment.notes, 0);
        }
    }

    /// Fields without a place of their own.
    fn others(&mut self, fields: &[OtherField]) {
        for OtherField { field, name, shown, .. } in fields.iter().filter(|field| field.value.is_some()) {
            let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
            self.row(field, &format!("{name}{shown}"));
        }
    }

    fn notes(&mut self, notes: &[String], indent: usize) {
        for note in notes {
            for (at, line) in note.split('\n').enumerate() {
                let label = if at == 0 { "note: " } else { FURTHER_NOTE };
                self.plain(&format!("{:indent$}  {label}{line}", ""));
            }
        }
    }

    fn node(&mut self, node: &Node) {
        let path = match (node.path.as_str(), node.sub_id.as_str()) {
            ("", "") => "-".to_owned(),
            ("", sent) => sent.to_owned(),
            (path, "") => path.to_owned(),
            // OBX-4 as it came is another spelling of the same place.
            (path, sent) => format!("{path} (sent as {sent})"),
        };
        let path = format!("{:indent$}{path}", "", indent = node.depth * 2);
        let level = node.level.unwrap_or_default();
        let start = printable(&format!("  {path:<24} {level:<7} "));
        let mark =
            if node.is_withdrawn { node.status_name.map(mark_of).unwrap_or_default() } else { String::new() };
        let rest = node_text(node);
        let mut texts = rest.split('\n');
        let first = texts.next().unwrap_or_default();
        let struck_from = node.is_withdrawn.then_some(start.len() + mark.len());
        let text = format!("{start}{mark}{}", printable(first));
        self.0.push(Line { text: text.trim_end().to_owned(), struck_from });
        let indent = INDENT;
        for text in texts {
            let text = printable(&format!("{:indent$}{FURTHER_LINE}{text}", ""));
            self.0.push(Line { text, struck_from: node.is_withdrawn.then_some(indent) });
        }
        for participant in &node.participants {
            let texts: Vec<_> = other_texts(&participant.fields).collect();
            if !texts.is_empty() {
                self.plain(&format!("{:indent$}  {}: {}", "", participant.segment, texts.join("  ")));
            }
        }
        self.notes(&node.notes, indent);
    }
}

fn mark_of(doubt: &str) -> String {
    format!("[{}] ", doubt.to_uppercase())
}

fn patient_text(patient: &Patient) -> String {
    let Patient { identifiers, name, born, sex, location, .. } = patient;
    let parts = [("", name), ("id ", identifiers), ("born ", born), ("sex ", sex), ("at ", location)];
    let parts = parts.into_iter().filter(|(_, value)| !value.is_empty());
    parts.map(|(label, value)| format!("{label}{value}")).collect::<Vec<_>>().join(", ")
}

/// The names of the fields that are there and not shown, or not all of them, each once.
fn hidden_fields<'t>(fields: impl Iterator<Item = &'t OtherField>) -> String {
    let mut names: Vec<String> = Vec::new();
    for OtherField { field, value, is_partial, .. } in fields {
        let name = match value {
            None => field.clone(),
            Some(_) if *is_partial => format!("{field} (in part)"),
            Some(_) => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() { String::new() } else { format!("{} (--phi shows them)", names.join(" ")) }
}

/// The fields without a place of their own that are shown.
fn other_texts(fields: &[OtherField]) -> impl Iterator<Item = String> {
    fields.iter().filter(|field| field.value.is_some()).map(|OtherField { field, name, shown, .. }| {
        format!("{} {shown}", if name.is_empty() { field } else { *name })
    })
}

/// What an observation says.
fn node_text(node: &Node) -> String {
    let mut line = node.term.text();
    let mut add = |text: &str| {
        line.push_str("  ");
        line.push_str(text);
    };
    match node.value.as_deref() {
        Some("") => {}
        Some(value) => add(&format!("= {value}")),
        None => add(&format!("= {HIDDEN}")),
    }
    // The size of a document is its text already.
    if let Some(bytes) =
        node.value_bytes.filter(|_| node.value.as_deref().is_some_and(|it| it.ends_with('\u{2026}')))
    {
        add(&format!("({bytes} bytes; --full shows all)"));
    }
    if node.is_continued {
        add("(continued; --raw shows all)");
    }
    if !node.unit.is_empty() {
        add(&node.unit);
    }
    if !node.range.is_empty() {
        add(&format!("range {}", node.range));
    }
    if !node.flags.is_empty() {
        add(&format!("[{}]", node.flags.join(" ")));
    }
    if node.not_clinical {
        add("NOT CLINICAL");
    }
    if !node.doubt.is_empty() {
        add(&node.doubt.to_uppercase());
    }
    match node.shown_status() {
        Some(name) if !node.is_withdrawn => add(name),
        None if node.status_name.is_none() && !node.status.is_empty() => {
            add(&format!("status {}", node.status))
        }
        _ => {}
    }
    if !node.time_shown.is_empty() {
        add(&format!("at {}", node.time_shown));
    }
    // AMEAS, MMEAS and so on say that it was measured; others that it is a setting.
    if !node.method.is_empty() {
        add(&format!("method {}", node.method));
    }
    if !node.site.is_empty() {
        add(&format!("site {}", node.site));
    }
    if !node.equipment.is_empty() {
        add(&format!("by {}", node.equipment));
    }
    other_texts(&node.others).for_each(|text| add(&text));
    line.trim_end().to_owned()
}

/// What stands in place of a patient.
const HIDDEN: &str = "hidden; --phi shows it";
/// What a further line of a value begins with: no line of the sender reads like a line of the tree.
const FURTHER_LINE: &str = "| ";
/// The same for a note, below its label.
const FURTHER_NOTE: &str = "    | ";
/// How far the further lines of a value are indented.
const INDENT: usize = 35;

#[cfg(test)]
mod tests;
