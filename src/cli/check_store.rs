//! What `check` says about the store, its server, and the directory in it.

use jiff::{SignedDuration, Timestamp};

use super::check_devices::unfit_devices;
use super::check_finding::Finding;
use super::clock_doubt;
use super::text::counted;
use crate::app::findings::unknown_wards;
use crate::app::{missing_store, removals};
use crate::authz::{Device, Directory, learning};
use crate::config::{Config, Identity};
use crate::finding::{Code, SetupCode};
use crate::model::{Clock, NodeName, explained, size_text};
use crate::store::{
    EndFile, Holder, LARGE_CLOCK_DIFFERENCE, MigrationLimits, MigrationPolicy, OwnChain, Store,
};

/// What a start would do with the store. Creates and migrates nothing.
pub(super) async fn store(config: &Config) -> Vec<Finding> {
    let plan = match Store::plan_migration(&config.store.url).await {
        Ok(plan) => plan,
        Err(error) => return vec![Finding::of_store("store", &error)],
    };
    let limits =
        MigrationLimits { rows: config.store.max_migration_rows, time: config.store.max_migration_time };
    let mut findings = vec![if plan.creates {
        match missing_store(config) {
            Some(gone) => Finding::of_store("store", &gone),
            None => {
                let text = "there is no store yet: `serve` and `store migrate` create it";
                Finding::warning("store", SetupCode::StoreMissing.code(), text.to_owned())
            }
        }
    } else if !plan.is_pending() {
        Finding::ok(
            "store",
            format!("the schema is up to date (migration {}), {}", plan.from, counted(plan.rows, "row")),
        )
    } else if let Err(refused) = MigrationPolicy::Within(limits).require(&plan) {
        Finding::error("store", SetupCode::StoreMigration.code(), explained(&refused))
    } else {
        let (from, to, rows) = (plan.from, plan.to(), counted(plan.rows, "row"));
        let text = format!(
            "the schema is that of migration {from}, and `serve` migrates it to {to} ({rows}); earlier \
             versions of the program cannot use it afterwards"
        );
        Finding::warning("store", SetupCode::StoreMigration.code(), text)
    }];
    if !plan.is_pending()
        && let Err(error) = Store::check_rights_at(&config.store.url, removals(&config.store)).await
    {
        findings.push(Finding::of_store("store", &error));
    }
    if !plan.fits_on_disk() {
        let needed = size_text(plan.needed);
        let text = format!("the migration may need {needed} more, which the disk does not have");
        findings.push(Finding::error("store", Code::DiskFilling.code(), text));
    }
    let accepted = |risk| {
        let text = format!("store.accepted-risks accepts that the store can lose or hide messages: {risk}");
        Finding::warning("store", Code::StoreRisk.code(), text)
    };
    findings.extend(plan.risks.iter().map(accepted));
    findings.extend(plan.serving.iter().map(|holder| serving(holder, &config.store.node)));
    findings
}

/// A process that serves the store. One of this node on another machine keeps a platform here from starting:
/// most often the configuration of a further node was copied with its name.
fn serving(holder: &Holder, own: &NodeName) -> Finding {
    let node = &holder.node;
    if node == own && !holder.is_here() {
        let text = format!(
            "node {node} is served by another machine now ({holder}), and a start here is refused: give this node a \
             name of its own in [store] node, or stop the other one"
        );
        return Finding::warning("store", SetupCode::SecondInstance.code(), text);
    }
    Finding::ok("store", format!("node {node} is served now: {holder}"))
}

/// Whether the store contains what this node remembers of its audit chain, whether the clock of this machine
/// is believed, and which devices need other certificates.
pub(super) async fn contents(config: &Config, clock: &Clock) -> Vec<Finding> {
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
            findings.push(Finding::warning("audit trail", Code::AuditEndUnread.code(), text));
            None
        }
    };
    let chain = OwnChain::containing(config.store.node.clone(), remembered);
    let Ok(store) = Store::open_to_read(chain, &config.store.url, clock.clone()).await else {
        return findings;
    };
    match store.require_own_end().await {
        Ok(_) if remembered.is_some() => {
            let text = "the store contains what this node remembers of its chain".to_owned();
            findings.push(Finding::ok("audit trail", text));
        }
        Ok(_) => {}
        Err(error) => findings.push(Finding::of_store("audit trail", &error)),
    }
    if let Some(doubt) = clock_doubt::of_store(&store, &config.store, clock).await {
        findings.push(Finding::warning("clock", Code::ClockUnconfirmed.code(), doubt));
    }
    match store.unfit_certificates().await {
        Ok(known) => {
            let code = SetupCode::DeviceCertificateUnfit.code();
            let unfit = unfit_devices(&known).into_iter();
            findings.extend(unfit.map(|text| Finding::warning("device certificate", code, text)));
        }
        Err(error) => findings.push(Finding::of_store("store", &error)),
    }
    store.close().await;
    findings
}

/// Entries of the directory that an operator should look at.
pub(super) async fn directory(config: &Config, clock: &Clock) -> Vec<Finding> {
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
    let directory = Directory::from(devices);
    findings.extend(
        unknown_wards(&config.notify, &directory).map(|found| Finding::of("notifications", Err(found))),
    );
    for spellings in directory.spelled_twice() {
        let Some((kept, others)) = spellings.split_first() else { continue };
        for other in others {
            let text = format!(
                "{kept} and {other} are spellings of one EUI-64: unite them with `device merge {kept} {other}`, \
                 whichever should stay first"
            );
            findings.push(Finding::warning("devices", SetupCode::DeviceSpelledTwice.code(), text));
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
    Finding::warning("devices", SetupCode::DeviceLearning.code(), text)
}

/// The clock of the store's server, and those of the nodes.
pub(super) async fn server(config: &Config, clock: &Clock) -> Vec<Finding> {
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
        let text = format!("{text}: synchronise both (docs/reference/operations.md, \"Clocks\")");
        Finding::warning("clock", Code::ClockDifference.code(), text)
    } else {
        Finding::ok("clock", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check_finding::Level;

    #[test]
    fn a_node_that_another_machine_serves_is_a_warning() {
        let holder =
            |node: &str, host: &str| Holder { node: node.parse().unwrap(), host: host.to_owned(), pid: 804 };
        let own: NodeName = "ward-7".parse().unwrap();
        let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let code = Some("second-instance");
        for (holder, level, code) in [
            (holder("ward-7", &here), Level::Ok, None),
            (holder("ward-8", "elsewhere"), Level::Ok, None),
            (holder("ward-7", "elsewhere"), Level::Warning, code),
        ] {
            let found = serving(&holder, &own);
            assert_eq!((found.level, found.code), (level, code), "{holder}");
        }
    }
}
