//! A gateway under the load of `simulate`, which is killed and cut off again and again.
//!
//! `PCD_GATEWAY_KILLS=10 PCD_GATEWAY_OUTAGE_SECONDS=60 PCD_GATEWAY_DEVICES=20` makes it long: ten kills,
//! three outages of a minute.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pcd_platform::pki::KeyType;
use sqlx::{Connection as _, Row as _};

use super::outages::number;
use super::{GATEWAY, Scene, open};
use crate::harness::{Platform, SOON, Site, eventually, fixed_address, runtime};
use crate::simulate::{Running, acknowledged, shared_pki, stored};

/// How many distinct MSH-10 the accepted messages have, and how many messages there are.
fn control_ids(platform: &Platform) -> (usize, usize) {
    let rows = platform.cli().json(&["message", "list", "--limit", "100000"]);
    let accepted = rows.iter().filter(|row| row["rejection"].is_null());
    let ids: Vec<_> = accepted.map(|row| row["control-id"].as_str().unwrap().to_owned()).collect();
    (ids.iter().collect::<BTreeSet<_>>().len(), ids.len())
}

const WAITING: &str = "pcd_gateway_waiting_messages";

/// Waits until the platform has everything. A slow machine may take its time, as long as the backlog shrinks.
fn nothing_waits(scene: &Scene) {
    let (mut least, mut since) = (f64::INFINITY, Instant::now());
    loop {
        let waiting = scene.gateway().metric(WAITING);
        if waiting == 0.0 {
            return;
        }
        if waiting < least {
            (least, since) = (waiting, Instant::now());
        }
        if since.elapsed() > SOON {
            panic!("{waiting} messages wait, and none less for {SOON:?}\n{}", what_waits(scene));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What separates a lane that is stuck from a machine that is slow.
fn what_waits(scene: &Scene) -> String {
    let gateway = scene.gateway();
    let metrics =
        ["pcd_gateway_oldest_message_seconds", "pcd_gateway_connections", "pcd_gateway_outage_seconds"];
    let metrics = metrics.into_iter().chain(["pcd_connections_active"]);
    let metrics = metrics.map(|name| format!("gateway {name} {}", gateway.metric(name)));
    let sessions =
        format!("platform pcd_connections_active {}", scene.platform().metric("pcd_connections_active"));
    let log = gateway.log();
    let last: Vec<_> = log.lines().rev().take(40).collect();
    let parts = rows(&scene.lower).into_iter().chain(metrics).chain([sessions]);
    parts.chain(last.into_iter().rev().map(str::to_owned)).collect::<Vec<_>>().join("\n")
}

/// The rows of the queue by lane and state, and how long the oldest of each has been there.
fn rows(site: &Site) -> Vec<String> {
    runtime().block_on(async {
        let mut outside = open(site).await;
        let lanes = "
            SELECT forward.device AS device, class, coalesce(outcome, 'waiting') AS state, count(*) AS messages,
                CAST(unixepoch() - min(message.received_at) / 1000000 AS INTEGER) AS seconds
            FROM forward LEFT JOIN message ON message.id = forward.message
            GROUP BY forward.device, class, outcome ORDER BY state, class, forward.device";
        let rows = sqlx::query(lanes).fetch_all(&mut outside).await.unwrap();
        outside.close().await.unwrap();
        let line = |row: &sqlx::sqlite::SqliteRow| {
            let (device, class): (String, i64) = (row.get("device"), row.get("class"));
            let (state, messages): (String, i64) = (row.get("state"), row.get("messages"));
            let seconds: Option<i64> = row.get("seconds");
            format!("{device} class {class} {state}: {messages}, the oldest for {seconds:?} s")
        };
        rows.iter().map(line).collect()
    })
}

#[test]
fn after_kills_and_outages_the_stores_hold_exactly_what_was_acknowledged_once() {
    let (kills, devices) = (number("PCD_GATEWAY_KILLS", 2), number("PCD_GATEWAY_DEVICES", 5));
    let outage = Duration::from_secs(number("PCD_GATEWAY_OUTAGE_SECONDS", 0));
    let listen = format!("listen = [\"{}\"]", fixed_address());
    let mut scene = Scene::with(KeyType::Ecc, |site| site.with("interface-a", &listen));
    scene.platform().cli().run(&["device", "change", GATEWAY, "--also-speaks-for", "0253494D*"]);
    let count = devices.to_string();
    let more = ["--enrol", "--devices", &count, "--behind", "2", "--backoff-cap", "2s"];
    let running = Running::start(&scene.lower, scene.gateway(), &shared_pki(), &more);
    let forwarded = "pcd_gateway_forwarded_total{outcome=\"accepted\"}";
    for round in 0..kills {
        eventually("the gateway forwards", || scene.gateway().metric(forwarded) >= 2.0 * devices as f64);
        if round % 3 == 1 {
            scene.stop_platform();
            std::thread::sleep(outage);
            eventually("messages wait", || scene.gateway().metric(WAITING) > 0.0);
        }
        scene.kill_gateway();
        scene.start_gateway();
        if scene.platform.is_none() {
            scene.start_platform();
        }
    }
    eventually("every device is back", || scene.gateway().metric("pcd_connections_active") == devices as f64);
    let summary = running.stop();
    nothing_waits(&scene);
    let expected = acknowledged(&summary);
    assert_eq!(stored(scene.gateway()), expected, "{summary}");
    assert_eq!(stored(scene.platform()), expected, "{summary}");
    let (distinct, all) = control_ids(scene.platform());
    assert_eq!(distinct, all, "each once");
    eprintln!(
        "{all} messages, {} sent again, {} sessions lost, {kills} kills",
        summary["repeated"], summary["lost-sessions"]
    );
}
