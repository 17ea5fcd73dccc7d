//! Facts about devices, their messages and orders.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::time::{At, days_away};
use crate::model::{Refusal, RefusalFacts};

/// Facts of `device-locked-out`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DeviceLockedOut {
    /// Why it is refused: a code of refused connections
    #[serde(serialize_with = "code")]
    #[schema(value_type = String)]
    pub refusal: Refusal,
    /// What it showed, as far as it says why; absent members are not known
    #[serde(serialize_with = "shown")]
    #[schema(schema_with = shown_schema)]
    pub shown: Box<RefusalFacts>,
    /// Whether the platform ended an open session of it, in the place of refusing a connection
    pub session_ended: bool,
    /// How often it was refused
    pub times: u64,
    /// When it was refused last
    pub last: At,
    /// Its address and port at that time
    pub peer: String,
}

impl fmt::Display for DeviceLockedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { refusal, shown, times, last, peer, .. } = self;
        let cause = refusal.cause(shown);
        if self.session_ended {
            write!(f, "the platform ended its session at {last}: {cause}")
        } else if *times == 0 {
            // It has not tried yet.
            write!(f, "it is refused: {cause}")
        } else {
            write!(f, "it is refused: {cause}; {}, last at {last} from {peer}", counted_times(*times))
        }
    }
}

/// Facts of `device-rejected`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DeviceRejected {
    /// When the newest rejected message came
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_rejected: Option<At>,
    /// When the last accepted message came; absent: none was ever accepted
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_accepted: Option<At>,
}

impl fmt::Display for DeviceRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its messages are rejected")?;
        if let Some(newest) = self.last_rejected {
            write!(f, ", the newest at {newest}")?;
        }
        match self.last_accepted {
            Some(at) => write!(f, "; the last accepted one came at {at}"),
            None => f.write_str("; none was ever accepted"),
        }
    }
}

/// Facts of `device-refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DeviceRefused {
    /// How often it was refused
    pub times: u64,
    /// When it was refused last
    pub last: At,
    /// Its address and port at that time
    pub peer: String,
}

impl fmt::Display for DeviceRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { times, last, peer } = self;
        let times = counted_times(*times);
        write!(
            f,
            "it has a good certificate and is not in the directory; refused {times}, last at {last} from {peer}"
        )
    }
}

/// Facts of `device-certificate-ending`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DeviceCertificateEnding {
    /// The last second of its validity
    pub not_after: At,
    /// Whole days to its end, rounded down; negative once it has ended
    pub days_left: i64,
}

impl fmt::Display for DeviceCertificateEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { not_after, days_left } = self;
        if *days_left < 0 {
            return write!(f, "its certificate ended at {not_after}");
        }
        write!(f, "its certificate ends at {not_after}, {}", days_away(*days_left))
    }
}

/// Facts of `device-silent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DeviceSilent {
    /// The gateway through which it sends, if it is not in the directory itself
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// When its last message came
    pub last: At,
    /// Seconds since then
    pub seconds: u64,
}

impl fmt::Display for DeviceSilent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { through, last, seconds } = self;
        let (through, time) = (Through(through.as_deref()), rounded(Duration::from_secs(*seconds)));
        write!(f, "it has sent nothing{through} for {time}; its last message came at {last}")
    }
}

/// Facts of `device-left`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DeviceLeft {
    /// The gateway through which it sends, if it is not in the directory itself
    #[serde(skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// When its last message came, with which it left
    pub last: At,
}

impl fmt::Display for DeviceLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { through, last } = self;
        let through = Through(through.as_deref());
        write!(f, "it left monitoring{through} at {last}, and has sent nothing since")
    }
}

/// Facts of `device-never-seen`: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeviceNeverSeen {}

impl fmt::Display for DeviceNeverSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is expected, and no message of it was ever stored")
    }
}

/// Facts of `order-failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct OrderFailed {
    /// The device that the order was for
    pub device: String,
    /// The device behind it, where it is a gateway and the order names one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addressee: Option<String>,
    /// What became of it
    pub outcome: OrderOutcome,
    /// The code of the reason in an answer that refuses it (ERR-5.1)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of an order that was not carried out as ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OrderOutcome {
    /// It was not sent in time: the device does not have it.
    Expired,
    /// It was sent, and the device did not answer: it may have it.
    Unanswered,
    /// The device refused it.
    Refused,
    /// The device took it, and did not report what it did with it.
    Unconfirmed,
}

impl fmt::Display for OrderFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let behind = self.addressee.as_ref();
        let device = match behind {
            Some(behind) => format!("{behind} behind {}", self.device),
            None => self.device.clone(),
        };
        match self.outcome {
            OrderOutcome::Expired => {
                write!(f, "the order for {device} expired unsent: the device does not have it")
            }
            OrderOutcome::Unanswered => write!(
                f,
                "the order for {device} was sent and not answered in time: the device may have it; look at the \
                 device before you order again"
            ),
            OrderOutcome::Refused => {
                match behind {
                    Some(behind) => write!(f, "{} refused the order for {behind}", self.device)?,
                    None => write!(f, "{device} refused the order")?,
                }
                self.reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({reason})"))
            }
            OrderOutcome::Unconfirmed => {
                write!(f, "{device} did not confirm the order: what it did with it is not known")
            }
        }
    }
}

/// Facts of `forward-refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ForwardRefused {
    /// The message, which is kept
    pub message: String,
    /// The acknowledgement code of the answer (MSA-1)
    pub answer: String,
    /// The reason in the answer (ERR-5.1), if it has one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many of its messages were refused within the day, of the latest thousand of all devices
    pub messages: u64,
    /// How many of them are alert reports
    pub alarms: u64,
}

