//! The summary of a simulation in words.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::simulate::{Fault, FaultSummary, LatencySummary, Outage, Summary};

pub(super) fn summary(summary: &Summary) -> String {
    let Summary {
        devices,
        seconds,
        sending_seconds,
        handshakes,
        lost_sessions,
        sent,
        acknowledged,
        repeated,
        in_doubt,
        ..
    } = summary;
    let connected = summary
        .first_connection_seconds
        .map_or_else(|| "never all connected".to_owned(), |time| format!("all connected after {time:.1} s"));
    let mut lines = vec![
        format!(
            "{devices} devices for {seconds:.1} s; {connected}; {handshakes} handshakes, {lost_sessions} sessions lost"
        ),
        format!(
            "{sent} messages sent, {acknowledged} acknowledged ({:.0}/s), {repeated} sent again, {in_doubt} in doubt",
            *acknowledged as f64 / sending_seconds.max(0.001)
        ),
    ];
    if summary.rejected_with_fault > 0 {
        lines.push(format!("{} messages of devices with a fault rejected", summary.rejected_with_fault));
    }
    if summary.not_connected_at_end > 0 {
        lines.push(format!("NOT connected at the end: {} devices", summary.not_connected_at_end));
    }
    // Who has no session sends nothing, whatever the traffic is.
    if *sent == 0 && *handshakes > 0 {
        lines.push("NO message sent: look at --traffic, --like, --interval and --for".to_owned());
    }
    for (name, counts) in &summary.transactions {
        lines.push(format!("  {name}: {} sent, {} acknowledged", counts.sent, counts.acknowledged));
    }
    list(&mut lines, "rejected", &summary.rejected);
    list(&mut lines, "orders", &summary.orders);
    list(&mut lines, "no session", &summary.failures);
    if *acknowledged > 0 {
        latency(&mut lines, &summary.latency);
    }
    lines.extend(summary.faults.iter().flat_map(|(fault, found)| fault_lines(fault, found)));
    lines.extend(summary.outages.iter().map(outage));
    lines.join("\n")
}

fn fault_lines(fault: &str, found: &FaultSummary) -> Vec<String> {
    let expected = if found.as_expected { "as it has to be" } else { "NOT as it has to be" };
    let platform: Vec<_> =
        found.platform.iter().map(|(outcome, count)| format!("{outcome} ({count})")).collect();
    let mut lines = vec![format!(
        "fault {fault}, {} devices: {}: {expected}",
        found.devices,
        if platform.is_empty() { "not seen".to_owned() } else { platform.join(", ") }
    )];
    if fault == Fault::Revoked.name() && !found.as_expected {
        lines.push(
            "  a revocation counts once the platform knows it: run `pki respond`, or reload the platform"
                .to_owned(),
        );
    }
    lines
}

fn outage(outage: &Outage) -> String {
    let Outage { lost, away_seconds, back_after_seconds, ratio, .. } = outage;
    match back_after_seconds.zip(*ratio) {
        Some((back_after_seconds, ratio)) => format!(
            "outage: {lost} sessions lost; the first was back after {away_seconds:.1} s, all {back_after_seconds:.1} s \
             later: {ratio:.2} times what as many handshakes took at the start"
        ),
        None => format!("outage: {lost} sessions lost; NOT over at the end, after {away_seconds:.1} s"),
    }
}

fn list(lines: &mut Vec<String>, title: &str, counts: &BTreeMap<impl Display, u64>) {
    lines.extend(counts.iter().map(|(name, count)| format!("{title}: {name}: {count}")));
}

/// The percentiles, and bars.
fn latency(lines: &mut Vec<String>, latency: &LatencySummary) {
    let LatencySummary { p50_ms, p95_ms, p99_ms, max_ms, histogram } = latency;
    lines.push(format!(
        "acknowledged after: p50 {p50_ms:.1} ms, p95 {p95_ms:.1} ms, p99 {p99_ms:.1} ms, longest {max_ms:.1} ms"
    ));
    let most = histogram.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    for (bound, count) in histogram {
        let width = usize::try_from((count * BAR_WIDTH).div_ceil(most)).unwrap_or(0);
        lines.push(format!("  up to {bound:>8} ms {count:>9}  {}", "#".repeat(width)));
    }
}

/// Characters of the longest bar.
const BAR_WIDTH: u64 = 40;
