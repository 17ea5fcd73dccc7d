//! Received messages as text.

use crate::cli::Output;
use crate::cli::text::{column, paragraph, printable};
use crate::store::CUT;
use crate::view::{
    BatchView, MessageDetails, MessageView, ReconsideredView, ReportedAlert, not_shown_in_words,
};

/// The names of the columns of the list.
pub(super) fn header() -> String {
    let [id, received, device, kind, control_id, size, verdict] =
        ["ID", "RECEIVED", "DEVICE", "TRANSACTION", "CONTROL ID", "SIZE", "VERDICT"];
    format!("{id:<36}  {received:<33}  {device:<20}  {kind:<16}  {control_id:<20}  {size:>8}  {verdict}")
}

/// A row of the list.
pub(super) fn line(message: &MessageView<'_>, output: Output) -> String {
    let warnings = match message.warnings {
        [] => String::new(),
        warnings => format!("  ! {}", printable(&warnings.join(" "))),
    };
    format!(
        "{}  {:<33}  {:<20}  {:<16}  {:<20}  {:>8}  {}{warnings}",
        message.id,
        output.time(&message.received_at),
        column(message.device),
        column(message.transaction.unwrap_or(message.message_type)),
        column(message.control_id),
        message.size,
        verdict(message)
    )
}

/// Everything that is known about a message, except its content.
pub(super) fn details(details: &MessageDetails<'_>, output: Output) -> String {
    let message = &details.message;
    let event_time =
        message.event_time.as_deref().map(|at| assumed(at, details.event_time_zone_assumed, output));
    let mut rows = vec![
        ("id", message.id.clone()),
        ("verdict", verdict(message)),
        ("warnings", message.warnings.join(" ")),
        ("damaged", if details.intact { "" } else { "the bytes do not have their digest" }.to_owned()),
        ("cut", if is_cut(message) { "only the beginning is stored" } else { "" }.to_owned()),
        ("received", output.time(&message.received_at)),
        ("event time", event_time.unwrap_or_default()),
        ("transaction", message.transaction.unwrap_or_default().to_owned()),
        ("type", message.message_type.to_owned()),
        ("control id", message.control_id.to_owned()),
        ("application", message.sending_application.to_owned()),
        ("identities", details.identities.join(" ")),
        ("device", message.device.to_owned()),
        ("certificate", details.fingerprint.to_owned()),
        ("peer", details.peer.clone()),
        ("session", details.session.to_owned()),
        ("size", format!("{} bytes", message.size)),
    ];
    rows.extend(details.answers.iter().map(|answer| ("answered", answer.to_string())));
    let to_resends = details.answers_to_resends.iter();
    rows.extend(to_resends.map(|answer| ("answered", format!("nothing; a resend of it gets {answer}"))));
    rows.extend(details.forward.as_ref().map(|forward| ("forwarded", printable(&forward.to_string()))));
    rows.extend(details.batch.as_ref().map(|batch| ("batch", self::batch(batch))));
    if let Some(ReconsideredView { original, message, at, actor }) = &details.reconsidered {
        rows.push((
            "accepted at",
            format!("{} by {actor}, as message {message}; rejected as {original}", output.time(at)),
        ));
    }
    rows.extend(details.alerts.iter().flat_map(|reported| alert(reported, output)));
    rows.extend(not_shown_in_words(details.alerts_not_shown).map(|more| ("reports", more)));
    paragraph(&rows)
}

fn is_cut(message: &MessageView<'_>) -> bool {
    message.warnings.iter().any(|warning| warning == CUT)
}

fn batch(BatchView { control_id, time }: &BatchView) -> String {
    let parts = [("control id ", control_id), ("sent ", time)];
    let known: Vec<_> = parts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}{value}"))
        .collect();
    if known.is_empty() { "without an identifier".to_owned() } else { known.join(", ") }
}

/// The verdict, with what a reader of the message has to know first.
fn verdict(message: &MessageView<'_>) -> String {
    let mut verdict =
        message.rejection.map_or("accepted".to_owned(), |code| format!("rejected: {}", printable(code)));
    for (warning, mark) in MARKS {
        if message.warnings.iter().any(|known| known == warning) {
            verdict.push_str(", ");
            verdict.push_str(mark);
        }
    }
    verdict
}

