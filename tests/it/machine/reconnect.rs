//! All devices of a hospital connect again at once, because the platform was killed.
//!
//! `PCD_RECONNECT=5000` is the size of the requirement; the limit on open files must allow it:
//!
//!     ulimit -n 20000
//!     PCD_RECONNECT=5000 cargo test --all-features --test it machine::reconnect -- --nocapture

use std::time::{Duration, Instant};

use pcd_platform::interface_b::Client;
use pcd_platform::pki::KeyType;
use pcd_platform::tls::Connector;
use rustix::process::Signal;

use crate::harness::{Site, connector, eventually, fixed_address, message, wait_for};

/// How long a device waits for a connection before it tries again: on a busy machine all of them take longer
/// than half a minute.
const RETRY_AFTER: Duration = Duration::from_secs(240);

fn size() -> usize {
    std::env::var("PCD_RECONNECT").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

/// A device that connects and sends until a message is acknowledged; the session, how often it has tried, and
/// how long that took.
async fn come_back(
    port: u16,
    connector: &Connector,
    name: &str,
    control_id: &str,
) -> (Client, usize, Duration) {
    let began = Instant::now();
    // The same bytes in each attempt: what was stored and not acknowledged is a resend.
    let message = message(name, control_id);
    for attempt in 1.. {
        if let Ok(mut client) = Client::connect(connector, "127.0.0.1", port, RETRY_AFTER).await {
            let answers = client.send(message.clone()).await;
            if answers.is_ok_and(|answers| answers.iter().any(|answer| answer.code.as_str() == "CA")) {
                return (client, attempt, began.elapsed());
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    unreachable!("a device tries without end")
}

#[test]
fn every_device_is_back_after_a_crash() {
    let address = fixed_address();
    let site = Site::new()
        .with("interface-a", &format!("listen = [\"{address}\"]"))
        .with("interface-a", "shared-addresses = [\"127.0.0.0/8\"]");
    let names: Vec<String> = (0..size()).map(|number| format!("DEVICE-{number}")).collect();
    let connectors: Vec<Connector> = names
        .iter()
        .map(|name| connector(&site, &site.certificate(name, KeyType::Ecc), None).unwrap())
        .collect();
    let list = site.path().join("devices.csv");
    let rows: String = names.iter().map(|name| format!("{name}\n")).collect();
    std::fs::write(&list, format!("cn\n{rows}")).unwrap();
    let mut platform = site.start();
    platform.cli().run(&["device", "import", list.to_str().unwrap()]);
    let all = names.len() as f64;
    eventually("the platform knows all of them", || platform.metric("pcd_directory_devices") == all);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let connect = |round: &str| {
        let devices = connectors.iter().zip(&names).map(|(connector, name)| {
            let control_id = format!("{round}-{name}");
            async move { come_back(address.port(), connector, name, &control_id).await }
        });
        runtime.block_on(futures_util::future::join_all(devices))
    };
    for round in ["first", "again"] {
        let began = Instant::now();
        let sessions = connect(round);
        let mut times: Vec<_> = sessions.iter().map(|(_, _, time)| *time).collect();
        times.sort_unstable();
        let attempts = sessions.iter().map(|(_, attempts, _)| attempts).max().unwrap();
        println!(
            "{round}: {} devices in {:?}: half of them after {:?}, 99 % after {:?}; at most {attempts} attempts",
            times.len(),
            began.elapsed(),
            times[times.len() / 2],
            times[times.len() * 99 / 100]
        );
        let active = || platform.metric("pcd_connections_active");
        wait_for("all of them are there at once", active, |active| *active == all);
        if round == "first" {
            platform.signal(Signal::KILL);
            drop(platform.wait());
            drop(sessions);
            platform = site.start();
        }
    }
    let stored = platform.cli().json(&["message", "list", "--limit", "100000"]);
    assert_eq!(stored.len(), 2 * names.len(), "each message once");
}
