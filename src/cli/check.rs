//! `check`: what a start would find, up to binding a port, each finding on a line. It changes nothing, and
//! goes on after each fault.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::check_devices::unfit_devices;
use super::clock_doubt;
use super::config_file::ConfigFile;
use super::text::counted;
use super::{Exit, Failure, Outcome, Output};
use crate::app::findings::{authority, installed_crl, platform_certificate, staple, unfit_anchor};
use crate::app::{PlatformError, examine, removals};
use crate::authz::{Device, Directory, learning};
use crate::config::{Config, ConfigError, Identity, Undetermined};
use crate::finding::{Looked, Severity};
use crate::model::{Clock, explained};
use crate::store::{EndFile, LARGE_CLOCK_DIFFERENCE, MigrationLimits, MigrationPolicy, OwnChain, Store};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    level: Level,
    what: &'static str,
    detail: String,
    /// The code of the finding, which is the name of its help page.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Ok,
    Warning,
    Error,
}

pub(super) async fn run(config: ConfigFile, output: Output, clock: Clock) -> Outcome {
    let config = match config.read() {
        Ok(config) => config,
        Err(error) if output.is_json() => return unusable(&error, output),
        Err(error) => return Err(Failure::new(Exit::Config, error)),
    };
    let mut findings = vec![Finding::ok("configuration", format!("{} is understood", config.file.display()))];
    findings.extend(settings(&config));
    let found = examine(&config, &clock).await;
    let now = clock.now();
    let certificate = |facts| Finding::of("certificate", platform_certificate(facts, now));
    findings.extend(found.certificates.iter().map(certificate));
    let authorities = found.authorities.iter().filter_map(|known| authority(known, now));
    findings.extend(authorities.map(|(what, looked)| Finding::of(what, looked)));
    findings.extend(found.unfit_anchors.iter().map(|anchor| Finding::of("root", Err(unfit_anchor(anchor)))));
    findings.extend(found.staples.iter().map(|known| Finding::of("staple", staple(known))));
    let undetermined = config.revocation.when_undetermined;
    let crls = found.crls.iter().filter_map(|crl| installed_crl(crl, undetermined, now));
    findings.extend(crls.map(|ending| Finding::of("revocation", Err(ending))));
    findings.extend(found.problems.iter().map(problem));
    let trail = contents(&config, &clock).await;
    if trail.iter().any(|finding| finding.what == "clock") {
        findings.iter_mut().for_each(Finding::doubt_clock);
    }
    findings.extend(store(&config).await);
    findings.extend(trail);
    findings.extend(server(&config, &clock).await);
    findings.extend(directory(&config, &clock).await);
    let worst = findings.iter().map(|finding| finding.level).max();
    for finding in &findings {
        output.print(finding, |finding| {
            let help = finding.code.map(|code| format!(" (help {code})")).unwrap_or_default();
            format!("{:8} {}: {}{help}", finding.level.word(), finding.what, finding.detail)
        })?;
    }
    Ok(if worst == Some(Level::Error) { Exit::Failed } else { Exit::Done })
}

/// The problems of a configuration that cannot be used, as JSON.
fn unusable(error: &ConfigError, output: Output) -> Outcome {
    let details = match error {
        ConfigError::Invalid { problems, .. } => problems.iter().map(ToString::to_string).collect(),
        error => vec![explained(error)],
    };
    for detail in details {
        output.print(&Finding::error("configuration", detail), |finding| finding.detail.clone())?;
    }
    Ok(Exit::Config)
}

/// What stands in the way of a start.
fn problem(error: &PlatformError) -> Finding {
    let what = match error {
        PlatformError::Tls(_) => "identities and roots",
        PlatformError::Revocation(_) => "revocation",
        PlatformError::Repository(_) => "audit record repository",
        PlatformError::Store(_) => "store",
        _ => "platform",
    };
    Finding::error(what, explained(error))
}

