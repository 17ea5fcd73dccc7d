//! Why a device, or what is at an address, cannot connect or send.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde_json::Value;

use super::ended;
use super::path::{Outcome, Stage, Step, path};
use super::standing::{Fleet, Standing, address};
use super::state::DeviceState;
use crate::authz::{Device, DeviceStatus, Directory, eui64, rules};
use crate::model::{DeviceId, DeviceIdError, Refusal, RefusalFacts, shell_word};
use crate::pcd::DeviceIdentity;
use crate::store::{
    AuditFilter, Contact, MessageFilter, Page, RefusedRoom, RefusedRow, SeenIdentity, Store, StoreError,
};

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A device, by its Common Name.
    Device(DeviceId),
    /// Whatever connects from this address.
    Address(IpAddr),
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// What was asked about.
    pub subject: String,
    /// The entry of the directory, by its name.
    pub device: Option<DeviceId>,
    /// Whether nothing is wrong.
    pub is_well: bool,
    /// The code of its help page, where there is one.
    pub code: Option<String>,
    /// What is wrong, or that nothing is, in one clause.
    pub cause: String,
    /// What to do; empty if nothing is to be done.
    pub next_step: String,
    /// The path of the connection.
    pub steps: Vec<Step>,
    /// The refusal that the answer rests on.
    pub refusal: Option<RefusedRow>,
}

impl FromStr for Subject {
    type Err = DeviceIdError;

    fn from_str(text: &str) -> Result<Self, DeviceIdError> {
        // As findings and lists print it, with its port.
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Address(address.ip()));
        }
        // An EUI-64 with colons looks like an IPv6 address.
        let is_eui64 = text.parse().is_ok_and(|id: DeviceId| eui64(&id).is_some());
        match text.parse() {
            Ok(address) if !is_eui64 => Ok(Self::Address(address)),
            _ => text.parse().map(Self::Device),
        }
    }
}

/// How far a chain gets that was verified without a connection: the device that it admits, or the refusal.
#[must_use]
pub fn of_chain(subject: &str, verified: Result<DeviceId, (Refusal, RefusalFacts)>) -> Why {
    let (failed, cause) = match &verified {
        Ok(_) => (None, String::new()),
        Err((refusal, facts)) => (Some(*refusal), refusal.cause(facts)),
    };
    let mut steps = path(failed.map(Stage::of), &cause);
    for step in &mut steps {
        if matches!(step.stage, Stage::Tcp | Stage::Tls | Stage::Messages) {
            (step.outcome, step.what) = (Outcome::Unknown, "not tested".to_owned());
        }
    }
    let mut why = Why {
        subject: subject.to_owned(),
        device: None,
        is_well: failed.is_none(),
        code: failed.map(|refusal| refusal.code().to_owned()),
        cause,
        next_step: String::new(),
        steps,
        refusal: None,
    };
    match verified {
        Ok(device) => {
            why.cause = format!("a device with this chain is admitted as {device}");
            why.device = Some(device);
        }
        Err((refusal, facts)) => why.next_step = refusal.next_step(&facts),
    }
    why
}

pub(super) fn of_address(fleet: &Fleet, asked: IpAddr) -> Why {
    let is_there = |peer: &str| address(peer) == Some(asked);
    let refusal = fleet.refused().iter().find(|row| is_there(&row.peer) || row.who == asked.to_string());
    let contact = fleet.last_contacts().filter(|contact| is_there(&contact.peer));
    let contact = contact.max_by_key(|contact| contact.connected_at);
    match (refusal, contact) {
        (Some(row), contact) if contact.is_none_or(|contact| contact.connected_at < row.last) => {
            refused(asked.to_string(), row)
        }
        (_, Some(contact)) => {
            let mut why = well(asked.to_string(), Some(contact));
            why.device = Some(contact.device.clone());
            why.cause =
                format!("device {} connected from there at {:.0}", contact.device, contact.connected_at);
            why
        }
        _ => silent_address(asked),
    }
}

/// No connection from the address has left a trace.
fn silent_address(asked: IpAddr) -> Why {
    let mut why = nothing_came(
        asked.to_string(),
        "no connection from this address was accepted or refused; one that only opens and sends nothing leaves no \
             trace",
        "look at the network between it and the platform: address, port, route, firewall; if it opens the \
             connection (`ss -tn` on the platform's machine), switch TLS on at the device",
    );
    for step in why.steps.iter_mut().filter(|step| step.stage == Stage::Tcp) {
        step.outcome = Outcome::Unknown;
    }
    why
}

