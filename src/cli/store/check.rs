//! `store check`: reads the whole store.

use serde::Serialize;

use crate::audit::{SignatureVerifier, SigningRule};
use crate::cli::audit::verify::{missing_heads, unnamed_faults};
use crate::cli::context::failed;
use crate::cli::progress;
use crate::cli::text::counted;
use crate::cli::{Exit, Outcome, Output};
use crate::model::{FoundRisks, MessageId, StoreRisk};
use crate::store::{ChainReport, Contents, EndFile, Inspection, NamedMessages, Store, Unexplained};

/// What was found.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Checked {
    whole: bool,
    /// States of the store, not accepted, in which it may not show what is in it.
    risks: Vec<&'static str>,
    /// The same, with where in the database they were found.
    #[serde(skip)]
    described: Vec<String>,
    /// What the database says is damaged.
    damage: Vec<String>,
    /// Where the audit trail is broken.
    broken: Vec<String>,
    /// Messages whose bytes do not have their digest.
    altered: Named,
    /// Messages whose bytes the database does not return, or not as bytes.
    unreadable: Named,
    /// Messages that a search by an identity which they name does not find.
    unindexed: Named,
    /// Messages whose digest is not the one in the audit trail.
    replaced: Named,
    /// Messages that were acknowledged as resends of ones that the audit trail does not name.
    unfounded: Named,
    /// Messages that the audit trail names, and that are not there although no retention pass removed them.
    missing: Named,
    /// Where more is missing than retention passes removed.
    unexplained: Vec<Range>,
    /// Messages that the audit trail does not name.
    unrecorded: u64,
    /// Messages before this time are not compared with the audit trail.
    trail_since: Option<String>,
    /// Missing messages before this time may have been removed by an earlier version.
    unknown_before: Option<String>,
    schema: u64,
    messages: u64,
    rejected: u64,
    audit_rows: u64,
    devices: u64,
    /// Entries of the directory that cannot be read, and why.
    damaged_devices: Vec<String>,
    #[serde(skip)]
    not_asked: bool,
}

#[derive(Serialize)]
struct Named {
    count: u64,
    first: Vec<String>,
}

#[derive(Serialize)]
struct Range {
    first: String,
    last: String,
    missing: u64,
    removed: u64,
}

pub(super) async fn run(
    verifier: &dyn SignatureVerifier,
    rule: SigningRule,
    file: &EndFile,
    store: &Store,
    output: Output,
) -> Outcome {
    let reading = async {
        let inspection = store.inspect().await?;
        let contents = store.check_contents(verifier).await?;
        let damaged = store.damaged_devices().await?;
        Ok((inspection, contents, damaged, store.verify_audit_with(verifier, Some(rule)).await?))
    };
    let (inspection, contents, damaged, reports) =
        progress::shown(store.work(), reading).await?.map_err(failed)?;
    let mut broken: Vec<_> = reports.iter().flat_map(ChainReport::faults).map(ToString::to_string).collect();
    broken.extend(reports.iter().filter_map(unnamed_faults));
    broken.extend(missing_heads(verifier, file, store, output).await?.iter().map(|head| {
        format!(
            "row {head}, which this node remembers, is not there: the store went back, or the chain was rewritten \
             (docs/howto/incidents.md, \"When the store went back\")"
        )
    }));
    let mut checked = Checked::new(inspection, &contents, broken, &store.unaccepted_risks());
    checked.whole &= damaged.is_empty();
    checked.damaged_devices = damaged.into_iter().map(|(id, why)| format!("{id}: {why}")).collect();
    output.print(&checked, |checked| checked.lines(output))?;
    Ok(if checked.whole { Exit::Done } else { Exit::Failed })
}

impl Checked {
    fn new(inspection: Inspection, contents: &Contents, broken: Vec<String>, risks: &FoundRisks) -> Self {
        let Inspection { damage, schema, messages, rejected, audit_rows, devices } = inspection;
        let not_asked = damage.is_none();
        let damage = damage.unwrap_or_default();
        Self {
            whole: risks.is_empty() && damage.is_empty() && broken.is_empty() && contents.are_whole(),
            risks: risks.iter().map(StoreRisk::code).collect(),
            described: risks.iter().map(|risk| risks.described(risk)).collect(),
            damage,
            broken,
            altered: Named::new(&contents.altered),
            unreadable: Named::new(&contents.unreadable),
            unindexed: Named::new(&contents.unindexed),
            replaced: Named::new(&contents.replaced),
            unfounded: Named::new(&contents.unfounded),
            missing: Named::new(&contents.missing),
            unexplained: contents.unexplained.iter().map(Range::new).collect(),
            unrecorded: contents.unrecorded,
            trail_since: contents.trail_since.map(|at| at.to_string()),
            unknown_before: contents.unknown_before.map(|at| at.to_string()),
            schema,
            messages,
            rejected,
            audit_rows,
            devices,
            damaged_devices: Vec::new(),
            not_asked,
        }
    }

