//! A platform with an ECC and an RSA chain, and OpenSSL's responders for each of its certificates.

use std::cell::Cell;
use std::path::PathBuf;

use pcd_platform::pki::{Authority, CertificateOrder, KeyType, Role};
use serde_json::Value;

use super::{
    Cli, Credential, OpensslOcsp, Platform, Site, authority, finish, framed, java, message, pki, serial,
};

/// A certificate of the platform's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    Ecc,
    EccCa,
    Rsa,
    RsaCa,
}

impl Own {
    pub const ALL: [Self; 4] = [Self::Ecc, Self::EccCa, Self::Rsa, Self::RsaCa];

    /// Its name in metrics and for operators.
    pub const fn name(self) -> &'static str {
        ["ecc", "ecc-ca", "rsa", "rsa-ca"][self as usize]
    }

    /// Who has issued it, and answers for it.
    const fn issuer(self) -> Authority {
        [Authority::PlatformCaEcc, Authority::RootEcc, Authority::PlatformCaRsa, Authority::RootRsa]
            [self as usize]
    }
}

/// What there is before the platform starts.
#[derive(Debug)]
pub struct Stage {
    pub site: Site,
    responders: Vec<OpensslOcsp>,
    certificates: Vec<Credential>,
    device: &'static str,
    /// Whether the device is in the directory.
    entered: Cell<bool>,
}

impl Stage {
    /// A stage on which `device` will play; everything is good.
    pub fn new(device: &'static str) -> Self {
        Self::with(device, false)
    }

    /// The same, with an ECC certificate that promises a staple (RFC 7633) if `must_staple` says so.
    pub fn with(device: &'static str, must_staple: bool) -> Self {
        // Clients that take their time, and responders that answer one query after the other, on a busy
        // machine.
        let site = Site::new()
            .with("revocation", "allowed-hosts = [\"127.0.0.1\"]")
            .with("interface-a", "hello-timeout = \"1m\"")
            .with("interface-a", "handshake-timeout = \"2m\"")
            .with("stapling", "wait = \"30s\"");
        let responders: Vec<_> =
            Own::ALL.iter().map(|own| OpensslOcsp::of(site.path(), own.issuer())).collect();
        // The platform's own certificates name their responder; their issuing CAs are those of all tests and
        // name another one, so that theirs are configured.
        let leaf = |key, own: Own, must_staple| {
            let order = CertificateOrder::new(format!("stapled-{device}"), Role::Platform, key);
            let ocsp_urls = Some(vec![responders[own as usize].url()]);
            site.issue(&CertificateOrder { ocsp_urls, must_staple, ..order })
        };
        let ca = |ca| {
            let (chain, key) = authority(ca);
            Credential { chain, key }
        };
        let certificates = vec![
            leaf(KeyType::Ecc, Own::Ecc, must_staple),
            ca(Authority::PlatformCaEcc),
            leaf(KeyType::Rsa, Own::Rsa, false),
            ca(Authority::PlatformCaRsa),
        ];
        let identity = |kind: &str, own: &Credential| {
            format!("{kind} = {{ chain = {:?}, key = {:?} }}", own.chain, own.key)
        };
        let configured = |own: Own| {
            format!(
                "{{ issuer = {:?}, ocsp = {:?} }}",
                pki().certificate(own.issuer()),
                responders[own as usize].url()
            )
        };
        let configured = [Own::EccCa, Own::RsaCa].map(configured).join(", ");
        let site = site
            .with("tls", &identity("ecc", &certificates[0]))
            .with("tls", &identity("rsa", &certificates[2]))
            .with("revocation", &format!("responders = [{configured}]"));
        let mut stage = Self { site, responders, certificates, device, entered: Cell::new(false) };
        for own in Own::ALL {
            stage.responders[own as usize].know(&stage.certificates[own as usize]);
        }
        stage
    }

    pub fn setting(mut self, table: &'static str, line: &str) -> Self {
        self.site = self.site.with(table, line);
        self
    }

    /// Starts the platform, with the device in its directory.
    pub fn start(&self) -> Platform {
        if !self.entered.replace(true) {
            Cli::of(&self.site).run(&["device", "add", self.device]);
        }
        self.site.start()
    }

    /// A certificate of the device.
    pub fn device(&self) -> Credential {
        self.site.certificate(self.device, KeyType::Ecc)
    }

    pub fn device_name(&self) -> &'static str {
        self.device
    }

    /// A file with a message of the device in its frame.
    pub fn message(&self) -> PathBuf {
        let file = self.site.path().join("message");
        std::fs::write(&file, framed(&message(self.device, "1"))).unwrap();
        file
    }

    /// Connects Java's own TLS with each of these, as `TLSv1.2:TLS_…`, with revocation checking by OCSP alone
    /// (`tests/peers/JsseStrict.java`); what it says of each.
    pub fn jsse_strict(&self, platform: &Platform, hours_ahead: u32, wanted: &[String]) -> Vec<String> {
        let mut jsse = java("JsseStrict", &[], &[]);
        jsse.arg(self.device().pkcs12(self.device)).arg(Credential::PASSWORD).arg(self.site.trust_bundle());
        let to = [platform.address.ip().to_string(), platform.address.port().to_string()];
        jsse.arg(self.message()).args(to).arg(hours_ahead.to_string()).args(wanted);
        let output = finish(jsse, b"", None);
        let lines: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), wanted.len(), "{}\n{}", output.text(), platform.log());
        lines
    }

    pub fn responder(&mut self, own: Own) -> &mut OpensslOcsp {
        &mut self.responders[own as usize]
    }

    /// Revokes a certificate of the platform's.
    pub fn revoke(&mut self, own: Own) {
        let certificate = self.certificates[own as usize].clone();
        self.responder(own).revoke(&certificate);
    }

    /// All responders die.
    pub fn silence(&mut self) {
        self.responders.iter_mut().for_each(OpensslOcsp::stop);
    }

    /// They are back, with newer answers.
    pub fn answer(&mut self) {
        self.responders.iter_mut().for_each(OpensslOcsp::restart);
    }

    /// Its serial number, lower-case hexadecimal.
    pub fn serial(&self, own: Own) -> String {
        serial(&self.certificates[own as usize]).to_lowercase()
    }
}

/// What the platform says of the staple of one of its certificates.
pub fn known(platform: &Platform, own: Own) -> Value {
    let (status, body) = platform.get("/api/certificates");
    assert_eq!(status, 200);
    let all: Value = serde_json::from_str(&body).unwrap();
    let found = all["staples"].as_array().unwrap().iter().find(|staple| staple["certificate"] == own.name());
    found.unwrap_or_else(|| panic!("{all}")).clone()
}

/// The gauge of the staple of a certificate.
pub fn gauge(platform: &Platform, own: Own) -> f64 {
    platform.metric(&format!("pcd_staple_next_update_timestamp_seconds{{certificate=\"{}\"}}", own.name()))
}
