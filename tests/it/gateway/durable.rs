//! The client of the library that keeps its messages until the platform has them.

use std::path::Path;

use pcd_platform::config::{Config, Overrides};
use pcd_platform::gateway::DurableClient;
use pcd_platform::metrics::Metrics;
use pcd_platform::model::Clock;
use pcd_platform::pki::KeyType;
use pcd_platform::store::{MigrationPolicy, Store};

use super::ONE;
use crate::harness::{SOON, Site, fixed_address, message, runtime};

async fn start(site: &Site, platform: &str) -> DurableClient {
    let own = site.certificate(ONE, KeyType::Ecc);
    let roots: Vec<_> = site.trust_anchors().iter().map(|root| format!("\"{}\"", root.display())).collect();
    let text = format!(
        "[tls]\nclient-trust-anchors = [{}]\necc = {{ chain = \"{}\", key = \"{}\" }}\n\
         [gateway]\nplatform = \"{platform}\"\nstaples = \"accept\"\n",
        roots.join(", "),
        own.chain.display(),
        own.key.display(),
    );
    let config = Config::parse(&text, Path::new("/device.toml"), &Overrides::default()).unwrap();
    let (url, clock) = (format!("sqlite:{}", site.path().join("queue.db").display()), Clock::system());
    let node = "device".parse().unwrap();
    let store = Store::serve(node, &url, MigrationPolicy::Always, clock.clone()).await.unwrap();
    DurableClient::start(config, store, ONE.parse().unwrap(), Metrics::new().unwrap(), clock)
}

#[test]
fn what_a_client_keeps_arrives_in_order_when_the_platform_is_back_and_the_client_was_restarted() {
    let address = fixed_address().to_string();
    let site = Site::new().with("interface-a", &format!("listen = [\"{address}\"]"));
    runtime().block_on(async {
        let client = start(&site, &address).await;
        assert!(client.send("no HL7".into()).await.is_err());
        for id in ["1", "2", "2"] {
            client.send(message(ONE, id)).await.unwrap();
        }
        assert_eq!(client.waiting().await.unwrap(), 2, "the same bytes are one message");
        client.stop().await;
    });
    let platform = site.start();
    platform.admit(ONE, &[]);
    runtime().block_on(async {
        let client = start(&site, &address).await;
        let last = client.send(message(ONE, "3")).await.unwrap();
        let began = std::time::Instant::now();
        while client.waiting().await.unwrap() > 0 {
            assert!(began.elapsed() < SOON, "{:?}", client.uplinks());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(client.outcome(last).await.unwrap(), None, "it is accepted");
        client.stop().await;
    });
    let listed = platform.cli().json(&["message", "list"]);
    let ids: Vec<_> = listed.iter().rev().map(|message| message["control-id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
}