/// What a start would do with the store. Creates and migrates nothing.
async fn store(config: &Config) -> Vec<Finding> {
    let plan = match Store::plan_migration(&config.store.url).await {
        Ok(plan) => plan,
        Err(error) => return vec![Finding::error("store", explained(&error))],
    };
    let limits =
        MigrationLimits { rows: config.store.max_migration_rows, time: config.store.max_migration_time };
    let mut findings = vec![if plan.creates {
        let text = "there is no store yet: `serve` and `store migrate` create it";
        Finding::warning("store", text.to_owned())
    } else if !plan.is_pending() {
        Finding::ok(
            "store",
            format!("the schema is up to date (migration {}), {}", plan.from, counted(plan.rows, "row")),
        )
    } else if let Err(refused) = MigrationPolicy::Within(limits).require(&plan) {
        Finding::error("store", explained(&refused))
    } else {
        let (from, to, rows) = (plan.from, plan.to(), counted(plan.rows, "row"));
        let text = format!(
            "the schema is that of migration {from}, and `serve` migrates it to {to} ({rows}); earlier \
             versions of the program cannot use it afterwards"
        );
        Finding::warning("store", text)
    }];
    if !plan.is_pending()
        && let Err(error) = Store::check_rights_at(&config.store.url, removals(&config.store)).await
    {
        findings.push(Finding::error("store", explained(&error)));
    }
    if !plan.fits_on_disk() {
        let text = format!("the migration may need {} bytes more than the disk has", plan.needed);
        findings.push(Finding::error("store", text));
    }
    let accepted = |risk| {
        let text = format!("store.accepted-risks accepts that the store can lose or hide messages: {risk}");
        Finding::warning("store", text)
    };
    findings.extend(plan.risks.iter().map(accepted));
    let serving = plan
        .serving
        .iter()
        .map(|holder| Finding::ok("store", format!("node {} is served now: {holder}", holder.node)));
    findings.extend(serving);
    findings
}

/// Whether the store contains what this node remembers of its audit chain, whether the clock of this machine
/// is believed, and which devices need other certificates.
async fn contents(config: &Config, clock: &Clock) -> Vec<Finding> {
    let mut findings = Vec::new();
    // What else is wrong with the store is a finding about the store already.
    if !Store::plan_migration(&config.store.url).await.is_ok_and(|plan| !plan.is_pending()) {
        return findings;
    }
    let file = EndFile::new(&config.audit.state_directory, &config.store.node);
    let remembered = match file.read() {
        Ok(remembered) => remembered,
        Err(error) => {
            let path = file.path().display();
            let text = format!("what this node remembers of its chain is not compared: {path}: {error}");
            findings.push(Finding::warning("audit trail", text));
            None
        }
    };
    let chain = OwnChain::containing(config.store.node.clone(), remembered);
    let Ok(store) = Store::open_to_read(chain, &config.store.url, clock.clone()).await else {
        return findings;
    };
    match store.require_own_end().await {
        Ok(()) if remembered.is_some() => {
            let text = "the store contains what this node remembers of its chain".to_owned();
            findings.push(Finding::ok("audit trail", text));
        }
        Ok(()) => {}
        Err(error) => findings.push(Finding::error("audit trail", explained(&error))),
    }
    if let Some(doubt) = clock_doubt::of_store(&store, &config.store, clock).await {
        findings.push(Finding::warning("clock", doubt));
    }
    match store.unfit_certificates().await {
        Ok(known) => findings.extend(
            unfit_devices(&known).into_iter().map(|text| Finding::warning("device certificate", text)),
        ),
        Err(error) => findings.push(Finding::error("store", explained(&error))),
    }
    store.close().await;
    findings
}

/// Entries of the directory that an operator should look at.
async fn directory(config: &Config, clock: &Clock) -> Vec<Finding> {
    // What is wrong with the store is a finding about the store already.
    if !Store::plan_migration(&config.store.url).await.is_ok_and(|plan| !plan.is_pending() && !plan.creates) {
        return Vec::new();
    }
    let chain = OwnChain::containing(config.store.node.clone(), None);
    let Ok(store) = Store::open_to_read(chain, &config.store.url, clock.clone()).await else {
        return Vec::new();
    };
    let devices = store.devices().await.unwrap_or_default();
    let confirmed = store.confirmed_clock().await.ok().flatten();
    store.close().await;
    let now = confirmed.map_or(clock.now(), |known| known.at.max(clock.now()));
    let mut findings: Vec<_> = devices
        .iter()
        .filter(|device| learning::is_learning(device, now))
        .map(|device| learns(device, config.devices.identity))
        .collect();
    for spellings in Directory::from(devices).spelled_twice() {
        let Some((kept, others)) = spellings.split_first() else { continue };
        for other in others {
            let text = format!(
                "{kept} and {other} are spellings of one EUI-64: unite them with `device merge {kept} {other}`, \
                 whichever should stay first"
            );
            findings.push(Finding::warning("devices", text));
        }
    }
    findings
}

