//! What a client may do, as SMART scopes (SMART App Launch 2.2, "Scopes and Launch Context").

use std::fmt;
use std::str::FromStr;

/// An interaction that a scope grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interaction {
    /// read, vread, history of one resource.
    Read,
    /// search.
    Search,
}

/// One scope: `system/Observation.rs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `None`: every type.
    resource_type: Option<String>,
    reads: bool,
    searches: bool,
}

/// The scopes of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(Vec<Scope>);

/// The text is not a scope that the platform can grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not a scope such as system/Observation.rs: it has the context system, one of {types} or *, and r, s or rs",
    types = TYPES.join(", ")
)]
pub struct ScopeError(String);

impl Scope {
    fn in_words(&self) -> String {
        let what = match self.resource_type.as_deref() {
            None => "everything that devices sent: values and alarms with their patients, devices, settings",
            Some("Observation") => "values and alarms of patients (Observation)",
            Some("Patient") => "patients (Patient)",
            Some("DeviceMetric") => "what devices measure, and alarm limits (DeviceMetric)",
            Some("Device") => "devices (Device)",
            Some(other) => other,
        };
        let how = match (self.reads, self.searches) {
            (true, true) => "search and read",
            (false, true) => "search",
            _ => "read",
        };
        format!("{how} {what}")
    }

    fn allows(&self, resource_type: &str, interaction: Interaction) -> bool {
        let is_granted = match interaction {
            Interaction::Read => self.reads,
            Interaction::Search => self.searches,
        };
        is_granted && self.resource_type.as_deref().is_none_or(|own| own == resource_type)
    }

    /// What both allow.
    fn both(&self, other: &Self) -> Option<Self> {
        let resource_type = match (&self.resource_type, &other.resource_type) {
            (None, named) | (named, None) => named.clone(),
            (Some(one), Some(other)) if one == other => Some(one.clone()),
            _ => return None,
        };
        let (reads, searches) = (self.reads && other.reads, self.searches && other.searches);
        (reads || searches).then_some(Self { resource_type, reads, searches })
    }
}

impl Scopes {
    /// Whether a scope allows the interaction with resources of the type.
    #[must_use]
    pub fn allow(&self, resource_type: &str, interaction: Interaction) -> bool {
        self.0.iter().any(|scope| scope.allows(resource_type, interaction))
    }

    /// What both allow; scopes that are equal are there once.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both: Vec<Scope> = Vec::new();
        for scope in self.0.iter().flat_map(|own| other.0.iter().filter_map(|other| own.both(other))) {
            if !both.contains(&scope) {
                both.push(scope);
            }
        }
        Self(both)
    }

    /// Those of a request that the platform has; others are left out (SMART App Launch 2.2: an authorization
    /// server may grant less than was asked for).
    #[must_use]
    pub fn known(text: &str) -> Self {
        Self(text.split_ascii_whitespace().filter_map(|scope| scope.parse().ok()).collect())
    }

    /// What may be granted; `r` and `s` alone too.
    pub const NAMES: [&'static str; 5] = [
        "system/*.rs",
        "system/Observation.rs",
        "system/Device.rs",
        "system/DeviceMetric.rs",
        "system/Patient.rs",
    ];

    /// Reading and searching of every type.
    #[must_use]
    pub fn everything() -> Self {
        Self(vec![Scope { resource_type: None, reads: true, searches: true }])
    }

    /// What they allow, for a person who is no programmer.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        self.0.iter().map(Scope::in_words).collect()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let failed = || ScopeError(text.chars().take(MAX_SHOWN).collect());
        let (name, rights) =
            text.strip_prefix("system/").and_then(|rest| rest.split_once('.')).ok_or_else(failed)?;
        let resource_type = match name {
            "*" => None,
            name if TYPES.contains(&name) => Some(name.to_owned()),
            _ => return Err(failed()),
        };
        let (reads, searches) = match rights {
            "r" => (true, false),
            "s" => (false, true),
            "rs" => (true, true),
            _ => return Err(failed()),
        };
        Ok(Self { resource_type, reads, searches })
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    /// Scopes with white space between them (RFC 6749 section 3.3).
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        text.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "system/{}.", self.resource_type.as_deref().unwrap_or("*"))?;
        f.write_str(if self.reads { "r" } else { "" })?;
        f.write_str(if self.searches { "s" } else { "" })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { " " })?;
            scope.fmt(f)?;
        }
        Ok(())
    }
}

/// The types that the platform has.
const TYPES: [&str; 4] = ["Observation", "Device", "DeviceMetric", "Patient"];
/// Characters of a wrong scope that the error repeats.
const MAX_SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n001_3_a_scope_allows_its_type_and_its_interactions() {
        let scopes: Scopes = "system/Observation.rs system/Patient.r".parse().unwrap();
        assert!(scopes.allow("Observation", Interaction::Read));
        assert!(scopes.allow("Observation", Interaction::Search));
        assert!(scopes.allow("Patient", Interaction::Read));
        assert!(!scopes.allow("Patient", Interaction::Search));
        assert!(
            !scopes.allow("Device", Interaction::Read) && !scopes.allow("DeviceMetric", Interaction::Read)
        );
        assert_eq!(scopes.to_string(), "system/Observation.rs system/Patient.r");
        let all: Scopes = "system/*.s".parse().unwrap();
        assert!(all.allow("Device", Interaction::Search) && !all.allow("Device", Interaction::Read));
        assert!(!Scopes::default().allow("Device", Interaction::Read));
    }

    #[test]
    fn n001_4_what_is_granted_is_what_was_asked_for_and_is_allowed() {
        let both = |one: &str, other: &str| {
            let (one, other): (Scopes, Scopes) = (one.parse().unwrap(), other.parse().unwrap());
            one.intersection(&other).to_string()
        };
        assert_eq!(both("system/*.rs", "system/Observation.rs"), "system/Observation.rs");
        assert_eq!(both("system/Observation.rs", "system/*.r"), "system/Observation.r");
        assert_eq!(both("system/Observation.r", "system/Observation.s"), "");
        assert_eq!(both("system/Device.rs", "system/Patient.rs system/Device.s"), "system/Device.s");
        assert_eq!(both("system/*.rs system/Device.r", "system/Device.r"), "system/Device.r");
        let known = Scopes::known("system/Observation.rs patient/Patient.rs openid system/Encounter.r");
        assert_eq!(known.to_string(), "system/Observation.rs");
    }

    #[test]
    fn scopes_that_the_platform_cannot_grant_are_refused() {
        for text in [
            "Observation.rs",
            "patient/Observation.rs",
            "system/Observation",
            "system/Observation.",
            "system/Observation.sr",
            "system/Observation.cruds",
            "system/Observation.read",
            "system/observation.rs",
            "system/Encounter.rs",
            "system/Observation.rs?category=x",
        ] {
            assert!(text.parse::<Scopes>().is_err(), "{text}");
        }
    }
}
