//! Codes of DICOM PS3.16 annex D (DCM) and of RFC 3881 5.5.4, as DICOM PS3.15 A.5 uses them.

/// A coded value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) code: &'static str,
    pub(super) system: &'static str,
    pub(super) text: &'static str,
}

const fn dcm(code: &'static str, text: &'static str) -> Code {
    Code { code, system: "DCM", text }
}

const fn rfc_3881(code: &'static str, text: &'static str) -> Code {
    Code { code, system: "RFC-3881", text }
}

/// Event ids: PS3.16 CID 400.
pub(super) mod event {
    use super::{Code, dcm};

    pub(in super::super) const APPLICATION_ACTIVITY: Code = dcm("110100", "Application Activity");
    pub(in super::super) const AUDIT_LOG_USED: Code = dcm("110101", "Audit Log Used");
    pub(in super::super) const EXPORT: Code = dcm("110106", "Export");
    pub(in super::super) const IMPORT: Code = dcm("110107", "Import");
    pub(in super::super) const PATIENT_RECORD: Code = dcm("110110", "Patient Record");
    pub(in super::super) const QUERY: Code = dcm("110112", "Query");
    pub(in super::super) const USER_AUTHENTICATION: Code = dcm("110114", "User Authentication");
    pub(in super::super) const SECURITY_ALERT: Code = dcm("110113", "Security Alert");
}

/// Event types: PS3.16 CID 401.
pub(super) mod kind {
    use super::{Code, dcm};

    pub(in super::super) const APPLICATION_START: Code = dcm("110120", "Application Start");
    pub(in super::super) const APPLICATION_STOP: Code = dcm("110121", "Application Stop");
    pub(in super::super) const LOGIN: Code = dcm("110122", "Login");
    pub(in super::super) const LOGOUT: Code = dcm("110123", "Logout");
    pub(in super::super) const NODE_AUTHENTICATION: Code = dcm("110126", "Node Authentication");
    pub(in super::super) const NETWORK_CONFIGURATION: Code = dcm("110128", "Network Configuration");
    pub(in super::super) const SECURITY_CONFIGURATION: Code = dcm("110129", "Security Configuration");
    pub(in super::super) const SOFTWARE_CONFIGURATION: Code = dcm("110131", "Software Configuration");
    pub(in super::super) const RESTRICTED_FUNCTION: Code = dcm("110132", "Use of Restricted Function");
    pub(in super::super) const USER_ATTRIBUTES: Code = dcm("110137", "User security Attributes Changed");
}

/// Roles of participants: PS3.16 CID 402.
pub(super) mod role {
    use super::{Code, dcm};

    pub(in super::super) const APPLICATION: Code = dcm("110150", "Application");
    pub(in super::super) const DESTINATION: Code = dcm("110152", "Destination Role ID");
    pub(in super::super) const SOURCE: Code = dcm("110153", "Source Role ID");
    pub(in super::super) const DESTINATION_MEDIA: Code = dcm("110154", "Destination Media");
}

/// Media types: PS3.16 CID 405.
pub(super) const URI_MEDIA: Code = dcm("110037", "URI");

/// Types of object ids.
pub(super) mod object_id {
    use super::{Code, dcm, rfc_3881};

    pub(in super::super) const NODE: Code = dcm("110182", "Node ID");
    pub(in super::super) const REPORT: Code = rfc_3881("9", "Report Number");
    pub(in super::super) const URI: Code = rfc_3881("12", "URI");
}
