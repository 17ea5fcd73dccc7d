//! Debian's rsyslog with its GnuTLS driver as an Audit Record Repository.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use pcd_platform::pki::{CertificateOrder, KeyType, Role};
use rustix::process::{Pid, Signal, kill_process};

use super::{Credential, Site, eventually, tool};

/// A repository with a port, a folder and a certificate of its own. It asks for the certificate of every
/// client that sends, and takes only `platform`'s.
#[derive(Debug)]
pub struct Rsyslog {
    child: Option<Child>,
    folder: PathBuf,
    pub address: SocketAddr,
}

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The header up to the message, RFC 5424 6.
    pub header: String,
    /// The document.
    pub xml: String,
}

impl Rsyslog {
    /// Not started yet.
    pub fn new(site: &Site) -> Self {
        let driver = ["/usr/lib", "/usr/lib64"].map(Path::new).into_iter().any(has_gnutls_driver);
        assert!(
            driver,
            "rsyslog's TLS driver is not installed: apt-get install rsyslog-gnutls (tests/run does it)"
        );
        let folder = site.path().join("repository");
        std::fs::create_dir(&folder).unwrap();
        let address = super::responder::fixed_address();
        let own = site.issue(&CertificateOrder::new("repository", Role::Platform, KeyType::Ecc));
        configure(&folder, address, &own, &site.trust_bundle());
        Self { child: None, folder, address }
    }

    pub fn start(&mut self) {
        // Its port was just freed, by us or by the process before; it may take the system a moment.
        eventually("rsyslogd listens", || {
            let mut rsyslogd = tool("rsyslogd", "rsyslog");
            rsyslogd.args(["-n", "-f"]).arg(self.folder.join("rsyslog.conf"));
            rsyslogd.arg("-i").arg(self.folder.join("pid"));
            let log = std::fs::File::options().create(true).append(true).open(self.folder.join("stderr"));
            rsyslogd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.unwrap());
            let mut child = rsyslogd.spawn().unwrap();
            while child.try_wait().unwrap().is_none() {
                if super::responder::is_listening(self.address.port()) {
                    self.child = Some(child);
                    return true;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            false
        });
    }

    /// Shuts it down gracefully.
    pub fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        child.wait().unwrap();
    }

    /// Stops it without ending it: its kernel accepts bytes that no process reads.
    pub fn freeze(&self) {
        kill_process(Pid::from_child(self.child.as_ref().expect("it runs")), Signal::STOP).unwrap();
    }

    /// Ends it where it stands.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// What it has kept so far, in its order.
    pub fn received(&self) -> Vec<Received> {
        let kept = std::fs::read_to_string(self.folder.join("received")).unwrap_or_default();
        // The last line may not be finished yet.
        let whole = kept.rfind('\n').map_or("", |end| &kept[..=end]);
        whole
            .lines()
            .map(|line| {
                let at = line.find("<?xml").unwrap_or_else(|| panic!("no document: {line}"));
                let (header, xml) = line.split_at(at);
                // IHE ITI TF-2 3.20.4.1.2 discourages it.
                assert!(!header.contains('\u{feff}'), "a byte order mark: {line}");
                Received { header: header.to_owned(), xml: xml.to_owned() }
            })
            .collect()
    }

    /// The documents, each once, in the order in which they came first.
    pub fn documents(&self) -> Vec<String> {
        let mut documents: Vec<String> = Vec::new();
        for received in self.received() {
            if !documents.contains(&received.xml) {
                documents.push(received.xml);
            }
        }
        documents
    }

    /// Its own log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("own")).unwrap_or_default()
            + &std::fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn has_gnutls_driver(root: &Path) -> bool {
    let inside = |folder: &Path| folder.join("rsyslog/lmnsd_gtls.so").exists();
    let folders = std::fs::read_dir(root).into_iter().flatten();
    inside(root) || folders.filter_map(Result::ok).any(|folder| inside(&folder.path()))
}

fn configure(folder: &Path, address: SocketAddr, own: &Credential, roots: &Path) {
    let in_folder = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        r#"global(
  workDirectory="{work}"
  maxMessageSize="64k"
  defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="{roots}"
  defaultNetstreamDriverCertFile="{chain}"
  defaultNetstreamDriverKeyFile="{key}"
)
module(load="imtcp"
  streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/name"
  permittedPeer=["platform"])
template(name="raw" type="string" string="%rawmsg%\n")
ruleset(name="audit") {{ action(type="omfile" file="{received}" template="raw" asyncWriting="off") }}
input(type="imtcp" address="{ip}" port="{port}" ruleset="audit")
syslog.* action(type="omfile" file="{own}")
"#,
        work = folder.display(),
        roots = roots.display(),
        chain = own.chain.display(),
        key = own.key.display(),
        received = in_folder("received"),
        own = in_folder("own"),
        ip = address.ip(),
        port = address.port(),
    );
    std::fs::write(folder.join("rsyslog.conf"), text).unwrap();
}
