//! Options of `simulate`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::ToSocketAddrs as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use crate::cli::config_file::ConfigFile;
use crate::cli::time::parse_duration;
use crate::cli::{Exit, Failure};
use crate::simulate::traffic::{Schedule, Topic, Vendor};
use crate::simulate::{Fault, Fleet, OrderPolicy, Reconnect, Settings};
use crate::tls::Staples;

/// Options of `simulate`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) config: ConfigFile,
    /// Devices and gateways, each with a certificate and a session of its own
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    devices: u32,
    /// How long; without it until Ctrl-C
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub(super) length: Option<SignedDuration>,
    /// The platform: HOST:PORT, or HOST for port 2575
    #[arg(long, default_value = "127.0.0.1:2575", value_name = "HOST:PORT")]
    pub(super) connect: String,
    /// Folder of the test PKI that issues the certificates; default: `pki` beside the configuration
    #[arg(long, value_name = "DIR")]
    pki: Option<PathBuf>,
    /// Add the devices to the directory of the platform with this configuration first
    #[arg(long)]
    pub(super) enrol: bool,
    /// Write the file for `device import` to stdout, and end
    #[arg(long, conflicts_with_all = ["enrol", "length"])]
    pub(super) list: bool,
    /// Time from one set of values of a device to the next
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = parse_duration)]
    interval: SignedDuration,
    /// What is sent; default: everything but waveforms
    #[arg(long, value_name = "TOPIC", value_delimiter = ',', value_enum)]
    traffic: Vec<TopicName>,
    /// Shape messages like those of a vendor
    #[arg(long, value_name = "VENDOR", value_enum)]
    like: Option<VendorName>,
    /// Devices behind each gateway
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    behind: u32,
    /// Give devices a fault: NAME, NAME=COUNT, or `all`; may be given several times
    #[arg(long = "fault", value_name = "FAULT", value_parser = parse_fault)]
    faults: Vec<FaultOption>,
    /// How pumps answer orders (PCD-03)
    #[arg(long, value_enum, default_value_t = OrderAnswer::Accept, value_name = "HOW")]
    orders: OrderAnswer,
    /// How devices connect again after an outage
    #[arg(long, value_enum, default_value_t = ReconnectName::Backoff, value_name = "HOW")]
    reconnect: ReconnectName,
    /// The longest pause of the backoff
    #[arg(long, default_value = "1m", value_name = "TIME", value_parser = parse_duration)]
    backoff_cap: SignedDuration,
    /// Handshakes at once
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    handshakes: u16,
    /// How long a connection, and each acknowledgement, may take
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = parse_duration)]
    timeout: SignedDuration,
    /// After Ctrl-C or SIGTERM: how long messages may stay without an answer until it ends
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = parse_duration)]
    grace: SignedDuration,
    /// Whether the platform has to staple the status of its certificates
    #[arg(long, value_enum, default_value_t = StaplesName::Require, value_name = "WHAT")]
    staples: StaplesName,
    /// Decides about the values; the same number makes the same patients
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Use a PKI whose CAs this program did not make, or enrol where its roots are not trusted
    #[arg(long)]
    pub(super) i_know: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TopicName {
    /// Periodic values (PCD-01)
    Values,
    /// Alarms that start, continue and end (PCD-04)
    Alarms,
    /// Events of infusions (PCD-10)
    Infusions,
    /// The condition of equipment (PCD-15)
    Conditions,
    /// Reports in PDF (PCD-09)
    Documents,
    /// Heartbeats of gateways (DEV-53)
    Heartbeats,
    /// Waveforms (PCD-01)
    Waveforms,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VendorName {
    /// B. Braun: pumps
    Bbraun,
    /// Philips: monitors
    Philips,
    /// GE: monitors
    Ge,
    /// Dräger: ventilators and monitors
    Draeger,
    /// Mindray: monitors
    Mindray,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OrderAnswer {
    /// Accept each
    Accept,
    /// Refuse each with 9007: the infuser is offline
    Offline,
    /// Refuse each with 9015: the infuser did not answer
    Timeout,
    /// Accept three of five, refuse one with 9007 and one with 9015
    Mixed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReconnectName {
    /// With exponential backoff and jitter, as devices have to (B17)
    Backoff,
    /// All at once, without a pause
    AtOnce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StaplesName {
    /// Refuse a platform without one (B18)
    Require,
    /// Warn, and go on
    Accept,
}

/// Faults and how many devices have each.
#[derive(Debug, Clone)]
struct FaultOption(Vec<(Fault, u32)>);

fn parse_fault(text: &str) -> Result<FaultOption, String> {
    let (name, count) = text.split_once('=').unwrap_or((text, "1"));
    let count = count.parse().ok().filter(|count| (1..=MAX_FAULTY).contains(count));
    let count = count.ok_or_else(|| format!("write a number of devices from 1 to {MAX_FAULTY} after ="))?;
    if name == "all" {
        return Ok(FaultOption(Fault::ALL.map(|fault| (fault, count)).to_vec()));
    }
    let names = || Fault::ALL.map(Fault::name).join(", ");
    let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name);
    fault.map(|fault| FaultOption(vec![(fault, count)])).ok_or_else(|| format!("use one of {}, all", names()))
}

impl Arguments {
    /// The folder of the PKI.
    pub(super) fn pki(&self) -> PathBuf {
        self.pki.clone().unwrap_or_else(|| {
            let folder = self.config.path().parent().unwrap_or_else(|| Path::new("."));
            folder.join("pki")
        })
    }

    /// How long the end may take without an answer of the platform.
    pub(super) fn grace(&self) -> Duration {
        unsigned(self.grace)
    }

    /// What is simulated.
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        let (host, port) = super::destination(&self.connect)?;
        let address = (host, port).to_socket_addrs();
        let address = address
            .with_context(|| format!("cannot find {host}"))
            .and_then(|mut found| found.next().ok_or_else(|| anyhow!("{host} has no address")));
        let address = address.map_err(|error| Failure::new(Exit::Unavailable, error))?;
        let faults: BTreeMap<Fault, u32> =
            self.faults.iter().flat_map(|option| option.0.iter().copied()).collect();
        let faulty: u32 = faults.values().sum();
        if faulty >= self.devices {
            let error = anyhow!("{faulty} devices have a fault: --devices has to be a larger number");
            return Err(Failure::new(Exit::Usage, error));
        }
        let vendor = self.like.map(VendorName::vendor).unwrap_or_default();
        let fleet = Fleet::new(self.devices, vendor, self.behind, &faults, self.seed);
        if let Some(name) = self.traffic.iter().find(|name| !fleet.sends(name.topic())) {
            let word = name.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            let error = anyhow!(
                "none of these devices sends {word}: leave it out of --traffic, or use more --devices or another --like"
            );
            return Err(Failure::new(Exit::Usage, error));
        }
        Ok(Settings {
            devices: self.devices,
            behind: self.behind,
            vendor,
            schedule: Schedule { interval: unsigned(self.interval), topics: self.topics() },
            faults,
            orders: match self.orders {
                OrderAnswer::Accept => OrderPolicy::Accept,
                OrderAnswer::Offline => OrderPolicy::Offline,
                OrderAnswer::Timeout => OrderPolicy::Timeout,
                OrderAnswer::Mixed => OrderPolicy::Mixed,
            },
            reconnect: match self.reconnect {
                ReconnectName::Backoff => Reconnect::Backoff(unsigned(self.backoff_cap)),
                ReconnectName::AtOnce => Reconnect::AtOnce,
            },
            handshakes: self.handshakes.into(),
            address,
            host: host.to_owned(),
            timeout: unsigned(self.timeout),
            staples: match self.staples {
                StaplesName::Require => Staples::Require,
                StaplesName::Accept => Staples::Accept,
            },
            seed: self.seed,
        })
    }

    fn topics(&self) -> BTreeSet<Topic> {
        if self.traffic.is_empty() {
            return Topic::ALL.into_iter().filter(|topic| *topic != Topic::Waveforms).collect();
        }
        self.traffic.iter().map(|name| name.topic()).collect()
    }
}

impl TopicName {
    const fn topic(self) -> Topic {
        match self {
            Self::Values => Topic::Values,
            Self::Alarms => Topic::Alarms,
            Self::Infusions => Topic::Infusions,
            Self::Conditions => Topic::Conditions,
            Self::Documents => Topic::Documents,
            Self::Heartbeats => Topic::Heartbeats,
            Self::Waveforms => Topic::Waveforms,
        }
    }
}

impl VendorName {
    const fn vendor(self) -> Vendor {
        match self {
            Self::Bbraun => Vendor::BBraun,
            Self::Philips => Vendor::Philips,
            Self::Ge => Vendor::Ge,
            Self::Draeger => Vendor::Draeger,
            Self::Mindray => Vendor::Mindray,
        }
    }
}

/// `parse_duration` takes no negative one.
fn unsigned(duration: SignedDuration) -> Duration {
    duration.try_into().unwrap_or_default()
}

/// Devices with one fault.
const MAX_FAULTY: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_a_name_and_may_have_a_number() {
        let parsed = |text: &str| parse_fault(text).map(|option| option.0);
        assert_eq!(parsed("revoked").unwrap(), [(Fault::Revoked, 1)]);
        assert_eq!(parsed("half-frame=12").unwrap(), [(Fault::HalfFrame, 12)]);
        assert_eq!(parsed("all=2").unwrap().len(), Fault::ALL.len());
        assert!(parsed("broken").unwrap_err().contains("wrong-name"));
        assert!(parsed("revoked=0").is_err() && parsed("revoked=x").is_err());
    }
}
