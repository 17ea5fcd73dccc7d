//! One client, or strangers, that want everything: the others read on.

use bytes::Bytes;

use super::*;

#[test]
fn strangers_that_hold_every_connection_keep_no_member_from_reading() {
    let hospital = Hospital::new("community");
    let site = hospital.site.with("api", "max-connections = 8").with("api", "handshake-timeout = \"1h\"");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let address = platform.api.unwrap();
    let silent: Vec<_> = (0..8).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    eventually("they are all there", || platform.metric("pcd_api_connections") == 8.0);
    let member = hospital.client("ehr");
    let mut readers: Vec<_> = (0..8).map(|_| OpenReader::connect(site, &platform, &member)).collect();
    assert!(readers.iter_mut().all(|reader| reader.get(READ).is_admitted()));
    assert_eq!(platform.metric("pcd_api_refusals_total{reason=\"displaced\"}"), 8.0);
    // Members do not make way.
    assert_eq!(ask(site, &platform, Some(&member), READ, &[]).status, 0);
    assert!(platform.metric("pcd_api_refusals_total{reason=\"connections\"}") >= 1.0);
    assert!(readers.iter_mut().all(|reader| reader.get(READ).is_admitted()));
    drop((silent, readers));
    assert!(!platform.stop().log.contains("panicked"));
}

/// A connection of OpenSSL that has sent this, and whose answer is not read.
struct Silent(Child);

impl Silent {
    fn send(site: &Site, platform: &Platform, client: Option<&Issued>, request: &str) -> Self {
        let mut openssl = tool("openssl", "openssl");
        openssl.args(["s_client", "-quiet", "-no_ign_eof", "-connect", &platform.api.unwrap().to_string()]);
        openssl.arg("-CAfile").arg(site.trust_bundle());
        if let Some(Issued { chain, key }) = client {
            openssl.arg("-cert").arg(chain).arg("-cert_chain").arg(chain).arg("-key").arg(key);
        }
        openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = openssl.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(request.as_bytes()).unwrap();
        // It ends with its standard input.
        child.stdin = Some(stdin);
        Self(child)
    }

    /// The first line of the answer.
    fn status(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A hospital with two registered clients.
fn of_two_clients(hospital: &Hospital, platform: &Platform) -> [Issued; 2] {
    platform.cli().run(&["organisation", "add", "Hospital", "--oid", "1.2.3.4"]);
    ["one", "other"].map(|id| {
        let own = hospital.client(id);
        let chain = own.chain.display().to_string();
        platform.cli().run(&["reader", "add", id, "--organisation", "1.2.3.4", "--certificate", &chain]);
        expect(&hospital.site, platform, &own, &[], "");
        own
    })
}

#[test]
fn requests_whose_bodies_do_not_come_keep_no_client_from_reading() {
    let hospital = Hospital::new("registered");
    let site = hospital.site.with("api", "max-requests = 4").with("api", "query-timeout = \"60s\"");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let [one, other] = of_two_clients(&hospital, &platform);
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n_id=";
    let search = format!("POST /fhir/Observation/_search HTTP/1.1\r\nHost: platform\r\n{form}");
    let metadata = format!("GET /fhir/metadata HTTP/1.1\r\nHost: platform\r\n{form}");
    let _of_client: Vec<_> = (0..8).map(|_| Silent::send(site, &platform, Some(&one), &search)).collect();
    let mut of_strangers: Vec<_> = (0..8).map(|_| Silent::send(site, &platform, None, &metadata)).collect();
    for stranger in &mut of_strangers {
        assert_eq!(stranger.status().trim(), "HTTP/1.1 200 OK", "no body is awaited");
    }
    eventually("those of the client are connected", || platform.metric("pcd_api_connections") >= 8.0);
    for client in [&one, &other] {
        let answer = ask(site, &platform, Some(client), READ, &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(platform.metric("pcd_api_refusals_total{reason=\"busy\"}"), 0.0);
}

#[test]
fn answers_that_are_not_taken_fill_a_limited_memory() {
    const DEVICE: &str = "00A037FFFE000001";
    let hospital = Hospital::new("registered");
    let site = hospital.site.with("api", "answer-memory = \"1 MiB\"").with("api", "query-timeout = \"60s\"");
    let hospital = Hospital { site, ..hospital };
    let (site, platform) = (&hospital.site, hospital.site.start());
    let [one, other] = of_two_clients(&hospital, &platform);
    platform.admit(DEVICE, &[]);
    let mut device =
        Device::connect(site, platform.address, &site.certificate(DEVICE, KeyType::Ecc)).unwrap();
    let large = format!("OBX|9|ST|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.9|{}||||||R\r", "x".repeat(12 << 20));
    let message = [&message(DEVICE, "1"), large.as_bytes()].concat();
    assert_eq!(device.code(Bytes::from(message)), "CA");
    let path = "/fhir/Observation?_lastUpdated=ge2020-01-01";
    eventually("it is read", || ask(site, &platform, Some(&other), path, &[]).body.len() > 12 << 20);
    let request = format!("GET {path} HTTP/1.1\r\nHost: platform\r\n\r\n");
    let mut silent = Silent::send(site, &platform, Some(&one), &request);
    assert_eq!(silent.status().trim(), "HTTP/1.1 200 OK");
    for client in [&one, &other] {
        let answer = ask(site, &platform, Some(client), path, &[]);
        assert_eq!((answer.status, answer.code()), (503, "answer-memory".to_owned()));
    }
    assert_eq!(platform.metric("pcd_api_refusals_total{reason=\"answer-memory\"}"), 2.0);
    drop(silent);
    eventually("the others read on", || ask(site, &platform, Some(&other), path, &[]).status == 200);
    assert!(!platform.stop().log.contains("panicked"));
}
