//! Options that `device add` and `device change` share.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::seen;
use crate::authz::{About, Device, DeviceKind};
use crate::cli::Failure;
use crate::config::SilentAfterError;
use crate::hl7::AcknowledgeAs;
use crate::model::SilentAfter;
use crate::pcd::{IdentityPattern, PatternList};
use crate::store::{Store, device_kind};

/// What people call a device, where it is and whose it is.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct AboutOptions {
    /// What staff call it, such as ICU-14
    #[arg(long, value_name = "TEXT", value_parser = About::parse)]
    name: Option<String>,
    /// Ward or location
    #[arg(long, value_name = "TEXT", value_parser = About::parse)]
    ward: Option<String>,
    /// Manufacturer and model
    #[arg(long, value_name = "TEXT", value_parser = About::parse)]
    model: Option<String>,
    /// The serial number on its label
    #[arg(long, value_name = "TEXT", value_parser = About::parse)]
    serial: Option<String>,
    /// Who is responsible for it
    #[arg(long, value_name = "TEXT", value_parser = About::parse)]
    owner: Option<String>,
}

impl AboutOptions {
    /// `device` with the options that are given.
    pub(in crate::cli) fn applied_to(self, mut device: Device) -> Device {
        let About { name, ward, model, serial, owner } = &mut device.about;
        let given = [self.name, self.ward, self.model, self.serial, self.owner];
        for (own, text) in [name, ward, model, serial, owner].into_iter().zip(given) {
            if let Some(text) = text {
                *own = text;
            }
        }
        device
    }
}

/// The identities that messages of a device may carry besides its Common Name.
#[derive(Debug, clap::Args)]
pub(crate) struct SpeaksFor {
    /// An identity that its messages may carry, or an EUI-64 prefix (00A037*); several times, or a list
    ///
    /// These are all: on a change they replace its list, and --also-speaks-for adds to it. Commas and
    /// semicolons separate identities (A1,A2 is two). One that belongs to an identity has a backslash before
    /// it.
    #[arg(long, value_name = "ID")]
    speaks_for: Vec<PatternList>,
    /// Its messages may carry any identity
    #[arg(long, conflicts_with = "speaks_for")]
    any: bool,
    /// Add the identities of its rejected messages, which `device show` lists
    #[arg(long)]
    from_seen: bool,
}

impl SpeaksFor {
    /// `device` with the given identities, which replace its list; --from-seen adds to the list.
    /// `is_recorded` is asked for --from-seen alone: whether every device may name what it wants.
    pub(in crate::cli) async fn applied_to(
        self,
        mut device: Device,
        is_recorded: impl FnOnce() -> Result<bool, Failure>,
        store: &Store,
    ) -> Result<Device, Failure> {
        if self.any {
            device.speaks_for = vec![IdentityPattern::any()];
        } else if !self.speaks_for.is_empty() {
            device.speaks_for = self.speaks_for.into_iter().flat_map(PatternList::into_patterns).collect();
        }
        if self.from_seen {
            let patterns = seen::patterns(&device, is_recorded()?, store).await?;
            device.speaks_for.extend(patterns);
        }
        Ok(device)
    }
}

/// When a device is silent or missing.
#[derive(Debug, clap::Args)]
pub(crate) struct LivenessOptions {
    /// When it, or a device behind it, counts as silent: a duration (2m), learned, never, or as-configured
    #[arg(long, value_name = "WHEN", value_parser = silent_after)]
    silent_after: Option<SilentAfterOption>,
    /// It is missing until its first message is stored; without this nothing is expected before that
    #[arg(long)]
    expected: bool,
    /// It is not missing, whether or not it ever sent anything
    #[arg(long, conflicts_with = "expected")]
    not_expected: bool,
}

/// Whether orders are sent to a device.
#[derive(Debug, clap::Args)]
pub(crate) struct OrderOptions {
    /// Whether orders may be queued for it; no for a client that only sends. Orders that wait are still sent
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no())]
    receives_orders: Option<bool>,
}

impl OrderOptions {
    /// `device` with the option, if it is given.
    pub(in crate::cli) fn applied_to(&self, mut device: Device) -> Device {
        device.receives_orders = self.receives_orders.unwrap_or(device.receives_orders);
        device
    }
}

fn yes_or_no() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["yes", "no"]).map(|word| word == "yes")
}

#[derive(Debug, Clone, Copy)]
struct SilentAfterOption(Option<SilentAfter>);

impl LivenessOptions {
    /// `device` with the options that are given.
    pub(in crate::cli) fn applied_to(self, mut device: Device) -> Device {
        if let Some(SilentAfterOption(silent_after)) = self.silent_after {
            device.silent_after = silent_after;
        }
        device.expected = self.expected || (device.expected && !self.not_expected);
        device
    }
}

fn silent_after(text: &str) -> Result<SilentAfterOption, SilentAfterError> {
    let is_cleared = text == "as-configured";
    (!is_cleared).then(|| text.parse()).transpose().map(SilentAfterOption)
}

pub(in crate::cli) fn kind_parser() -> impl TypedValueParser<Value = DeviceKind> {
    let words = [DeviceKind::Device, DeviceKind::Gateway].map(DeviceKind::as_str);
    PossibleValuesParser::new(words).try_map(|word| device_kind(&word).ok_or("neither device nor gateway"))
}

pub(super) fn acknowledge_parser() -> impl TypedValueParser<Value = AcknowledgeAs> {
    let modes = [
        (AcknowledgeAs::AsAsked, "as MSH-15 and MSH-16 of each message request"),
        (AcknowledgeAs::Original, "always AA, AE or AR (original mode)"),
        (AcknowledgeAs::Accept, "always an accept acknowledgement only: CA, CE or CR"),
        (AcknowledgeAs::Application, "always an application acknowledgement only: AA, AE or AR"),
    ];
    PossibleValuesParser::new(modes.map(|(mode, help)| PossibleValue::new(mode.as_str()).help(help)))
        .try_map(|word| word.parse::<AcknowledgeAs>())
}
