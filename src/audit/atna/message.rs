//! An audit message and its XML: DICOM PS3.15 A.5.1.

use std::borrow::Cow;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::code::Code;
use super::outcome::Outcome;
use super::xml::Xml;

/// AuditMessage (DICOM PS3.15 A.5.1).
#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: Code,
    pub(super) action: Action,
    pub(super) at: Timestamp,
    pub(super) outcome: Outcome,
    pub(super) outcome_text: Option<String>,
    pub(super) kinds: Vec<Code>,
    pub(super) participants: Vec<Participant>,
    pub(super) objects: Vec<Object>,
}

/// EventActionCode.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Create,
    Read,
    Execute,
}

/// ActiveParticipant.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) user: String,
    pub(super) requestor: bool,
    pub(super) role: Option<Code>,
    pub(super) medium: Option<Code>,
    pub(super) access_point: Option<AccessPoint>,
}

/// NetworkAccessPointID and its type.
#[derive(Debug)]
pub(super) enum AccessPoint {
    Machine(String),
    Address(IpAddr),
}

/// ParticipantObjectIdentification of a system object.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) role: Option<&'static str>,
    pub(super) life_cycle: Option<&'static str>,
    pub(super) id_type: Code,
    pub(super) id: String,
    pub(super) name: Name,
    pub(super) details: Vec<(&'static str, String)>,
}

/// An object has a name or is the result of a query.
#[derive(Debug)]
pub(super) enum Name {
    Plain(String),
    Query(String),
}

impl Message {
    /// The document. `source` is the reporting node; `site` the organisation, if it is configured.
    pub(super) fn to_xml(&self, node: &str, site: Option<&str>) -> String {
        let mut xml = Xml::document();
        xml.element("AuditMessage", &[], |xml| {
            self.event(xml);
            self.participants.iter().for_each(|participant| participant.write(xml));
            let site = site.map(|site| ("AuditEnterpriseSiteID", site));
            let source: Vec<_> = site.into_iter().chain([("AuditSourceID", node)]).collect();
            xml.element("AuditSourceIdentification", &source, |xml| {
                xml.element("AuditSourceTypeCode", &[("csd-code", APPLICATION_SERVER)], |_| {});
            });
            self.objects.iter().for_each(|object| object.write(xml));
        });
        xml.finish()
    }

    fn event(&self, xml: &mut Xml) {
        let at = self.at.to_string();
        let attributes = [
            ("EventActionCode", self.action.code()),
            ("EventDateTime", &*at),
            ("EventOutcomeIndicator", self.outcome.code()),
        ];
        xml.element("EventIdentification", &attributes, |xml| {
            coded(xml, "EventID", self.id);
            self.kinds.iter().for_each(|kind| coded(xml, "EventTypeCode", *kind));
            if let Some(text) = &self.outcome_text {
                xml.element("EventOutcomeDescription", &[], |xml| xml.text(text));
            }
        });
    }
}

impl Participant {
    fn write(&self, xml: &mut Xml) {
        let requestor = if self.requestor { "true" } else { "false" };
        let user = bounded(&self.user, MAX_NAME_CHARS);
        let mut attributes = vec![("UserID", &*user), ("UserIsRequestor", requestor)];
        let address;
        match &self.access_point {
            Some(AccessPoint::Machine(name)) => {
                attributes
                    .extend([("NetworkAccessPointID", name.as_str()), ("NetworkAccessPointTypeCode", "1")]);
            }
            Some(AccessPoint::Address(ip)) => {
                address = ip.to_string();
                attributes.extend([("NetworkAccessPointID", &*address), ("NetworkAccessPointTypeCode", "2")]);
            }
            None => {}
        }
        xml.element("ActiveParticipant", &attributes, |xml| {
            if let Some(role) = self.role {
                coded(xml, "RoleIDCode", role);
            }
            if let Some(medium) = self.medium {
                xml.element("MediaIdentifier", &[], |xml| coded(xml, "MediaType", medium));
            }
        });
    }
}

impl Object {
    fn write(&self, xml: &mut Xml) {
        let optional = [
            ("ParticipantObjectTypeCodeRole", self.role),
            ("ParticipantObjectDataLifeCycle", self.life_cycle),
        ];
        let optional = optional.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let id = bounded(&self.id, MAX_NAME_CHARS);
        let always = [("ParticipantObjectID", &*id), ("ParticipantObjectTypeCode", SYSTEM_OBJECT)];
        let attributes: Vec<_> = always.into_iter().chain(optional).collect();
        xml.element("ParticipantObjectIdentification", &attributes, |xml| {
            coded(xml, "ParticipantObjectIDTypeCode", self.id_type);
            match &self.name {
                Name::Plain(name) => {
                    let name = bounded(name, MAX_NAME_CHARS);
                    xml.element("ParticipantObjectName", &[], |xml| xml.text(&name));
                }
                Name::Query(query) => {
                    xml.element("ParticipantObjectQuery", &[], |xml| xml.text(&STANDARD.encode(query)));
                }
            }
            for (kind, value) in &self.details {
                let value = STANDARD.encode(&*bounded(value, MAX_DETAIL_CHARS));
                let attributes = [("type", *kind), ("value", &*value)];
                xml.element("ParticipantObjectDetail", &attributes, |_| {});
            }
        });
    }
}

/// Cuts a text that a peer, or a long list, made longer than a receiver must accept (PS3.15 A.6: 32 KiB for a
/// whole message). The audit trail holds the full text.
fn bounded(text: &str, longest: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}

fn coded(xml: &mut Xml, element: &'static str, code: Code) {
    let attributes = [
        ("csd-code", code.code),
        ("codeSystemName", code.system),
        ("displayName", code.text),
        ("originalText", code.text),
    ];
    xml.element(element, &attributes, |_| {});
}

impl Action {
    const fn code(self) -> &'static str {
        match self {
            Self::Create => "C",
            Self::Read => "R",
            Self::Execute => "E",
        }
    }
}

/// Characters of a name and of a detail.
const MAX_NAME_CHARS: usize = 256;
const MAX_DETAIL_CHARS: usize = 1024;

/// ParticipantObjectTypeCode.
const SYSTEM_OBJECT: &str = "2";
/// AuditSourceTypeCode: application server process tier in a multi-tier system.
const APPLICATION_SERVER: &str = "4";
