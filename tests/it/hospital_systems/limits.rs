//! Limits of the listener: a client or a stranger keeps no other client from reading.

use super::*;

#[test]
fn connections_of_an_address_are_limited_and_a_balancer_states_whose_they_are() {
    let hospital = Hospital::new("community");
    let site = hospital.site.with("api", "connections-per-address = 1");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let member = hospital.client("ehr");
    let mut reader = OpenReader::connect(site, &platform, &member);
    assert!(reader.get(READ).is_admitted());
    assert_eq!(ask(site, &platform, Some(&member), READ, &[]).status, 0, "a second connection");
    eventually("it is counted", || {
        platform.metric("pcd_api_refusals_total{reason=\"connections-per-address\"}") >= 1.0
    });
    drop(reader);
    eventually("its place is free", || ask(site, &platform, Some(&member), READ, &[]).is_admitted());
    assert!(!platform.stop().log.contains("panicked"));

    let site = hospital.site.with("api", "proxy-protocol = [\"127.0.0.0/8\"]");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    assert_eq!(ask(site, &platform, Some(&member), READ, &[]).status, 0, "a header is missing");
    assert!(platform.metric("pcd_api_refusals_total{reason=\"proxy-header\"}") >= 1.0);
    assert!(ask(site, &platform, Some(&member), READ, &["--haproxy-protocol"]).is_admitted());
    let device = site.certificate("00A037FFFE000001", KeyType::Ecc);
    let device = Issued { chain: device.chain, key: device.key };
    let mut reader = OpenReader::relayed(site, &platform, &device, Some("192.0.2.7"));
    assert_eq!(reader.get(READ).code(), "bad-signature");
    let row = platform.cli().json(&["audit", "list", "--event", "read-refused"]).remove(0);
    assert_eq!(row["details"]["peer"], "192.0.2.7", "{row}");
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn strangers_that_hold_every_connection_keep_no_member_from_reading() {
    let hospital = Hospital::new("community");
    let site = hospital.site.with("api", "max-connections = 8").with("api", "handshake-timeout = \"1h\"");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let address = platform.api.unwrap();
    let silent: Vec<_> = (0..8).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    eventually("they are all there", || platform.metric("pcd_api_connections") == 8.0);
    let [member, other] = ["ehr", "laboratory"].map(|name| hospital.client(name));
    let connect =
        |number| OpenReader::connect(site, &platform, if number % 2 == 0 { &member } else { &other });
    let mut readers: Vec<_> = (0..8).map(connect).collect();
    assert!(readers.iter_mut().all(|reader| reader.get(READ).is_admitted()));
    assert_eq!(platform.metric("pcd_api_refusals_total{reason=\"displaced\"}"), 8.0);
    // Members do not make way.
    assert_eq!(ask(site, &platform, Some(&member), READ, &[]).status, 0);
    assert!(platform.metric("pcd_api_refusals_total{reason=\"connections\"}") >= 1.0);
    assert!(readers.iter_mut().all(|reader| reader.get(READ).is_admitted()));
    drop((silent, readers));
    assert!(!platform.stop().log.contains("panicked"));
}

// Whose certificate leads to a community and who is no client: its connections make way for those of clients.
#[test]
fn members_that_are_no_clients_keep_no_client_from_reading() {
    let hospital = Hospital::new("registered");
    let site = hospital.site.with("api", "max-connections = 8");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let [ehr, one, other] = ["ehr", "one", "other"].map(|name| hospital.client(name));
    let organisation = platform.cli().json(&["organisation", "add", "St. Mary"]).remove(0);
    let (oid, chain) = (organisation["oid"].as_str().unwrap(), ehr.chain.display().to_string());
    platform.cli().run(&["reader", "add", "ehr", "--organisation", oid, "--certificate", &chain]);
    let hold = || {
        let mut held: Vec<_> = [&one, &other, &one, &other, &one, &other, &one, &other]
            .map(|member| OpenReader::connect(site, &platform, member))
            .into();
        assert!(held.iter_mut().all(|reader| reader.get("/fhir/metadata").status == 200));
        held
    };
    let held = hold();
    eventually("the client is known", || ask(site, &platform, Some(&ehr), READ, &[]).is_admitted());
    let mut reader = OpenReader::connect(site, &platform, &ehr);
    assert!(reader.get(READ).is_admitted());
    drop(held);
    eventually("they are closed", || platform.metric("pcd_api_connections") == 1.0);
    let mut held: Vec<_> = (0..4).map(|_| OpenReader::connect(site, &platform, &one)).collect();
    // The connection is made by the first request.
    assert!(held.iter_mut().all(|reader| reader.get("/fhir/metadata").status == 200));
    let refused = || platform.metric("pcd_api_refusals_total{reason=\"connections-per-certificate\"}");
    assert_eq!(ask(site, &platform, Some(&one), "/fhir/metadata", &[]).status, 0, "half of them are its own");
    assert_eq!(refused(), 1.0);
    assert!(reader.get(READ).is_admitted());
    drop((held, reader));
    assert!(!platform.stop().log.contains("panicked"));
}

#[test]
fn slow_requests_of_strangers_and_of_a_client_keep_no_other_client_from_reading() {
    let hospital = Hospital::new("community");
    let site = hospital.site.with("api", "max-requests = 4").with("api", "query-timeout = \"60s\"");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let [slow, member] = ["slow", "ehr"].map(|name| hospital.client(name));
    for (client, request) in [(None, "GET /fhir/metadata"), (Some(&slow), "POST /fhir/Patient/_search")] {
        let held = HeldRequests::send(site, &platform, client, request, 8);
        let mut reader = OpenReader::connect(site, &platform, &member);
        for _ in 0..8 {
            let answer = reader.get(READ);
            assert!(answer.is_admitted(), "{request}: {answer:?}");
        }
        drop(held);
    }
    // A body that is announced as too large is refused before it is sent.
    let large = "x".repeat(100 << 10);
    let more = ["--expect100-timeout", "60", "--header", "Expect: 100-continue", "--data", &large];
    let answer = ask(site, &platform, Some(&member), "/fhir/Observation/_search", &more);
    assert_eq!((answer.status, answer.code()), (413, "body".to_owned()));
    assert!(!platform.stop().log.contains("panicked"));
}

/// Requests whose bodies do not come, by Python.
struct HeldRequests(Child);

impl HeldRequests {
    fn send(site: &Site, platform: &Platform, client: Option<&Issued>, request: &str, count: usize) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let address = platform.api.unwrap();
        let mut python = tool("python3", "python3");
        python.arg(root.join("tests/peers/held_requests.py"));
        python.args([address.ip().to_string(), address.port().to_string()]).arg(site.trust_bundle());
        python.arg(request).arg(count.to_string());
        if let Some(Issued { chain, key }) = client {
            python.arg(chain).arg(key);
        }
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "sent");
        Self(child)
    }
}

impl Drop for HeldRequests {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