impl fmt::Display for ForwardRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_last(f)?;
        match (self.messages, self.alarms) {
            (0 | 1, 0) => Ok(()),
            (0 | 1, _) => write!(f, ": an ALARM that the platform does not have"),
            (messages, 0) => write!(f, "; {messages} of its messages are refused"),
            (messages, alarms) => {
                write!(f, "; {messages} of its messages are refused, {alarms} of them ALARMS")
            }
        }
    }
}

impl ForwardRefused {
    fn write_last(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, answer, reason, .. } = self;
        if reason.as_deref() == Some("altered") && answer.is_empty() {
            return write!(
                f,
                "its message {message} was altered in the store of this gateway, and is not forwarded"
            );
        }
        let reason = reason.as_deref().unwrap_or("no reason given");
        if answer.is_empty() {
            return write!(f, "the platform did not acknowledge its message {message} ({reason})");
        }
        write!(f, "the platform answered {answer} to its message {message} ({reason})")
    }
}

struct Through<'a>(Option<&'a str>);

impl fmt::Display for Through<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |through| write!(f, " through {through}"))
    }
}

fn counted_times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// A duration in its two largest units.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

fn code<S: Serializer>(refusal: &Refusal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(refusal.code())
}

fn shown<S: Serializer>(facts: &RefusalFacts, serializer: S) -> Result<S::Ok, S::Error> {
    facts.to_json().serialize(serializer)
}

/// The members of [`RefusalFacts::to_json`].
fn shown_schema() -> Object {
    SHOWN
        .iter()
        .fold(ObjectBuilder::new(), |object, (name, kind, about)| {
            object.property(*name, ObjectBuilder::new().schema_type(kind.clone()).description(Some(*about)))
        })
        .description(Some("What it showed, as far as it says why; absent members are not known"))
        .build()
}

const SHOWN: [(&str, Type, &str); 11] = [
    (
        "first-bytes",
        Type::String,
        "what the first bytes look like: `tls`, `ssl2`, `plain-mllp`, `http`, `ssh`, `proxy-protocol`, `other`",
    ),
    ("offered-versions", Type::Array, "TLS versions that it offers"),
    ("offered-suites", Type::Array, "cipher suites that it offers, by their IANA names; at most 32"),
    (
        "certificate",
        Type::Object,
        "its certificate: `fingerprint`, `serial`, `issuer`, `not-before`, `not-after`, `key`",
    ),
    ("name", Type::String, "the Common Name in its certificate"),
    ("missing-ca", Type::String, "the CA that it did not send and that is no installed root"),
    ("ended", Type::Array, "another certificate of its chain that has ended: its subject, and when"),
    ("alert", Type::Integer, "the TLS alert that it sent"),
    ("extension", Type::String, "a critical extension that is not supported"),
    ("proxy-header", Type::String, "what is wrong with its header of the PROXY protocol"),
    ("revocation", Type::String, "what is known about the revocation of its certificates"),
];

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::model::{FirstBytes, HelloFacts, ShownCertificate};

    #[test]
    fn durations_have_two_units() {
        let shown = |seconds| rounded(Duration::from_secs(seconds));
        assert_eq!(shown(59), "59 s");
        assert_eq!(shown(541), "9 min 1 s");
        assert_eq!(shown(7260), "2 h 1 min");
        assert_eq!(shown(90_000), "1 d 1 h");
    }

    #[test]
    fn the_schema_has_whatever_a_refused_peer_may_have_shown() {
        let text = || Some("x".to_owned());
        let shown = ShownCertificate {
            fingerprint: String::new(),
            serial: String::new(),
            issuer: String::new(),
            not_before: Timestamp::UNIX_EPOCH,
            not_after: Timestamp::UNIX_EPOCH,
            key: String::new(),
        };
        let hello = HelloFacts {
            first_bytes: FirstBytes::Tls,
            versions: vec![String::new()],
            suites: vec![String::new()],
        };
        let facts = RefusalFacts {
            hello,
            certificate: Some(shown),
            name: text(),
            missing_ca: text(),
            ended: Some((String::new(), Timestamp::UNIX_EPOCH)),
            alert: Some(1),
            extension: text(),
            proxy_header: text(),
            revocation: text(),
        };
        let json = facts.to_json();
        let mut described: Vec<_> = SHOWN.iter().map(|(name, ..)| *name).collect();
        described.sort_unstable();
        let mut members: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, described);
    }

    #[test]
    fn what_a_refused_device_showed_is_a_fact_and_makes_the_cause() {
        let shown = RefusalFacts { missing_ca: Some("CN=Ward CA".to_owned()), ..RefusalFacts::default() };
        let facts = DeviceLockedOut {
            refusal: Refusal::UntrustedIssuer,
            shown: Box::new(shown),
            session_ended: false,
            times: 3,
            last: At(Timestamp::from_second(1_750_000_000).unwrap()),
            peer: "10.0.0.7:4711".to_owned(),
        };
        let expected = "it is refused: no such root here: CN=Ward CA; 3 times, last at 2025-06-15T15:06:40Z from 10.0.0.7:4711";
        assert_eq!(facts.to_string(), expected);
        let json = serde_json::to_value(&facts).unwrap();
        assert_eq!((&json["refusal"], &json["times"]), (&json!("untrusted-issuer"), &json!(3)));
        assert_eq!(json["shown"], json!({"missing-ca": "CN=Ward CA"}));
        assert_eq!(json["last"], "2025-06-15T15:06:40Z");
    }
}