pub(super) fn of_unknown(fleet: &Fleet, id: &DeviceId) -> Why {
    if let Some(row) = fleet.refusals_of(id).next() {
        return refused(id.to_string(), row);
    }
    let mut why = nothing_came(
        id.to_string(),
        "it is not in the directory, and no connection with its name was seen",
        "",
    );
    why.code = Some(Refusal::UnknownDevice.code().to_owned());
    why.next_step = format!("`pcd-platform device add {}`, and let it connect", shell_word(id.as_str()));
    for step in why.steps.iter_mut().filter(|step| step.stage == Stage::Directory) {
        (step.outcome, step.what) = (Outcome::Failed, "not in the directory".to_owned());
    }
    why
}

pub(super) async fn of_device(
    store: &Store,
    id: &DeviceId,
    device: &Device,
    standing: Standing,
) -> Result<Why, StoreError> {
    let mut why = match (&standing.locked_out, &standing.contact) {
        _ if device.status == DeviceStatus::Suspended => suspended(store, id, device, &standing).await?,
        (Some(row), _) if standing.is_withdrawn => withdrawn(id.to_string(), row),
        (Some(row), _) => refused(id.to_string(), row),
        (None, None) if !was_seen(&standing) => nothing_came(
            id.to_string(),
            "no connection with its certificate was ever seen (what is seen is written after five seconds)",
            "check address, port and network of the device; `pcd-platform device why ADDRESS` shows what comes \
             from its address",
        ),
        _ => sending(store, id, device, &standing).await?,
    };
    why.device = Some(device.id.clone());
    if device.id != *id {
        why.subject = format!("{id}, which the directory spells {}", device.id);
    }
    for step in why.steps.iter_mut().filter(|step| step.stage == Stage::Directory) {
        if step.what.is_empty() && step.outcome != Outcome::Failed {
            step.outcome = Outcome::Passed;
            step.what = format!("in the directory, {}", device.status.as_str());
        }
    }
    Ok(why)
}

fn was_seen(standing: &Standing) -> bool {
    standing.is_connected || standing.last_message.is_some() || standing.refused_before.is_some()
}

/// A peer that was refused.
fn refused(subject: String, row: &RefusedRow) -> Why {
    let (cause, stage) = (row.refusal.cause(&row.facts), Stage::of(row.refusal));
    let times =
        if row.count == 1 { String::new() } else { format!(", {} times since {:.0}", row.count, row.first) };
    let mut steps = path(Some(stage), &format!("{cause} (last at {:.0}{times})", row.last));
    fill(&mut steps, shown_by(row, row.peer.clone()));
    let note = match (row.room, &row.device) {
        (RefusedRoom::Unverified, Some(name)) => {
            format!("; the peer claims to be {name}, which is not proved")
        }
        _ => String::new(),
    };
    Why {
        subject,
        device: None,
        is_well: false,
        code: Some(row.refusal.code().to_owned()),
        cause: format!("{cause}{note}"),
        next_step: row.refusal.next_step(&row.facts),
        steps,
        refusal: Some(row.clone()),
    }
}

/// What a refused peer showed; `from` is what is known of its address.
fn shown_by(row: &RefusedRow, from: String) -> [(Stage, Option<String>); 4] {
    let certificate = row.facts.certificate.as_ref();
    [
        (Stage::Tcp, Some(from)),
        (Stage::Tls, row.facts.hello.versions.first().map(|version| format!("offers {version}"))),
        (Stage::Chain, certificate.map(|shown| format!("issued by {}", shown.issuer))),
        (Stage::Dates, certificate.map(|shown| format!("until {:.0}", shown.not_after))),
    ]
}

/// A device whose session ended because it lost its authorization, and that has not come back.
fn withdrawn(subject: String, row: &RefusedRow) -> Why {
    let mut why = refused(subject, row);
    let cause = row.refusal.cause(&row.facts);
    why.cause = format!("the platform ended its session at {:.0}: {cause}", row.last);
    for step in why.steps.iter_mut().filter(|step| step.outcome == Outcome::Failed) {
        step.what =
            format!("{cause}; its session was ended at {:.0}, and it has not come back since", row.last);
    }
    why
}

async fn suspended(
    store: &Store,
    id: &DeviceId,
    device: &Device,
    standing: &Standing,
) -> Result<Why, StoreError> {
    let by = suspension(store, &device.id).await?.unwrap_or_default();
    let note = if device.note.is_empty() { String::new() } else { format!("; note: {}", device.note) };
    let cause = format!("{}{by}{note}", Refusal::SuspendedDevice.cause(&RefusalFacts::default()));
    let facts = RefusalFacts { name: Some(device.id.to_string()), ..RefusalFacts::default() };
    let row = standing.last_refusal.as_ref().filter(|row| row.refusal == Refusal::SuspendedDevice);
    let mut steps = path(Some(Stage::Directory), &cause);
    if row.is_none() {
        for step in steps.iter_mut().filter(|step| step.stage < Stage::Directory) {
            step.outcome = Outcome::Unknown;
        }
    }
    fill(&mut steps, [(Stage::Tcp, row.map(|row| format!("{}, last at {:.0}", row.peer, row.last)))]);
    Ok(Why {
        subject: id.to_string(),
        device: None,
        is_well: false,
        code: Some(Refusal::SuspendedDevice.code().to_owned()),
        next_step: Refusal::SuspendedDevice.next_step(&facts),
        cause,
        steps,
        refusal: row.cloned(),
    })
}

