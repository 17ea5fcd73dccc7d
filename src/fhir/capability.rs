//! `CapabilityStatement`: what readers can do, and nothing else.

use serde_json::{Value, json};

use super::profile;
use super::search::{ResourceType, parameter_names};

/// Where clients get access tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenEndpoints {
    /// The token endpoint.
    pub token: String,
    /// The revocation endpoint.
    pub revoke: String,
    /// The registration endpoint, where clients may register themselves.
    pub register: Option<String>,
    /// The authorization endpoint, where people agree.
    pub authorize: Option<String>,
}

/// What the platform offers to readers at `base`, at `date`; where they get tokens, if they do.
#[must_use]
pub fn capability_statement(
    base: &str,
    software: &str,
    date: &str,
    tokens: Option<&TokenEndpoints>,
) -> Value {
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": { "name": "pcd-platform", "version": software },
        "implementation": { "description": DESCRIPTION, "url": base },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [{
            "mode": "server",
            "documentation": DOCUMENTATION,
            "security": security(tokens),
            "resource": ResourceType::ALL.map(resource),
        }],
    })
}

/// The ways in (SMART App Launch 2.2, "Declaring support for OAuth 2.0 endpoints"). The service coding comes
/// with the endpoints.
fn security(tokens: Option<&TokenEndpoints>) -> Value {
    let Some(tokens) = tokens else { return json!({ "description": SECURITY }) };
    let named = [
        ("token", Some(&tokens.token)),
        ("revoke", Some(&tokens.revoke)),
        ("register", tokens.register.as_ref()),
        ("authorize", tokens.authorize.as_ref()),
    ];
    let uris: Vec<_> =
        named.into_iter().filter_map(|(name, uri)| Some(json!({ "url": name, "valueUri": uri? }))).collect();
    json!({
        "extension": [{ "url": OAUTH_URIS, "extension": uris }],
        "service": [{
            "coding": [{ "system": SECURITY_SERVICE, "code": "SMART-on-FHIR", "display": "SMART-on-FHIR" }],
            "text": "OAuth 2.0 access tokens (client_credentials)",
        }],
        "description": format!("{SECURITY} {TOKENS}"),
    })
}

fn resource(kind: ResourceType) -> Value {
    let mut interactions = vec!["read", "vread", "search-type"];
    // Measurements have one version for each revision of the mapping: only the last one can be rendered.
    interactions.push("history-instance");
    let interaction: Vec<_> = interactions.iter().map(|code| json!({ "code": code })).collect();
    let parameters: Vec<_> = parameter_names(kind).filter_map(parameter).collect();
    let mut resource = json!({
        "type": kind.name(),
        "documentation": documentation(kind),
        "interaction": interaction,
        "versioning": "versioned",
        "readHistory": true,
        "updateCreate": false,
        "conditionalRead": "not-match",
        "searchParam": parameters,
    });
    let profiles = profiles(kind);
    if let Some(members) = resource.as_object_mut() {
        if !profiles.is_empty() {
            members.insert("supportedProfile".to_owned(), json!(profiles));
        }
        let includes = includes(kind);
        if !includes.is_empty() {
            members.insert("searchInclude".to_owned(), json!(includes));
        }
    }
    resource
}

fn parameter(name: &'static str) -> Option<Value> {
    let kind = match name {
        "_id" | "code" | "category" | "type" | "identifier" | "_security" | "patient.identifier" => "token",
        "_lastUpdated" | "date" => "date",
        "patient" | "subject" | "device" | "device:DeviceMetric.source" | "parent" | "source" => "reference",
        _ => return None,
    };
    // A chained search is a parameter of the type that the chain ends at.
    let is_own = !name.contains(['.', ':']);
    is_own.then(|| json!({ "name": name, "type": kind }))
}

const fn includes(kind: ResourceType) -> &'static [&'static str] {
    match kind {
        ResourceType::Observation => &["Observation:device", "Observation:subject", "Observation:patient"],
        ResourceType::Device => &["Device:parent"],
        ResourceType::DeviceMetric => &["DeviceMetric:source", "DeviceMetric:parent"],
        ResourceType::Patient => &[],
    }
}

const fn profiles(kind: ResourceType) -> &'static [&'static str] {
    match kind {
        ResourceType::Device => &[profile::MDS, profile::VMD, profile::CHANNEL],
        ResourceType::DeviceMetric => &[profile::NUMERIC_METRIC, profile::ENUMERATION_METRIC],
        ResourceType::Observation => &["http://hl7.org/fhir/StructureDefinition/vitalsigns"],
        ResourceType::Patient => &[],
    }
}

const fn documentation(kind: ResourceType) -> &'static str {
    match kind {
        ResourceType::Observation => OBSERVATION,
        ResourceType::Device => "An MDS, a VMD or a channel, as the newest message describes it.",
        ResourceType::DeviceMetric => "A metric of a device, with its alarm limits.",
        ResourceType::Patient => PATIENT,
    }
}

const DESCRIPTION: &str = "What medical devices sent to the platform as HL7 v2 (IHE PCD), for reading.";
const DOCUMENTATION: &str = "\
Whose values these are: the platform knows the patient that a message names, and no more. Many devices send no \
patient; then the subject is the device. A device keeps the identifier of a patient who left until a person changes \
it. The platform gets no admissions, no transfers and no association of devices and patients. Check the patient of a \
value before it is used for treatment. Alerts are for documentation and display. They are never the way in which a \
clinician is alarmed. A search that is not understood whole is refused. Searches name a patient, a subject, a device, \
_lastUpdated or _id; others are refused as too costly. date compares times with a time of day. Observations of tests \
and demonstrations are found only by _security. Resources are removed with the message that they are rendered from.";
const SECURITY: &str = "TLS with a client certificate of a client that the operator registered. The \
CapabilityStatement alone is open.";
const TOKENS: &str = "Such a client may get an access token at the token endpoint, by its certificate (RFC 8705) or by \
an assertion that its key has signed (RFC 7523).";
const OAUTH_URIS: &str = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris";
const SECURITY_SERVICE: &str = "http://terminology.hl7.org/CodeSystem/restful-security-service";
const OBSERVATION: &str = "\
A measured value, a setting, an event or an alert. subject is the patient that the message named, or else the device. \
An alert is one Observation, and each of its reports a version. patient.identifier and device:DeviceMetric.source are \
chained searches.";
const PATIENT: &str = "\
The patient that messages name: the identifier as devices send it. search by identifier=SYSTEM|VALUE.";
