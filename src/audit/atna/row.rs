//! The audit message of a row.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde_json::Value;

use super::code::{Code, URI_MEDIA, event, kind, object_id, role};
use super::message::{AccessPoint, Action, Message, Name, Object, Participant};
use super::outcome::Outcome;
use super::syslog::AtnaMessage;
use crate::model::{NodeName, Refusal};

/// A row of the audit trail.
#[derive(Debug, Clone, Copy)]
pub struct RecordedEvent<'a> {
    /// The node that wrote it.
    pub node: &'a NodeName,
    /// The time of the event.
    pub at: Timestamp,
    /// The name of the event.
    pub event: &'a str,
    /// The details, as stored.
    pub details: &'a str,
}

impl RecordedEvent<'_> {
    /// The audit message, if ATNA names the event. `site` is the name of the organisation
    /// (AuditEnterpriseSiteID).
    #[must_use]
    pub fn message(&self, site: Option<&str>) -> Option<AtnaMessage> {
        let message = message(self)?;
        Some(AtnaMessage { xml: message.to_xml(self.node.as_str(), site), outcome: message.outcome })
    }
}

/// The message of a row; `None` when ATNA does not define its event, or a later version wrote the row.
fn message(recorded: &RecordedEvent<'_>) -> Option<Message> {
    let details: Value = serde_json::from_str(recorded.details).ok()?;
    let row = Row { recorded, details };
    Some(match recorded.event {
        "platform-started" => row.activity(kind::APPLICATION_START, Outcome::Success),
        "platform-stopped" => {
            let outcome = if row.text("reason") == "requested" { Outcome::Success } else { Outcome::Major };
            row.activity(kind::APPLICATION_STOP, outcome)
        }
        "configuration-changed" => row.configuration(Outcome::Success),
        "configuration-refused" => row.configuration(Outcome::Minor),
        "certificates-changed" => row.certificates(),
        "connection-refused" => row.refusal(),
        "refusals-counted" => row.refusals(),
        "session-ended" if is_refusal(row.text("why")) => row.withdrawal(),
        "message-accepted" => row.import(Outcome::Success, None),
        "message-rejected" => row.import(Outcome::Minor, Some(row.text("code").to_owned())),
        "identity-violation" => row.violation(),
        "device-added"
        | "device-changed"
        | "device-suspended"
        | "device-resumed"
        | "device-removed"
        | "device-merged"
        | "device-learning-started"
        | "device-learning-ended"
        | "device-identities-forgotten" => row.device(),
        "southbound-sent" => row.sent(),
        "message-reconsidered" => row.view(Action::Create),
        "message-viewed" => row.view(Action::Read),
        "person-logged-in" => row.authentication(kind::LOGIN),
        "person-logged-out" => row.authentication(kind::LOGOUT),
        "messages-searched" => row.search(),
        "content-refused" => row.refused_look(),
        "read-refused" | "enrolment-refused" => row.decided("peer", REFUSED_READ, "reason", Outcome::Serious),
        "clients-changed" | "enrolment-requested" | "enrolment-changed" => row.clients(),
        "authorization-decided" => row.decided("person", DECIDED, "decision", Outcome::Success),
        "token-granted" => row.decided("client", "an access token was granted", "scopes", Outcome::Success),
        "messages-exported" | "store-copied" => row.export(),
        "resources-read" => row.resources_read(),
        "audit-diverged" | "audit-end-accepted" | "audit-fault-accepted" => row.chain_end(),
        "audit-exported" => row.trail(Outcome::Success),
        "audit-verified" => {
            let intact = row.details.get("intact").and_then(Value::as_bool) == Some(true);
            row.trail(if intact { Outcome::Success } else { Outcome::Serious })
        }
        _ => return None,
    })
}

fn is_refusal(code: &str) -> bool {
    Refusal::ALL.iter().any(|refusal| refusal.code() == code)
}

struct Row<'a> {
    recorded: &'a RecordedEvent<'a>,
    details: Value,
}