/// A time, with a mark when its zone is not the sender's.
fn assumed(time: &str, is_assumed: bool, output: Output) -> String {
    let mark = if is_assumed { " (sent without zone)" } else { "" };
    format!("{}{mark}", output.time(time))
}

fn alert(alert: &ReportedAlert, output: Output) -> Vec<(&'static str, String)> {
    let ReportedAlert {
        sentence,
        filler,
        phase_shown: phase,
        time: sent,
        event_time,
        first_control_id,
        first_message,
        ..
    } = alert;
    let time = event_time.as_deref();
    let time = time.map_or_else(|| sent.clone(), |at| assumed(at, alert.event_time_zone_assumed, output));
    let parts: Vec<_> =
        [filler, phase, &time].map(String::as_str).into_iter().filter(|part| !part.is_empty()).collect();
    let mut rows = vec![("reports", sentence.clone()), ("alert", parts.join(", "))];
    if let (Some(control_id), Some(message)) = (first_control_id, first_message) {
        let of = alert.continues.as_ref().map(|parent| format!(", of {parent}")).unwrap_or_default();
        let first = match (alert.is_first, alert.onset_missing) {
            (true, true) => format!("this message; the beginning of the alert is missing{of}"),
            (true, false) => "this message".to_owned(),
            (false, _) => format!("id {message}"),
        };
        rows.push(("first report", format!("control id {control_id}, {first}")));
    }
    rows
}

/// Warnings that stand beside the verdict.
const MARKS: [(&str, &str); 4] = [
    ("not-clinical", "NOT CLINICAL (values of a test)"),
    ("not-production", "NOT CLINICAL (training or debugging)"),
    ("results-withdrawn", "with withdrawn results"),
    ("late-alarm", "LATE (the alarm came long after its time)"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MessageRecord;
    use crate::store::fixtures::TestStore;

    // The verdict of a rejected message stood beyond the right edge, and another one in its place.
    #[tokio::test]
    async fn a_control_id_with_blanks_forges_no_column() {
        let place = TestStore::new();
        let store = place.open().await;
        let record = place.rejected("1                376  accepted", b"MSH|");
        store.record(record.clone()).await.unwrap();
        let stored = store.message(record.id).await.unwrap().unwrap();
        let line = line(&MessageView::from(&stored.summary), Output::new(false));
        let words: Vec<_> = line.split_whitespace().collect();
        assert!(!words.contains(&"accepted") && words.contains(&"rejected:"), "{line}");
    }

    #[tokio::test]
    async fn the_content_of_a_message_and_of_its_acknowledgement_is_never_shown() {
        let place = TestStore::new();
        let store = place.open().await;
        let acknowledgement = b"MSA|AA|SECRET".as_slice().into();
        let record =
            MessageRecord { acknowledgement, ..place.rejected("\u{1b}[2J7", b"MSH|^~\\&|\rPID|1||SECRET") };
        store.record(record.clone()).await.unwrap();
        let stored = store.message(record.id).await.unwrap().unwrap();
        let (message, all) = (MessageView::from(&stored.summary), MessageDetails::new(&stored, &[]));
        let shown = [
            details(&all, Output::new(false)),
            line(&message, Output::new(false)),
            serde_json::to_string(&all).unwrap(),
            serde_json::to_string(&message).unwrap(),
        ];
        for text in &shown {
            assert!(!text.contains("SECRET") && !text.contains("PID"), "{text}");
            assert!(!text.contains('\u{1b}'), "{text}");
            for expected in [&record.id.to_string(), "PUMP-1", "PCD-01", "identity-mismatch", "[2J7"] {
                assert!(text.contains(expected), "{expected}: {text}");
            }
        }
        let object: serde_json::Value = serde_json::from_str(&shown[2]).unwrap();
        assert_eq!(object["rejection"], "identity-mismatch");
        assert_eq!(object["size"], record.raw.len());
        assert_eq!(object["peer"], "192.0.2.7:50123");
        assert_eq!(object["control-id"], "\u{1b}[2J7");
    }
}