/// Who suspended the device last, and when.
async fn suspension(store: &Store, device: &DeviceId) -> Result<Option<String>, StoreError> {
    let event = Some("device-suspended".to_owned());
    let device = Some(device.clone());
    let filter = AuditFilter { event, device, since: None, page: Page::Latest, limit: 1 };
    let rows = store.audit_rows(&filter).await?;
    let actor = |details: &str| {
        let details: Value = serde_json::from_str(details).ok()?;
        details.get("actor").and_then(Value::as_str).map(str::to_owned)
    };
    Ok(rows.first().and_then(|row| Some(format!(": {} at {:.0}", actor(&row.details)?, row.at))))
}

/// A device that gets through: whether its messages do.
async fn sending(
    store: &Store,
    id: &DeviceId,
    device: &Device,
    standing: &Standing,
) -> Result<Why, StoreError> {
    let mut why = match &standing.refused_before {
        Some(row) => refused_before(id.to_string(), row),
        None => well(id.to_string(), standing.contact.as_ref()),
    };
    if !standing.is_connected && standing.refused_before.is_none() {
        not_connected(&mut why, standing);
    }
    let rejected_last = last_message(store, device, standing, &mut why).await?;
    if let Some((code, cause, next_step)) = rejected_last {
        (why.is_well, why.cause, why.next_step, why.code) = (false, cause, next_step, Some(code));
    }
    if standing.state == DeviceState::Silent {
        let last = standing.last_accepted.map(|at| format!(" since {at:.0}")).unwrap_or_default();
        let what = format!("it has sent nothing{last}");
        for step in why.steps.iter_mut().filter(|step| step.stage == Stage::Messages) {
            (step.outcome, step.what) = (Outcome::Failed, what.clone());
        }
        (why.is_well, why.code) = (false, Some("device-silent".to_owned()));
        // Why it sends nothing is known otherwise.
        if standing.refused_before.is_none() {
            why.cause = what;
            "look at the device and its network".clone_into(&mut why.next_step);
        }
    }
    Ok(why)
}

/// A device that was refused when it tried last, would not be now, and has not tried again.
fn refused_before(subject: String, row: &RefusedRow) -> Why {
    let mut steps = path(None, "");
    fill(&mut steps, shown_by(row, format!("{}, last at {:.0}", row.peer, row.last)));
    let mut before = "";
    if Stage::of(row.refusal) == Stage::Directory {
        fill(&mut steps, [(Stage::Directory, Some("allowed now".to_owned()))]);
        before = ", before it was allowed";
    }
    Why {
        subject,
        device: None,
        is_well: false,
        code: None,
        cause: format!(
            "it is not connected: it was last refused at {:.0} ({}){before}; it has to connect again",
            row.last, row.refusal
        ),
        next_step: "wait for its next attempt, or restart it".to_owned(),
        steps,
        refusal: Some(row.clone()),
    }
}

/// A device that is not connected, and was not refused since.
fn not_connected(why: &mut Why, standing: &Standing) {
    let how = standing.contact.as_ref().and_then(ended::end_in_words);
    let how = how.map(|words| format!(": {words}")).unwrap_or_default();
    let ended = standing.contact.as_ref().and_then(|contact| contact.disconnected_at);
    let ended = ended.map(|at| format!("; its last session ended at {at:.0}{how}")).unwrap_or_default();
    for step in why.steps.iter_mut().filter(|step| step.stage == Stage::Tcp) {
        (step.outcome, step.what) = (Outcome::Unknown, format!("not connected now{ended}"));
    }
    why.cause = format!("it is not connected, and was not refused{ended}");
    "look whether the device is switched on, and at its network".clone_into(&mut why.next_step);
}