impl Row<'_> {
    // PS3.15 A.5.3.1
    fn activity(&self, kind: Code, outcome: Outcome) -> Message {
        let application = Participant { role: Some(role::APPLICATION), ..self.platform() };
        Message {
            outcome,
            kinds: vec![kind],
            participants: vec![application],
            ..self.about(event::APPLICATION_ACTIVITY, Action::Execute)
        }
    }

    // PS3.15 A.5.3.12
    fn authentication(&self, kind: Code) -> Message {
        Message {
            kinds: vec![kind],
            participants: vec![self.actor(), self.platform()],
            ..self.about(event::USER_AUTHENTICATION, Action::Execute)
        }
    }

    // PS3.15 A.5.3.11, as are all security alerts
    fn alert(&self, kinds: Vec<Code>, outcome: Outcome, object: Object) -> Message {
        Message {
            outcome,
            kinds,
            participants: vec![self.platform()],
            objects: vec![object],
            ..self.about(event::SECURITY_ALERT, Action::Execute)
        }
    }

    fn configuration(&self, outcome: Outcome) -> Message {
        let keys: Vec<&str> = self.list("keys").filter_map(Value::as_str).collect();
        let mut kinds: Vec<Code> = Vec::new();
        for kind in keys.iter().map(|key| kind_of_key(key)) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        if kinds.is_empty() {
            kinds.push(kind::SOFTWARE_CONFIGURATION);
        }
        let mut object = self.resource("configuration", "Configuration", "5");
        object.details.push((ALERT, self.recorded.event.to_owned()));
        object.details.push(("keys", keys.join(" ")));
        object.details.extend(self.optional_detail("fault"));
        let mut message = self.alert(kinds, outcome, object);
        if let Some(person) = self.details.get("person").and_then(Value::as_str) {
            message.participants.insert(0, participant(&self.in_domain(person), true));
        }
        message
    }

    fn certificates(&self) -> Message {
        let mut object = self.resource("certificates", "Certificates", "13");
        object.details.push((ALERT, self.recorded.event.to_owned()));
        for list in ["old", "new"] {
            for installed in self.list(list) {
                let part = |key| installed.get(key).and_then(Value::as_str).unwrap_or_default();
                let text = format!("{} {} key {}", part("role"), part("fingerprint"), part("key"));
                object.details.push((list, text));
            }
        }
        self.alert(vec![kind::SECURITY_CONFIGURATION], Outcome::Success, object)
    }

    fn refusal(&self) -> Message {
        let address = self.text("peer").parse::<SocketAddr>().ok().map(|peer| peer.ip());
        let certificate = self.details.get("certificate");
        let part = |key| certificate.and_then(|fields| fields.get(key)).and_then(Value::as_str);
        let id = address.map_or_else(|| self.text("peer").to_owned(), |ip| ip.to_string());
        let name = part("common-name").map_or_else(|| id.clone(), str::to_owned);
        let mut object = node_object(id, name.clone());
        object.details.push((ALERT, format!("connection refused: {}", self.text("refusal"))));
        for key in ["serial", "issuer", "fingerprint"] {
            object.details.extend(part(key).map(|value| (key, value.to_owned())));
        }
        let mut message = self.alert(vec![kind::NODE_AUTHENTICATION], Outcome::Serious, object);
        let access_point = address.map(AccessPoint::Address);
        message.participants.push(Participant { access_point, ..participant(&name, false) });
        message
    }

    /// Refusals that share a row.
    fn refusals(&self) -> Message {
        let address = self.text("address");
        let mut message = if !self.text("peer").is_empty() {
            self.refusal()
        } else if address.is_empty() {
            let mut object = self.resource("connections", "Refused connections", "3");
            let reasons = self.details.get("refusals").map(Value::to_string).unwrap_or_default();
            object.details.push((ALERT, format!("connections refused: {reasons}")));
            self.alert(vec![kind::NODE_AUTHENTICATION], Outcome::Serious, object)
        } else {
            let name = Some(self.text("common-name")).filter(|name| !name.is_empty()).unwrap_or(address);
            // A network (an IPv6 /64) has the address that it begins with: a node is an address, or
            // name@domain.
            let first = address.split('/').next().unwrap_or(address);
            let mut object = node_object(first.to_owned(), name.to_owned());
            object.details.push((ALERT, format!("connection refused: {}", self.text("refusal"))));
            let mut message = self.alert(vec![kind::NODE_AUTHENTICATION], Outcome::Serious, object);
            let access_point = first.parse().ok().map(AccessPoint::Address);
            message.participants.push(Participant { access_point, ..participant(name, false) });
            message
        };
        let count = self.details.get("count").and_then(Value::as_u64).unwrap_or_default();
        for object in &mut message.objects {
            object.details.push(("count", count.to_string()));
            object.details.extend(["first", "last"].into_iter().flat_map(|key| self.optional_detail(key)));
        }
        message
    }

    fn withdrawal(&self) -> Message {
        let device = self.text("device");
        let mut object = self.node(device);
        object.details.push((ALERT, format!("connection ended: {}", self.text("why"))));
        let mut message = self.alert(vec![kind::NODE_AUTHENTICATION], Outcome::Serious, object);
        message.participants.push(participant(device, false));
        message
    }

    fn violation(&self) -> Message {
        let identity = self.text("identity");
        let mut object = self.node(identity);
        object
            .details
            .push((ALERT, "a message names a device that its certificate may not speak for".to_owned()));
        object.details.push(("message", self.text("message").to_owned()));
        let mut message = self.alert(vec![kind::RESTRICTED_FUNCTION], Outcome::Serious, object);
        message.participants.push(participant(self.text("device"), false));
        message
    }

    fn refused_look(&self) -> Message {
        let mut object = self.resource("messages", "", "3");
        object
            .details
            .push((ALERT, "a person without the role asked for the content of messages".to_owned()));
        object.details.push(("what", self.text("what").to_owned()));
        let mut message = self.alert(vec![kind::RESTRICTED_FUNCTION], Outcome::Serious, object);
        message.participants.push(self.actor());
        message
    }

    /// A client of the listener for hospital systems; `named` and `detail` are keys of the row.
    fn decided(&self, named: &str, what: &str, detail: &'static str, outcome: Outcome) -> Message {
        let mut object = self.node(self.text(named));
        object.details.push((ALERT, what.to_owned()));
        object.details.push((detail, self.text(detail).to_owned()));
        self.alert(vec![kind::NODE_AUTHENTICATION], outcome, object)
    }

    fn clients(&self) -> Message {
        let changed = ["client", "organisation", "name"].map(|key| self.text(key));
        let mut object = self.node(changed.into_iter().find(|text| !text.is_empty()).unwrap_or_default());
        let change = self.text("change");
        object.details.push((ALERT, if change.is_empty() { "requested" } else { change }.to_owned()));
        let mut message = self.alert(vec![kind::USER_ATTRIBUTES], Outcome::Success, object);
        message.participants.extend((!self.text("actor").is_empty()).then(|| self.actor()));
        message
    }

    fn device(&self) -> Message {
        let device = self.text("device");
        let mut object = self.node(device);
        object.details.push((ALERT, self.recorded.event.to_owned()));
        object.details.extend(["kind", "status"].into_iter().flat_map(|key| self.optional_detail(key)));
        let identities: Vec<&str> = self.list("speaks-for").filter_map(Value::as_str).collect();
        if !identities.is_empty() {
            object.details.push(("speaks-for", identities.join(" ")));
        }
        let mut message = self.alert(vec![kind::USER_ATTRIBUTES], Outcome::Success, object);
        message.participants.insert(0, self.actor());
        message
    }

    // PS3.15 A.5.3.5 is about media; for a network, IHE names both ends of the connection (ITI TF-2 3.41.5).
    fn import(&self, outcome: Outcome, outcome_text: Option<String>) -> Message {
        let source = Participant { role: Some(role::SOURCE), ..participant(self.text("device"), true) };
        let destination = Participant { role: Some(role::DESTINATION), ..self.platform() };
        Message {
            outcome,
            outcome_text,
            participants: vec![source, destination],
            objects: vec![self.message_object(IMPORT)],
            ..self.about(event::IMPORT, Action::Create)
        }
    }

    /// An order to a device.
    fn sent(&self) -> Message {
        let source = Participant { role: Some(role::SOURCE), ..self.platform() };
        let destination =
            Participant { role: Some(role::DESTINATION), ..participant(self.text("device"), false) };
        Message {
            participants: vec![source, destination],
            objects: vec![self.message_object(EXPORT)],
            ..self.about(event::EXPORT, Action::Read)
        }
    }

    // PS3.15 A.5.3.14, with the message in place of the patient
    fn view(&self, action: Action) -> Message {
        let mut object = self.message_object(ACCESS);
        object.details.extend(self.optional_detail("as"));
        Message {
            participants: vec![self.actor(), self.platform()],
            objects: vec![object],
            ..self.about(event::PATIENT_RECORD, action)
        }
    }

    // PS3.15 A.5.3.10
    fn search(&self) -> Message {
        let issuer = Participant { role: Some(role::SOURCE), ..self.actor() };
        let responder = Participant { role: Some(role::DESTINATION), ..self.platform() };
        let object =
            Object { name: Name::Query(self.details.to_string()), ..self.resource("messages", "", "3") };
        Message {
            participants: vec![issuer, responder],
            objects: vec![object],
            ..self.about(event::QUERY, Action::Execute)
        }
    }

    /// A read of a hospital system: the row has no query, which may name a patient.
    fn resources_read(&self) -> Message {
        let client = participant(&self.in_domain(self.text("client")), true);
        let issuer = Participant { role: Some(role::SOURCE), ..client };
        let responder = Participant { role: Some(role::DESTINATION), ..self.platform() };
        let name = Name::Query(self.details.to_string());
        let object = Object { name, ..self.resource("fhir", "", "3") };
        Message {
            participants: vec![issuer, responder],
            objects: vec![object],
            ..self.about(event::QUERY, Action::Execute)
        }
    }

    // PS3.15 A.5.3.4
    fn export(&self) -> Message {
        let actor = Participant { role: Some(role::SOURCE), ..self.actor() };
        let medium = Participant {
            role: Some(role::DESTINATION_MEDIA),
            medium: Some(URI_MEDIA),
            ..participant(STANDARD_OUTPUT, false)
        };
        let selection = self.details.get("selection").map(Value::to_string).unwrap_or_default();
        let object = Object {
            life_cycle: Some(EXPORT),
            name: Name::Query(selection),
            ..self.resource("messages", "", "3")
        };
        Message {
            participants: vec![actor, medium],
            objects: vec![object],
            ..self.about(event::EXPORT, Action::Read)
        }
    }

    /// The end of the trail is not the one that the node remembered.
    fn chain_end(&self) -> Message {
        let mut object = self.resource("audit", "Security Audit Log", "13");
        object.details.push((ALERT, self.recorded.event.to_owned()));
        let details = ["finding", "node", "remembered", "found"];
        object.details.extend(details.into_iter().flat_map(|key| self.optional_detail(key)));
        let mut message = self.alert(vec![kind::SECURITY_CONFIGURATION], Outcome::Serious, object);
        if !self.text("actor").is_empty() {
            message.participants.insert(0, self.actor());
        }
        message
    }

    // PS3.15 A.5.3.2
    fn trail(&self, outcome: Outcome) -> Message {
        let mut object = self.resource("audit", "Security Audit Log", "13");
        object.details.extend(["format", "since"].into_iter().flat_map(|key| self.optional_detail(key)));
        for chain in self.list("chains") {
            object.details.push(("chain", chain.to_string()));
        }
        Message {
            outcome,
            participants: vec![self.actor(), self.platform()],
            objects: vec![object],
            ..self.about(event::AUDIT_LOG_USED, Action::Read)
        }
    }

    fn about(&self, id: Code, action: Action) -> Message {
        Message {
            id,
            action,
            at: self.recorded.at,
            outcome: Outcome::Success,
            outcome_text: None,
            kinds: Vec::new(),
            participants: Vec::new(),
            objects: Vec::new(),
        }
    }

    /// The platform process on the node.
    fn platform(&self) -> Participant {
        let node = self.recorded.node;
        let access_point = Some(AccessPoint::Machine(node.to_string()));
        Participant { access_point, ..participant(&format!("pcd-platform@{node}"), false) }
    }

    /// The user who ran the command on the node. PS3.15 A.5.2.1: a person is `login@domain`.
    fn actor(&self) -> Participant {
        let access_point = Some(AccessPoint::Machine(self.recorded.node.to_string()));
        let login = Some(self.text("actor")).filter(|actor| !actor.is_empty());
        Participant { access_point, ..participant(&self.in_domain(login.unwrap_or(UNKNOWN_USER)), true) }
    }

    /// A device that the directory of the platform names.
    fn node(&self, name: &str) -> Object {
        node_object(self.in_domain(name), name.to_owned())
    }

    /// A name that is valid on this node only, as `name@domain`.
    fn in_domain(&self, name: &str) -> String {
        if name.contains('@') { name.to_owned() } else { format!("{name}@{}", self.recorded.node) }
    }

    /// A message of a device, by its message id.
    fn message_object(&self, life_cycle: &'static str) -> Object {
        Object {
            role: Some("3"),
            life_cycle: Some(life_cycle),
            id_type: object_id::REPORT,
            id: self.text("message").to_owned(),
            name: Name::Plain("HL7 message".to_owned()),
            details: Vec::new(),
        }
    }

    /// An object that only the node can name.
    fn resource(&self, path: &str, name: &str, role: &'static str) -> Object {
        Object {
            role: Some(role),
            life_cycle: None,
            id_type: object_id::URI,
            id: format!("pcd-platform://{}/{path}", self.recorded.node),
            name: Name::Plain(name.to_owned()),
            details: Vec::new(),
        }
    }

    fn text(&self, key: &str) -> &str {
        self.details.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn list(&self, key: &str) -> impl Iterator<Item = &Value> {
        self.details.get(key).and_then(Value::as_array).into_iter().flatten()
    }

    fn optional_detail(&self, key: &'static str) -> Option<(&'static str, String)> {
        Some((key, self.details.get(key)?.as_str()?.to_owned()))
    }
}

