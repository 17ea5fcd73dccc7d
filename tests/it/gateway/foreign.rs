//! A gateway on a platform of another maker, which acknowledges only a part of what it gets
//! (`tests/peers/partial_platform.py`).

use std::path::{Path, PathBuf};

use pcd_platform::pki::{CertificateOrder, KeyType, Role};

use super::{ONE, OTHER, asking, gateway_of};
use crate::harness::{Device, Platform, Site, Wire, eventually, framed, message, tool};
use crate::reference_client::Running;

struct Foreign {
    _platform: Running,
    received: PathBuf,
    site: Site,
    gateway: Platform,
}

impl Foreign {
    fn new() -> Self {
        let site = Site::new();
        let own = site.issue(&CertificateOrder::new("platform.example", Role::Platform, KeyType::Ecc));
        let received = site.path().join("received");
        std::fs::write(&received, "").unwrap();
        let mut program = tool("python3", "python3");
        program.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/partial_platform.py"));
        program.arg(&own.chain).arg(&own.key).arg(&received);
        let platform = Running::start(program, |line| Some(line.strip_prefix("listening ")?.to_owned()));
        let site = gateway_of(site, &platform.address, KeyType::Ecc)
            .with("gateway", "connections = 1")
            .with("gateway", "answer-timeout = \"1s\"");
        let gateway = site.start();
        for device in [ONE, OTHER] {
            gateway.admit(device, &[]);
        }
        Self { _platform: platform, received, site, gateway }
    }

    /// How often the platform has got a message, and stored or left it.
    fn count(&self, control_id: &str, what: &str) -> usize {
        let received = std::fs::read_to_string(&self.received).unwrap();
        received.lines().filter(|line| *line == format!("{control_id} {what}")).count()
    }

    fn device(&self, name: &str) -> Device {
        Device::connect(&self.site, self.gateway.address, &self.site.certificate(name, KeyType::Ecc)).unwrap()
    }
}

#[test]
fn a_message_that_the_platform_never_acknowledges_is_given_up_and_holds_up_no_other() {
    let scene = Foreign::new();
    let (mut device, mut other) = (scene.device(ONE), scene.device(OTHER));
    assert_eq!(device.code(message(ONE, "DEAF")), "CA");
    assert_eq!(device.code(message(ONE, "behind")), "CA");
    assert_eq!(other.code(message(OTHER, "other")), "CA");
    eventually("that of another device arrives", || scene.count("other", "stored") > 0);
    // A platform that acknowledged nothing would be one that hangs: then no message is given up.
    let mut number = 0;
    eventually("the one behind it arrives", || {
        number += 1;
        assert_eq!(other.code(message(OTHER, &format!("other-{number}"))), "CA");
        scene.count("behind", "stored") > 0
    });
    assert_eq!(scene.count("DEAF", "left"), 3, "it was sent three times");
    eventually("it is a finding", || {
        let (_, status, _) = scene.gateway.cli().try_run(&["--json", "status"]);
        status.contains("forward-refused") && status.contains("no-acknowledgement")
    });
    eventually("nothing waits", || scene.gateway.metric("pcd_gateway_waiting_messages") == 0.0);
}

// HL7 table 0155: ER, an acknowledgement of failures only
#[test]
fn a_message_that_the_platform_cannot_take_is_sent_again_also_if_it_is_acknowledged_on_failure_only() {
    let scene = Foreign::new();
    let own = scene.site.certificate(ONE, KeyType::Ecc);
    let mut wire = Wire::connect(&scene.site, scene.gateway.address, &own);
    for control_id in ["1", "LATER", "3"] {
        wire.write(&framed(&asking(ONE, control_id, "ER", "NE")));
    }
    wire.write(&framed(&message(ONE, "4")));
    assert_eq!(wire.verdict(), ("CA".to_owned(), "4".to_owned()));
    eventually("it is stored in the end", || scene.count("LATER", "stored") == 1);
    eventually("nothing waits", || scene.gateway.metric("pcd_gateway_waiting_messages") == 0.0);
    for control_id in ["1", "3", "4"] {
        assert!(scene.count(control_id, "stored") > 0, "{control_id}");
    }
}
