//! For whom a certificate may speak.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pcd_platform::pki::KeyType;
use serde_json::Value;

use super::{NAME, OTHER, Scene, codes, text};
use crate::harness::{Site, Wire, eventually, field, framed, message};

/// With this OBR-3.
fn filled(control_id: &str, filler: &str) -> String {
    let mut segments: Vec<String> = text(NAME, control_id).split('\r').map(str::to_owned).collect();
    for segment in segments.iter_mut().filter(|segment| segment.starts_with("OBR|")) {
        let mut fields: Vec<&str> = segment.split('|').collect();
        fields[3] = filler;
        *segment = fields.join("|");
    }
    segments.join("\r")
}

// A8: a certificate speaks for its own device only.
#[test]
fn a_device_speaks_for_itself_only() {
    Site::on_each_store().into_iter().for_each(a_device_speaks_for_itself_only_on);
}

fn a_device_speaks_for_itself_only_on(site: Site) {
    let mut scene = Scene::new(site);
    let first = text(OTHER, "V-1");
    for (id, code, sent) in [("V-1", "CR", first.clone()), ("V-2", "AR", text(OTHER, "V-2"))] {
        let mut sent = sent;
        if code == "AR" {
            sent = sent.replace("|||AL|NE|", "|||||");
        }
        let answer = scene.ask(&sent);
        assert_eq!((field(&answer, "MSA", 1), field(&answer, "MSA", 2)), (code, id));
        assert_eq!(field(&answer, "ERR", 3).split('^').next(), Some("207"));
        assert_eq!(field(&answer, "ERR", 5).split('^').next(), Some("identity-mismatch"));
    }
    assert_eq!(field(&scene.ask(&text(NAME, "OWN")), "MSA", 1), "CA", "the connection stays");

    let rejected = scene.listed(&["--rejected"]);
    let reported: Vec<_> = rejected.iter().map(|row| (&row["control-id"], &row["rejection"])).collect();
    let mismatch = Value::from("identity-mismatch");
    assert_eq!(reported, [(&"V-2".into(), &mismatch), (&"V-1".into(), &mismatch)]);
    let kept = scene.platform.cli().run(&["message", "show", "--raw", rejected[1]["id"].as_str().unwrap()]);
    assert_eq!(kept, first, "byte for byte");
    let exported = scene.platform.cli().json(&["message", "export", "--rejected"]);
    let bytes = |line: &Value| STANDARD.decode(line["raw"].as_str().unwrap()).unwrap();
    assert_eq!((exported.len(), &exported[1]["rejection"]), (2, &mismatch));
    assert_eq!(bytes(&exported[1]), first.as_bytes());
    let rows = scene.audited("identity-violation");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["device"], NAME);
    assert!(rows[0]["identity"].as_str().unwrap().contains(OTHER), "{rows:?}");
    assert_eq!(rows[0]["message"], rejected[0]["id"]);
    let counted = "pcd_messages_total{acknowledgement=\"CR\",transaction=\"pcd-01\"}";
    assert_eq!(scene.platform.metric(counted), 1.0);
}

/// OBR-3.1 is an order's number: neither a counter nor a date of 16 digits may lock a device out.
#[test]
fn an_order_number_that_looks_like_an_eui64_locks_no_device_out() {
    let mut scene = Scene::new(Site::new());
    for (id, filler) in [
        ("N-1", "2015122182656010".to_owned()),
        ("N-2", format!("0000000B00000000^^{NAME}^EUI-64")),
        ("N-3", "0000000B00000000^ACME".to_owned()),
    ] {
        assert_eq!(codes(&[scene.ask(&filled(id, &filler))]), ["CA"], "{filler}");
    }
    assert!(scene.audited("identity-violation").is_empty());
    for (id, filler) in [("N-4", format!("1^^{OTHER}^EUI-64")), ("N-5", format!("{OTHER}^EUI-64"))] {
        assert_eq!(codes(&[scene.ask(&filled(id, &filler))]), ["CR"], "{filler}");
    }
}

#[test]
fn a_gateway_speaks_for_those_that_the_directory_lists() {
    let site = Site::new();
    let platform = site.start();
    platform.admit("GATEWAY", &["--kind", "gateway", "--speaks-for", OTHER, "--speaks-for", "0004A3*"]);
    let mut wire = Wire::connect(&site, platform.address, &site.certificate("GATEWAY", KeyType::Rsa));
    for (device, code) in [
        (OTHER, "CA"),
        ("0004A3FFFE000007", "CA"),
        ("0004a3-ff-fe-00-00-08", "CA"),
        ("GATEWAY", "CA"),
        (NAME, "CR"),
    ] {
        wire.write(&framed(&message(device, device)));
        assert_eq!(wire.verdict(), (code.to_owned(), device.to_owned()));
    }
    // What the directory says takes effect on connections that are open.
    platform.cli().run(&["device", "remove", "GATEWAY"]);
    assert_eq!(wire.answer(), None);
}

// A8: one EUI-64 is one device, however its certificate and the directory spell it.
#[test]
fn a_certificate_with_another_spelling_is_that_of_the_device_in_the_directory() {
    let mut scene = Scene::new(Site::new());
    for (at, spelling) in ["00a037fffe000001", "00-A0-37-FF-FE-00-00-01"].into_iter().enumerate() {
        let other = scene.site.certificate(spelling, KeyType::Ecc);
        let mut wire = Wire::connect(&scene.site, scene.platform.address, &other);
        let id = format!("SPELLED-{at}");
        wire.write(&framed(&message(NAME, &id)));
        assert_eq!(wire.verdict(), ("CA".to_owned(), id.clone()), "{spelling}");
        let listed = scene.listed(&["--device", spelling]);
        assert_eq!((&listed[0]["device"], &listed[0]["control-id"]), (&NAME.into(), &Value::from(id)));
    }
    scene.platform.cli().run(&["device", "remove", "00a037fffe000001"]);
    assert_eq!(scene.wire.answer(), None, "the sessions of every spelling end");
}