/// Fills the stage of messages. If the last one was rejected: the code, the cause and what to do.
///
/// What an operator had accepted later changes nothing of how the device stands: as long as the list says
/// that its messages are rejected, the last rejected one counts.
async fn last_message(
    store: &Store,
    device: &Device,
    standing: &Standing,
    why: &mut Why,
) -> Result<Option<(String, String, String)>, StoreError> {
    let filter = MessageFilter {
        device: Some(device.id.clone()),
        rejected: standing.rejected.is_some(),
        limit: 1,
        ..MessageFilter::default()
    };
    let last = store.messages(&filter).await?.into_iter().next();
    let (outcome, what, found) = match (last, standing.rejected) {
        (None, None) => (Outcome::Unknown, "no message of it is stored".to_owned(), None),
        (None, Some(at)) => {
            let cause = "its last message was rejected, and is no longer stored".to_owned();
            let next_step = "`pcd-platform help device-rejected`".to_owned();
            let found = ("device-rejected".to_owned(), cause, next_step);
            (Outcome::Failed, format!("last one at {at:.0}, rejected, and no longer stored"), Some(found))
        }
        (Some(message), _) => match message.verdict.rejection() {
            None => (Outcome::Passed, format!("last one at {:.0}, accepted", message.received_at), None),
            Some(code) => {
                let seen = store.seen_identities(&device.id).await?;
                let directory = Directory::from(store.devices().await?);
                let (cause, next_step) = rejected(device, code, &seen, &directory);
                let what = format!("last one at {:.0}, {cause}", message.received_at);
                (Outcome::Failed, what, Some((code.to_owned(), cause, next_step)))
            }
        },
    };
    for step in why.steps.iter_mut().filter(|step| step.stage == Stage::Messages) {
        (step.outcome, step.what) = (outcome, what.clone());
    }
    Ok(found)
}

/// Why the last message of the device was rejected, and what to do.
fn rejected(device: &Device, code: &str, seen: &[SeenIdentity], directory: &Directory) -> (String, String) {
    let foreign: Vec<&SeenIdentity> = seen.iter().filter(|seen| is_not_allowed(device, seen)).collect();
    let Some(last) = foreign.iter().max_by_key(|seen| seen.last).filter(|_| code == IDENTITY_MISMATCH) else {
        return (format!("rejected: {code}"), format!("`pcd-platform help {code}`"));
    };
    let cause = format!(
        "rejected: {code}; it names {} in {} message(s), for which it may not speak",
        last.identity, last.messages
    );
    let name = shell_word(device.id.as_str());
    let propose = format!("`pcd-platform device propose {name}` shows all");
    let identity = DeviceIdentity::parse(&last.identity);
    if let Some(Err(why)) =
        identity.map(|it| directory.learnable(&device.id, &it).map_err(|why| why.to_string()))
    {
        let step = format!(
            "find out which of the two sends it, for {why}; only a gateway may name another; {propose}"
        );
        return (cause, step);
    }
    // A list, a pattern or a character of a shell is nothing to be pasted.
    let is_plain = last.identity.chars().all(|it| it.is_ascii_alphanumeric() || "._-:^".contains(it));
    let step = if is_plain {
        let id = &last.identity;
        format!("if it may: `pcd-platform device change {name} --also-speaks-for {id}`; {propose}")
    } else {
        format!("if it may: {propose}")
    };
    (cause, step)
}

fn is_not_allowed(device: &Device, seen: &SeenIdentity) -> bool {
    let (id, kind) = seen.identity.rsplit_once('^').unwrap_or((&seen.identity, ""));
    DeviceIdentity::new(id, kind).is_some_and(|identity| !rules::may_speak_for(device, &identity))
}

/// Everything is passed.
pub(super) fn well(subject: String, contact: Option<&Contact>) -> Why {
    let mut steps = path(None, "");
    if let Some(Contact { peer, tls_version, tls_suite, certificate, .. }) = contact {
        let known = [
            (Stage::Tcp, Some(peer.clone())),
            (Stage::Tls, Some(format!("{tls_version} {tls_suite}"))),
            (Stage::Chain, Some(format!("issued by {}", certificate.issuer))),
            (Stage::Dates, Some(format!("until {:.0}", certificate.not_after))),
        ];
        fill(&mut steps, known);
    }
    Why {
        subject,
        device: None,
        is_well: true,
        code: None,
        cause: "nothing is wrong".to_owned(),
        next_step: String::new(),
        steps,
        refusal: None,
    }
}

/// Nothing of it was ever seen.
fn nothing_came(subject: String, cause: &str, next_step: &str) -> Why {
    Why {
        subject,
        device: None,
        is_well: false,
        code: Some("device-never-seen".to_owned()),
        cause: cause.to_owned(),
        next_step: next_step.to_owned(),
        steps: path(Some(Stage::Tcp), cause),
        refusal: None,
    }
}

/// Adds what is known to stages that were passed.
fn fill(steps: &mut [Step], known: impl IntoIterator<Item = (Stage, Option<String>)>) {
    for (stage, what) in known {
        for step in steps.iter_mut().filter(|step| step.stage == stage && step.what.is_empty()) {
            step.what = what.clone().unwrap_or_default();
        }
    }
}

/// The code of [`Rejection`](crate::hl7::Rejection) for a foreign identity.
const IDENTITY_MISMATCH: &str = "identity-mismatch";
