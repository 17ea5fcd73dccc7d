//! The hospital's own CA issues: the request is exported, and the certificate imported.

use super::*;
use crate::harness::{Credential, Device, message};

/// A CA of OpenSSL.
struct Ca {
    key: PathBuf,
    certificate: PathBuf,
}

impl Ca {
    fn new(folder: &Path, name: &str) -> Self {
        let own =
            Self { key: folder.join(format!("{name}.key")), certificate: folder.join(format!("{name}.pem")) };
        let words =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
        let extensions = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"];
        let subject = format!("/O=Hospital/CN={name}");
        let files = ["-keyout", path(&own.key), "-out", path(&own.certificate), "-subj", &subject];
        openssl(&[&words[..], &extensions, &files].concat());
        own
    }

    /// Issues for a request in PEM, with these extensions.
    fn issue(&self, request: &Path, name: &str, extensions: &str) -> PathBuf {
        let folder = request.parent().unwrap();
        let (file, out) = (folder.join(format!("{name}.ext")), folder.join(format!("{name}.issued.pem")));
        std::fs::write(&file, format!("basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n{extensions}"))
            .unwrap();
        let words = ["x509", "-req", "-days", "20", "-in", path(request), "-CA", path(&self.certificate)];
        let more = ["-CAkey", path(&self.key), "-extfile", path(&file), "-out", path(&out)];
        openssl(&[&words[..], &more].concat());
        out
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn n000_5_a_certificate_of_the_hospitals_ca_is_checked_and_imported() {
    const PUMP: &str = "00A037FFFE000009";
    let hospital = enrolling(Site::new(), "registered");
    let folder = hospital.site.path().to_owned();
    let (ca, stranger) = (Ca::new(&folder, "hospital-ca"), Ca::new(&folder, "stranger-ca"));
    let mut roots = hospital.site.trust_anchors();
    roots.push(ca.certificate.clone());
    let site = hospital
        .site
        .without("enrol", "client-authority")
        .without("enrol", "device-authority")
        .with("enrol", &format!("authorities = [{:?}]", ca.certificate))
        .with("tls", &format!("client-trust-anchors = {roots:?}"))
        .with("api", &format!("communities = [{{ name = \"hospital\", anchors = [{:?}] }}]", ca.certificate))
        .with("revocation", "when-undetermined = \"accept\"");
    let platform = site.start();
    let import = |user: &str, file: &Path| platform.cli().try_run(&["enrol", "import", id(user), path(file)]);
    let refused = |user: &str, file: &Path, what: &str| {
        let (status, _, error) = import(user, file);
        assert!(!status.success() && error.contains(what), "{what}: {error}");
    };
    let requested = |who: &str, role: &str, subject: &str, more: &[&str]| {
        let user = invite(&platform, who, role, &[]);
        let kind = "ec -pkeyopt ec_paramgen_curve:P-256";
        let wanted = Wanted::of(&site, &format!("{role}-foreign"), subject, kind, more);
        assert_eq!(send(&site, &platform, Some(&user), &wanted.request, &[]).status, 202);
        let file = site.path().join(format!("{role}.exported.csr"));
        std::fs::write(&file, platform.cli().run(&["enrol", "export", id(&user)])).unwrap();
        let verified =
            tool("openssl", "openssl").args(["req", "-verify", "-noout", "-in", path(&file)]).output();
        assert!(verified.unwrap().status.success(), "OpenSSL reads the exported request");
        (user, wanted, file)
    };

    let (user, wanted, request) = requested("partner", "client", PARTNER, &[]);
    let (status, _, error) = platform.cli().try_run(&["enrol", "approve", id(&user)]);
    assert!(status.code() == Some(78) && error.contains("enrol import"), "{error}");
    let client_auth = "extendedKeyUsage=clientAuth";
    let (pump_user, pump, pump_request) = requested(PUMP, "device", &format!("/CN={PUMP}"), &[]);
    let pump_issued = ca.issue(&pump_request, "pump", client_auth);
    refused(&user, &pump_issued, "no certificate in the file is for the key");
    refused(&user, &stranger.issue(&request, "stranger", client_auth), "incomplete-chain");
    refused(&user, &ca.issue(&request, "server-auth", "extendedKeyUsage=serverAuth"), "wrong-purpose");
    refused(&user, &site.path().join("nowhere.pem"), "cannot read");
    refused(&user, &request, "cannot use");
    // The same key for another name.
    let other = Wanted::with_key(&site, "renamed", "/CN=renamed", &wanted.key, &["-outform", "PEM"]);
    let other = other.key.with_file_name("renamed.csr");
    refused(&user, &ca.issue(&other, "renamed", client_auth), "the certificate is for CN=renamed");
    // What was approved, and no name of another client beside it.
    for (name, kind) in [
        ("uri", "URI:https://other.example/fhir"),
        ("dns", "DNS:other.example"),
        ("email", "email:a@other.example"),
        ("rid", "RID:1.2.3.4"),
        ("dir", "dirName:other\n[other]\nCN=other"),
        ("other-name", "otherName:1.2.3.4;UTF8:other"),
    ] {
        let extensions = format!("{client_auth}\nsubjectAltName={kind}");
        refused(&user, &ca.issue(&request, name, &extensions), "the alternative names of the certificate");
    }
    let issued = ca.issue(&request, "good", client_auth);
    let (status, _, error) = import(&user, &issued);
    assert!(status.success(), "{error}");
    refused(&user, &issued, "another state");
    fetched(&site, &platform, &user, &wanted);

    let (status, _, error) = import(&pump_user, &pump_issued);
    assert!(status.success(), "{error}");
    let Issued { key, .. } = fetched(&site, &platform, &pump_user, &pump);
    let chain = site.path().join("pump.chain.pem");
    let text = [&pump_issued, &ca.certificate].map(|file| std::fs::read_to_string(file).unwrap()).concat();
    std::fs::write(&chain, text).unwrap();
    let mut device = Device::connect(&site, platform.address, &Credential { chain, key }).unwrap();
    assert_eq!(device.code(message(PUMP, "1")), "CA");

    let san = ["-addext", "subjectAltName=DNS:emr.partner.example"];
    let subject = "/C=ES/ST=B/L=S/O=P/CN=emr.partner.example";
    let (user, _, request) = requested("emr.partner.example", "server", subject, &san);
    let server = |name: &str, extensions: &str| ca.issue(&request, name, extensions);
    refused(&user, &server("no-san", "extendedKeyUsage=serverAuth"), "wrong-purpose");
    let named = "subjectAltName=DNS:emr.partner.example";
    refused(&user, &server("client-eku", &format!("{client_auth}\n{named}")), "wrong-purpose");
    let (status, _, error) =
        import(&user, &server("server", &format!("extendedKeyUsage=serverAuth\n{named}")));
    assert!(status.success(), "{error}");
    assert!(!platform.stop().log.contains("panicked"));
}