fn participant(user: &str, requestor: bool) -> Participant {
    Participant { user: user.to_owned(), requestor, role: None, medium: None, access_point: None }
}

/// A node by its address, or by `name@domain` (PS3.15 A.5.3.11).
fn node_object(id: String, name: String) -> Object {
    Object {
        role: None,
        life_cycle: None,
        id_type: object_id::NODE,
        id,
        name: Name::Plain(name),
        details: Vec::new(),
    }
}

/// The kind of configuration that a key belongs to.
fn kind_of_key(key: &str) -> Code {
    match key.split('.').next().unwrap_or_default() {
        "tls" | "revocation" | "devices" | "audit" => kind::SECURITY_CONFIGURATION,
        "admin" => kind::NETWORK_CONFIGURATION,
        _ if key == "interface-a.listen" => kind::NETWORK_CONFIGURATION,
        _ => kind::SOFTWARE_CONFIGURATION,
    }
}

const DECIDED: &str = "a person decided whether an application reads";
const REFUSED_READ: &str = "a client of the listener for hospital systems was refused";
/// The type of an alert's detail (PS3.15 A.5.3.11).
const ALERT: &str = "Alert Description";
/// The login name where a row has none.
const UNKNOWN_USER: &str = "unknown";
/// The destination of exports on the command line.
const STANDARD_OUTPUT: &str = "stdout";

// ParticipantObjectDataLifeCycle, PS3.15 A.5.1.2.3
const IMPORT: &str = "2";
const ACCESS: &str = "6";
const EXPORT: &str = "10";