    fn lines(&self, output: Output) -> String {
        let mut lines: Vec<_> = self.described.iter().map(|risk| format!("risk    store: {risk}")).collect();
        match (self.not_asked, self.damage.as_slice()) {
            (true, _) => lines.push("-       database: ask the server (pg_amcheck)".to_owned()),
            (false, []) => lines.push("ok      database: its structure is not damaged".to_owned()),
            (false, damage) => lines.extend(damage.iter().map(|line| format!("damaged database: {line}"))),
        }
        lines.extend(self.damaged_devices.iter().map(|entry| format!("damaged device {entry}")));
        match self.broken.as_slice() {
            [] => lines.push("ok      audit trail: as it was written".to_owned()),
            broken => lines.extend(broken.iter().map(|line| format!("broken  audit trail: {line}"))),
        }
        self.messages(&mut lines, output);
        lines.push(format!(
            "ok      schema {}: {} ({} rejected), {} in the audit trail, {}",
            self.schema,
            counted(self.messages, "message"),
            self.rejected,
            counted(self.audit_rows, "row"),
            counted(self.devices, "device")
        ));
        lines.join("\n")
    }

    fn messages(&self, lines: &mut Vec<String>, output: Output) {
        lines.push(match &self.altered {
            Named { count: 0, .. } => {
                "ok      messages: the bytes of each have the digest stored with them".to_owned()
            }
            altered => {
                format!("altered messages: the bytes of {altered} do not have the digest stored with them")
            }
        });
        if self.unreadable.count > 0 {
            lines.push(format!(
                "unreadable messages: the bytes of {}; where the type of a column was changed (risk not-a-table), put it \
                 back, otherwise restore them from a backup",
                self.unreadable
            ));
        }
        if self.unindexed.count > 0 {
            lines.push(format!(
                "hidden  messages: {} not found by an identity that they name: message_identity lacks rows",
                self.unindexed
            ));
        }
        self.compared_with_trail(lines);
        if let Some(since) = &self.trail_since {
            lines.push(format!(
                "-       messages before {} are not compared with the audit trail, which begins later",
                output.time(since)
            ));
        }
        if let Some(before) = &self.unknown_before {
            lines.push(format!(
                "-       messages before {} may have been removed by an earlier version, which did not record which",
                output.time(before)
            ));
        }
    }

    fn compared_with_trail(&self, lines: &mut Vec<String>) {
        let ok = lines.len();
        if self.replaced.count > 0 {
            lines.push(format!(
                "altered messages: {} with other bytes than the audit trail recorded",
                self.replaced
            ));
        }
        if self.unfounded.count > 0 {
            lines.push(format!(
                "added   messages: {} acknowledged as stored already, and in no other row of the audit trail",
                self.unfounded
            ));
        }
        if self.missing.count > 0 {
            lines.push(format!(
                "missing messages: {} named by the audit trail, and removed by no retention pass",
                self.missing
            ));
        }
        lines.extend(self.unexplained.iter().map(|Range { first, last, missing, removed }| {
            format!(
                "missing messages: from {first} to {last} {missing} are missing, and retention removed {removed}, or others"
            )
        }));
        if self.unrecorded > 0 {
            lines.push(format!(
                "added   messages: {} not named by the audit trail",
                counted(self.unrecorded, "message")
            ));
        }
        if lines.len() == ok {
            lines.push(
                "ok      messages: those of the audit trail, without those that retention removed".to_owned(),
            );
        }
    }
}

impl Named {
    pub(super) fn new(messages: &NamedMessages) -> Self {
        Self { count: messages.count, first: messages.first.iter().map(MessageId::to_string).collect() }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let more = if self.count > self.first.len() as u64 { ", ..." } else { "" };
        write!(f, "{} ({}{more})", counted(self.count, "message"), self.first.join(", "))
    }
}

impl Range {
    fn new(range: &Unexplained) -> Self {
        let Unexplained { first, last, missing, removed } = *range;
        Self { first: first.to_string(), last: last.to_string(), missing, removed }
    }
}
