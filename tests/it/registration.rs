//! Registration after the handshake: a peer that withholds its Finished must not outwait the directory (A8).

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use pcd_platform::pki::KeyType;

use crate::harness::{Device, SOON, Site, eventually, finish, framed, message, s_client};

const ACCEPTED: &str = r#"pcd_handshakes_total{reason="",result="accepted"}"#;

/// Forwards one connection, and withholds one record of the client.
struct HoldingProxy {
    address: SocketAddr,
    /// Receives once when the record is held.
    held: mpsc::Receiver<()>,
    /// Sending lets the record, and all that follows, pass.
    release: mpsc::Sender<()>,
}

impl HoldingProxy {
    /// Holds the record number `after_ccs` after the client's ChangeCipherSpec, which precedes the client's
    /// Finished in TLS 1.2, and its Certificate, CertificateVerify and Finished in TLS 1.3.
    fn start(to: SocketAddr, after_ccs: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (hold, held) = mpsc::channel();
        let (release, released) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut server = TcpStream::connect(to).unwrap();
            let (mut from, mut into) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut into);
                let _ = into.shutdown(std::net::Shutdown::Write);
            });
            let mut since_ccs = None;
            while let Ok(record) = read_record(&mut client) {
                if since_ccs == Some(after_ccs) {
                    hold.send(()).unwrap();
                    released.recv().unwrap();
                }
                since_ccs = match since_ccs {
                    None => (record[0] == CHANGE_CIPHER_SPEC).then_some(1),
                    Some(count) => Some(count + 1),
                };
                if server.write_all(&record).is_err() {
                    return;
                }
            }
            let _ = server.shutdown(std::net::Shutdown::Write);
        });
        Self { address, held, release }
    }
}

const CHANGE_CIPHER_SPEC: u8 = 20;

fn read_record(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut record = vec![0; 5];
    from.read_exact(&mut record)?;
    let length = usize::from(record[3]) << 8 | usize::from(record[4]);
    record.resize(5 + length, 0);
    from.read_exact(&mut record[5..])?;
    Ok(record)
}

// A8
#[test]
fn a_device_that_is_suspended_while_it_withholds_its_finished_is_refused() {
    for (version, after_ccs) in [("-tls1_2", 1), ("-tls1_3", 3)] {
        // The client is held while commands run.
        let site = Site::new().with("interface-a", "handshake-timeout = \"5m\"");
        let platform = site.start();
        platform.admit("HELD", &[]);
        let own = site.certificate("HELD", KeyType::Ecc);
        let mut open = Device::connect(&site, platform.address, &own).unwrap();
        assert_eq!(open.code(message("HELD", "1")), "CA");
        let accepted = platform.metric(ACCEPTED);

        let proxy = HoldingProxy::start(platform.address, after_ccs);
        let client = s_client(&site, proxy.address, Some(&own), &[version]);
        let input = framed(&message("HELD", "2"));
        let client = std::thread::spawn(move || finish(client, &input, Some(b"never")));
        proxy.held.recv_timeout(SOON).unwrap();
        // Time for the platform to verify the certificate: nothing shows from outside when it has.
        std::thread::sleep(Duration::from_millis(500));
        platform.cli().run(&["device", "suspend", "HELD"]);
        // The platform has read the directory again when it has ended the open session.
        eventually("the open session is over", || platform.metric("pcd_connections_active") == 0.0);
        proxy.release.send(()).unwrap();

        let output = client.join().unwrap();
        assert!(output.stdout.is_empty(), "{version}: no message is answered: {}", output.text());
        eventually("the refusal is on record", || {
            let rows = platform.cli().json(&["audit", "list", "--event", "connection-refused"]);
            rows.first().is_some_and(|row| row["details"]["refusal"] == "suspended-device")
        });
        assert_eq!(platform.metric(ACCEPTED), accepted, "{version}: no session was opened");
        let messages = platform.cli().json(&["message", "list"]);
        assert_eq!(messages.len(), 1, "{version}: {messages:?}");
    }
}