/// A device whose identities are learnt.
fn learns(device: &Device, identity: Identity) -> Finding {
    let (id, until) = (&device.id, device.learns_until.unwrap_or(Timestamp::MAX));
    let text = match identity {
        Identity::Learn => format!(
            "device {id} learns identities until {until:.0}: its messages may name any device that no other entry has; \
             `device propose {id}` shows them, and --apply ends it"
        ),
        Identity::Enforce | Identity::Record => format!(
            "device {id} would learn identities until {until:.0}, but devices.identity is not \"learn\": end it \
             with `device learn {id} --stop`"
        ),
    };
    Finding::warning("devices", text)
}

/// The clock of the store's server, and those of the nodes.
async fn server(config: &Config, clock: &Clock) -> Vec<Finding> {
    // What is wrong with the server itself is a finding about the store already.
    let Ok(Some(report)) = Store::examine_server(&config.store.url, clock).await else { return Vec::new() };
    let mut findings = Vec::new();
    if let Some(difference) = report.clock {
        let text = format!(
            "this machine is {} the store's server, within {:.3} s",
            ahead_of(difference.ahead),
            difference.uncertainty.as_secs_f64()
        );
        findings.push(clock_finding(text, difference.is_large()));
    }
    for node in report.nodes {
        if let Some(ahead) = node.ahead {
            let text =
                format!("node {} on {} is {} the store's server", node.node, node.host, ahead_of(ahead));
            findings.push(clock_finding(text, ahead.unsigned_abs() > LARGE_CLOCK_DIFFERENCE));
        }
    }
    findings
}

fn ahead_of(ahead: SignedDuration) -> String {
    let side = if ahead.is_negative() { "behind" } else { "ahead of" };
    format!("{:.3} s {side}", ahead.unsigned_abs().as_secs_f64())
}

fn clock_finding(text: String, is_large: bool) -> Finding {
    if is_large {
        Finding::warning("clock", format!("{text}: synchronise both (docs/operations.md, \"Clocks\")"))
    } else {
        Finding::ok("clock", text)
    }
}

/// Findings that follow from the configuration alone.
fn settings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (missing, kind) in [(config.tls.ecc.is_none(), "ECC"), (config.tls.rsa.is_none(), "RSA")] {
        if missing {
            // A5
            findings.push(Finding::warning(
                "identities",
                format!("there is no {kind} identity: devices with only {kind} suites cannot connect"),
            ));
        }
    }
    if config.revocation.installed_crls.is_empty() {
        let finding = match config.revocation.when_undetermined {
            // A9.1
            Undetermined::Refuse => Finding::warning(
                "revocation",
                "revocation.installed-crls is empty and when-undetermined is \"refuse\": no device can connect while \
                 OCSP responders and distribution points are out of reach"
                    .to_owned(),
            ),
            Undetermined::Accept => Finding::warning(
                "revocation",
                "revocation.installed-crls is empty and when-undetermined is \"accept\": a revoked device can connect"
                    .to_owned(),
            ),
        };
        findings.push(finding);
    }
    if config.messages.zone.is_unknown() {
        findings.push(Finding::warning(
            "messages",
            "this machine does not say its time zone, so times without zone are read as UTC: set messages.zone".to_owned(),
        ));
    }
    findings
}

impl Finding {
    /// The line of what a look at one thing found.
    fn of(what: &'static str, looked: Looked) -> Self {
        match looked {
            Ok(detail) => Self::ok(what, detail),
            Err(finding) if finding.severity == Severity::Urgent => {
                Self { code: Some(finding.code.code()), ..Self::error(what, finding.what) }
            }
            Err(finding) => Self { code: Some(finding.code.code()), ..Self::warning(what, finding.what) },
        }
    }

    const fn ok(what: &'static str, detail: String) -> Self {
        Self { level: Level::Ok, what, detail, code: None }
    }

    const fn warning(what: &'static str, detail: String) -> Self {
        Self { level: Level::Warning, what, detail, code: None }
    }

    const fn error(what: &'static str, detail: String) -> Self {
        Self { level: Level::Error, what, detail, code: None }
    }

    /// Every warning and error up to here depends on the time: what ends, and what has begun.
    fn doubt_clock(&mut self) {
        if self.level != Level::Ok && self.what != "identities" {
            self.detail.push_str("; or the clock of this machine is wrong (see clock): look at it first");
        }
    }
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}
