//! How devices stand, refused peers, and why one cannot connect.

use serde::Serialize;
use serde_json::Value;

use crate::authz::Directory;
use crate::fleet::{Standing, Why, next_step};
use crate::store::{Contact, RefusedRow};

/// How a device stands.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StandingView<'a> {
    /// `sends`, `rejected`, `silent`, `refused`, `suspended`, `never-seen`, `connected`, `disconnected`,
    /// `missing` or `left`.
    pub state: &'static str,
    /// Whether it is connected to any node.
    pub connected: bool,
    /// When the last message of it was stored.
    pub last_message: Option<String>,
    /// Its messages of today.
    pub messages_today: u64,
    /// Its last connection.
    pub last_connection: Option<ConnectionView<'a>>,
    /// The last second of the certificate that it showed last.
    pub certificate_ends: Option<String>,
    /// The last refusal of it.
    pub last_refusal: Option<RefusalView<'a>>,
    /// Whether that refusal is later than its last connection, or ended its last session: it cannot connect.
    pub locked_out: bool,
}

/// The last connection of a device to a node.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConnectionView<'a> {
    /// The node.
    pub node: &'a str,
    /// IP address and port of the device.
    pub peer: &'a str,
    /// The TLS version.
    pub version: &'a str,
    /// The cipher suite, by its IANA name.
    pub suite: &'a str,
    /// When it began.
    pub since: String,
    /// When the last one ended, if one did.
    pub ended: Option<String>,
    /// Why: `why` of the audit row `session-ended`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub ended_why: &'a str,
    /// The certificate of the device.
    pub certificate: Value,
}

/// Refusals of one peer for one reason by one node.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RefusalView<'a> {
    /// The Common Name or the fingerprint of a verified certificate, or an address.
    pub who: &'a str,
    /// Whether a CA below an installed root has issued the certificate.
    pub verified: bool,
    /// The device that it is, or claims to be.
    pub device: Option<&'a str>,
    /// The last address and port.
    pub peer: &'a str,
    /// The node that refused it.
    pub node: &'a str,
    /// The code of the reason.
    pub reason: &'static str,
    /// The reason in words.
    pub cause: String,
    /// What to do.
    pub next_step: String,
    /// The path of the help page.
    pub help: String,
    /// When it was refused first.
    pub first: String,
    /// When it was refused last.
    pub last: String,
    /// How often.
    pub count: u64,
    /// What it showed the last time.
    pub facts: Value,
}

/// Why a device, or what is at an address, cannot connect or send.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct WhyView<'a> {
    /// What was asked about.
    pub subject: &'a str,
    /// The entry of the directory.
    pub device: Option<&'a str>,
    /// Whether nothing is wrong.
    pub well: bool,
    /// The code of the help page.
    pub code: Option<&'a str>,
    /// What is wrong, or that nothing is.
    pub cause: &'a str,
    /// What to do.
    pub next_step: Option<&'a str>,
    /// The path of a connection: TCP, TLS, chain, dates, revocation, directory, messages.
    pub steps: Vec<StepView<'a>>,
    /// The refusal that this rests on.
    pub refusal: Option<RefusalView<'a>>,
}

/// A stage of the path of a connection.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepView<'a> {
    /// `tcp`, `tls`, `chain`, `dates`, `revocation`, `directory` or `messages`.
    pub stage: &'static str,
    /// `passed`, `failed` or `unknown`.
    pub outcome: &'static str,
    /// What is known about it.
    pub what: &'a str,
}

impl<'a> From<&'a Standing> for StandingView<'a> {
    fn from(standing: &'a Standing) -> Self {
        Self {
            state: standing.state.code(),
            connected: standing.is_connected,
            last_message: standing.last_message.map(|at| at.to_string()),
            messages_today: standing.messages_today,
            last_connection: standing.contact.as_ref().map(ConnectionView::from),
            certificate_ends: standing.certificate_end().map(|at| at.to_string()),
            last_refusal: match (&standing.locked_out, &standing.last_refusal) {
                (Some(row), _) => Some(RefusalView::from(row)),
                (None, Some(row)) => Some(RefusalView {
                    next_step: standing.last_refusal_step.clone(),
                    ..RefusalView::from(row)
                }),
                (None, None) => None,
            },
            locked_out: standing.locked_out.is_some(),
        }
    }
}

impl<'a> From<&'a Contact> for ConnectionView<'a> {
    fn from(contact: &'a Contact) -> Self {
        Self {
            node: contact.node.as_str(),
            peer: &contact.peer,
            version: &contact.tls_version,
            suite: &contact.tls_suite,
            since: contact.connected_at.to_string(),
            ended: contact.disconnected_at.map(|at| at.to_string()),
            ended_why: &contact.ended_why,
            certificate: contact.certificate.to_json(),
        }
    }
}

impl<'a> From<&'a RefusedRow> for RefusalView<'a> {
    fn from(row: &'a RefusedRow) -> Self {
        Self {
            who: &row.who,
            verified: row.room == crate::store::RefusedRoom::Verified,
            device: row.device.as_ref().map(|device| device.as_str()),
            peer: &row.peer,
            node: row.node.as_str(),
            reason: row.refusal.code(),
            cause: row.refusal.cause(&row.facts),
            next_step: row.refusal.next_step(&row.facts),
            help: format!("/help/{}", row.refusal.code()),
            first: row.first.to_string(),
            last: row.last.to_string(),
            count: row.count,
            facts: row.facts.to_json(),
        }
    }
}

impl<'a> RefusalView<'a> {
    /// With what to do about it as the directory is now.
    #[must_use]
    pub fn now(row: &'a RefusedRow, directory: &Directory) -> Self {
        let device = row.device.as_ref().and_then(|name| directory.find(name));
        Self { next_step: next_step(row, device.map(AsRef::as_ref)), ..Self::from(row) }
    }
}

impl<'a> From<&'a Why> for WhyView<'a> {
    fn from(why: &'a Why) -> Self {
        let steps = why.steps.iter().map(|step| StepView {
            stage: step.stage.code(),
            outcome: step.outcome.code(),
            what: &step.what,
        });
        Self {
            subject: &why.subject,
            device: why.device.as_ref().map(|device| device.as_str()),
            well: why.is_well,
            code: why.code.as_deref(),
            cause: &why.cause,
            next_step: Some(why.next_step.as_str()).filter(|step| !step.is_empty()),
            steps: steps.collect(),
            refusal: why.refusal.as_ref().map(|row| match why.code.as_deref() {
                Some(code) if code == row.refusal.code() => RefusalView::from(row),
                _ => RefusalView { next_step: why.next_step.clone(), ..RefusalView::from(row) },
            }),
        }
    }
}