// The name, version or OID of a product in MSH-3.2 is no device, unless the directory lists it.
#[test]
fn a_product_is_no_device_unless_the_directory_lists_it() {
    let mut scene = Scene::new(Site::new());
    let own = format!("DEMO^{NAME}^EUI-64");
    let from = |application: &str, id: &str| text(NAME, id).replacen(&own, application, 1);
    for product in ["^Product", "Vendor^Gateway 3.2", "A^1.2.840.7^ISO", "A^acme.example^DNS"] {
        assert_eq!(
            codes(&[scene.ask(&from(product, product.split('^').next_back().unwrap()))]),
            ["CA"],
            "{product}"
        );
    }
    assert!(scene.audited("identity-violation").is_empty());
    for device in [OTHER.to_owned(), format!("{OTHER}^ISO")] {
        assert_eq!(codes(&[scene.ask(&from(&format!("A^{device}"), "E-1"))]), ["CR"], "{device}");
    }
    scene.platform.admit("GW", &["--speaks-for", "1.2.840.7^ISO"]);
    scene.platform.admit("WARD-7", &[]);
    eventually("the change of the directory is applied", || {
        codes(&[scene.ask(&from("A^ward-7^DNS", "E-2"))]) == ["CR"]
    });
    assert_eq!(codes(&[scene.ask(&from("A^1.2.840.7^ISO", "E-3"))]), ["CR"], "listed for another");
}

#[test]
fn violations_in_a_row_end_the_connection() {
    let mut scene = Scene::new(Site::new().with("devices", "max-violations = 3"));
    for (device, code) in
        [(OTHER, "CR"), (OTHER, "CR"), (NAME, "CA"), (OTHER, "CR"), (OTHER, "CR"), (OTHER, "CR")]
    {
        let answer = scene.ask(&text(device, &format!("{device}-{code}")));
        assert_eq!(field(&answer, "MSA", 1), code);
    }
    assert_eq!(scene.wire.answer(), None, "the last one is answered, and then it is over");
    assert_eq!(scene.end(), "violations");
}

#[test]
fn where_identities_are_only_recorded_the_message_is_taken_with_a_warning() {
    let mut scene = Scene::new(Site::new().with("devices", "identity = \"record\""));
    assert_eq!(field(&scene.ask(&text(OTHER, "1")), "MSA", 1), "CA");
    let listed = scene.listed(&[]);
    assert_eq!(listed[0]["rejection"], Value::Null);
    assert!(listed[0]["warnings"].as_array().unwrap().contains(&"identity-mismatch".into()), "{listed:?}");
    assert_eq!(scene.audited("identity-violation").len(), 1);
}

#[test]
fn a_message_that_names_no_device_is_taken_or_refused_as_configured() {
    let nameless = || {
        let kept = |line: &&str| !line.starts_with("OBX") && !line.starts_with("OBR");
        let lines: Vec<_> = text(NAME, "1")
            .replace(&format!("DEMO^{NAME}^EUI-64"), "")
            .split('\r')
            .filter(kept)
            .map(str::to_owned)
            .collect();
        lines.join("\r")
    };
    let mut scene = Scene::new(Site::new());
    assert_eq!(field(&scene.ask(&nameless()), "MSA", 1), "CA");
    assert!(scene.listed(&[])[0]["warnings"].as_array().unwrap().contains(&"missing-identity".into()));

    let mut scene = Scene::new(Site::new().with("devices", "missing-identity = \"refuse\""));
    let answer = scene.ask(&nameless());
    assert_eq!(field(&answer, "MSA", 1), "CR");
    assert_eq!(field(&answer, "ERR", 5).split('^').next(), Some("missing-identity"));
}

#[test]
fn a_list_that_names_another_entry_is_pointed_out() {
    let site = Site::new();
    let platform = site.start();
    let cli = platform.cli();
    cli.run(&["device", "add", OTHER]);
    let warned = |line: &[&str]| {
        let (status, _, error) = cli.try_run(line);
        assert!(status.success(), "{line:?}: {error}");
        error
    };
    let spelled = "00:a0:37:ff:fe:00:00:02";
    let warning = format!("{spelled} in the list of {NAME}: it is device {OTHER} of the directory");
    assert!(warned(&["device", "add", NAME, "--speaks-for", &format!("X1,{spelled}")]).contains(&warning));
    assert!(warned(&["device", "change", NAME, "--note", "x"]).contains(&warning));
    let standby = warned(&["device", "add", "GW-2", "--speaks-for", "X1"]);
    assert!(standby.contains(&format!("X1 in the list of GW-2: device {NAME} speaks for it")), "{standby}");
    assert_eq!(warned(&["device", "add", "GW-3", "--speaks-for", "X3,00A037*"]), "");
    let file = site.path().join("devices.csv");
    std::fs::write(&file, format!("cn,speaks-for\nGW-4,{OTHER}\n")).unwrap();
    let imported = warned(&["device", "import", file.to_str().unwrap()]);
    assert!(imported.contains(&format!("{OTHER} in the list of GW-4: it is device {OTHER}")), "{imported}");
}
