mod reference;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::model::SilentAfter;
use crate::model::{StoreUrl, explained};

const SMALLEST: &str = r#"
    [tls]
    client-trust-anchors = ["pki/root-ecc.pem"]
    ecc = { chain = "pki/p.pem", key = "/keys/p.key" }
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/pcd/platform.toml"), &Overrides::default())
}

#[test]
fn defaults_are_those_of_the_specification() {
    let config = parse(SMALLEST).unwrap();
    assert_eq!(config.interface_a.listen, ["[::]:2575".parse().unwrap()], "A1");
    assert_eq!(config.tls.versions, [TlsVersion::Tls12, TlsVersion::Tls13], "A2");
    assert_eq!(config.revocation.when_undetermined, Undetermined::Refuse, "A9");
    assert_eq!(config.stapling.must_staple, MustStaple::Withhold, "RFC 7633");
    assert_eq!(config.admin.listen, "127.0.0.1:9575".parse().unwrap());
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let config = parse(SMALLEST).unwrap();
    let ecc = config.tls.ecc.unwrap();
    assert_eq!(ecc.chain, Path::new("/etc/pcd/pki/p.pem"));
    assert_eq!(ecc.key, PathBuf::from("/keys/p.key").into());
    assert_eq!(config.store.url, StoreUrl::new("sqlite:/etc/pcd/data/platform.db"));
}

#[test]
fn a_version_below_1_2_cannot_be_written() {
    // A2
    let error = parse(&SMALLEST.replace("[tls]", "[tls]\nversions = [\"1.1\"]")).unwrap_err();
    assert!(matches!(error, ConfigError::Syntax { .. }), "{error}");
}

#[test]
fn an_unknown_zone_is_refused_with_what_to_write() {
    let zone = |name: &str| parse(&format!("{SMALLEST}\n[messages]\nzone = \"{name}\"\n"));
    let madrid = zone("Europe/Madrid").unwrap().messages.zone.time_zone();
    assert_eq!(madrid.iana_name(), Some("Europe/Madrid"));
    assert_eq!(zone("platform").unwrap().messages.zone, MessageZone::default());
    for wrong in ["Europe/Barataria", "+01:00", "", "../../etc/passwd"] {
        let ConfigError::Syntax { source, .. } = zone(wrong).unwrap_err() else { panic!("{wrong}") };
        let text = source.to_string();
        assert!(text.contains("line 7") && text.contains("write one such as Europe/Madrid"), "{text}");
        assert!(wrong.is_empty() || !text.contains(wrong), "{text}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let error = parse(&format!("{SMALLEST}\n[interface-a]\nlissten = []\n")).unwrap_err();
    let ConfigError::Syntax { source, .. } = error else { panic!("{error}") };
    let text = source.to_string();
    assert!(text.contains("lissten") && text.contains("line 7"), "{text}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = r#"
        [interface-a]
        listen = []
        max-frame = "1 B"
        idle-timeout = "1ms"
        [tls]
        versions = []
        client-trust-anchors = []
        client-rsa-bits = [1024, 4096]
        [messages]
        application = "A|B"
        [store]
        url = "mysql://root:secret@host/db"
        [admin]
        listen = "0.0.0.0:9575"
    "#;
    let ConfigError::Invalid { problems, .. } = parse(text).unwrap_err() else { panic!() };
    let keys: Vec<_> = problems.iter().map(|problem| problem.key).collect();
    assert_eq!(
        keys,
        [
            "interface-a.listen",
            "interface-a.idle-timeout",
            "interface-a.max-frame",
            "tls.versions",
            "tls.client-trust-anchors",
            "tls.ecc, tls.rsa",
            "tls.client-rsa-bits",
            "messages.application",
            "store.url",
            "admin.listen",
        ]
    );
    assert!(!format!("{problems:?}").contains("secret"), "a password in a database URL is not repeated");
}

#[test]
fn a_store_on_a_server_takes_its_password_from_a_file_and_shows_none() {
    let parse = |store: &str| parse(&format!("{SMALLEST}\n[store]\n{store}\n"));
    let url = "url = \"postgres://pcd:s3cret@db/pcd?sslmode=verify-full\"";
    let config = parse(&format!("{url}\nnode = \"ward-7\"")).unwrap();
    assert!(config.store.url.secret().contains("s3cret") && config.store.node.as_str() == "ward-7");
    assert!(!format!("{config:?}").contains("s3cret"));
    let config = parse("url = \"postgres://pcd@db/pcd\"\npassword-file = \"secrets/db\"").unwrap();
    assert_eq!(config.store.url.password_file(), Some(Path::new("/etc/pcd/secrets/db")));
    for (store, key) in [
        (format!("{url}\nnode = \"two words\""), "\"two words\": "),
        ("password-file = \"db\"".to_owned(), "store.password-file"),
        (format!("{url}\npassword-file = \"credential:db\""), "LoadCredential=db:FILE"),
        ("url = \"postgres:pcd:s3cret\"".to_owned(), "store.url"),
    ] {
        let error = explained(&parse(&store).unwrap_err());
        assert!(error.contains(key) && !error.contains("s3cret"), "{error}");
    }
}

#[test]
fn a_repository_is_reached_with_an_identity_of_its_own_or_the_platforms() {
    let audit = |more: &str| {
        let lines = "[audit.repository]\ntrust-anchors = [\"arr.pem\"]\n";
        parse(&format!("{SMALLEST}\n{lines}{more}\n")).map(|config| config.audit.repository.unwrap())
    };
    assert_eq!(parse(SMALLEST).unwrap().audit.repository, None);
    let repository = audit("address = \"arr.example:6514\"").unwrap();
    assert_eq!((repository.address.host.as_str(), repository.address.port), ("arr.example", 6514));
    assert_eq!(repository.identity.chain, Path::new("/etc/pcd/pki/p.pem"));
    assert_eq!(repository.position, Path::new("/etc/pcd/data/audit-repository.json"));
    let own = "identity = { chain = \"own.pem\", key = \"own.key\" }\naddress = \"[::1]:1\"";
    let repository = audit(own).unwrap();
    assert_eq!((repository.address.host.as_str(), repository.address.port), ("::1", 1));
    assert_eq!(repository.identity.chain, Path::new("/etc/pcd/own.pem"));
    for wrong in ["arr.example", ":6514", "arr.example:0", "::1:6514", "arr.example:syslog"] {
        let error = explained(&audit(&format!("address = \"{wrong}\"")).unwrap_err());
        assert!(error.contains("line 8, column") && error.contains("is not HOST:PORT"), "{wrong}: {error}");
    }
}

#[test]
fn an_error_in_a_line_with_a_password_does_not_show_it() {
    for line in [
        "url = postgres://pcd:s3cret@db/pcd",
        "ulr = \"postgres://pcd:s3cret@db/pcd\"",
        "url = postgres://pcd@db/pcd?password=s3cret",
        "ulr = \"postgres://pcd@db/pcd?password=s3cret\"",
        "url = \"postgres://pcd@db/pcd?password=s3cret",
        "max-migration-rows = \"postgres://pcd@db/pcd?password=s3cret\"",
        "node = \"postgres://pcd@db/pcd?password=s3cret\"",
        "postgres://pcd@db/pcd?password=s3cret",
        "url : \"s3cret\"",
    ] {
        let error = parse(&format!("{SMALLEST}\n[store]\n{line}\n")).unwrap_err();
        let shown = format!("{} {error:?}", explained(&error));
        assert!(shown.contains("line 7, column"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

#[test]
fn silence_is_learned_or_a_duration_or_never() {
    let silent_after = |value: &str| {
        parse(&format!("{SMALLEST}\n[devices]\nsilent-after = \"{value}\"\n"))
            .map(|config| config.devices.silent_after)
    };
    assert_eq!(parse(SMALLEST).unwrap().devices.silent_after, SilentAfter::Learned);
    assert_eq!(silent_after("learned").unwrap(), SilentAfter::Learned);
    assert_eq!(silent_after("never").unwrap(), SilentAfter::Never);
    assert_eq!(silent_after("5m").unwrap(), SilentAfter::Fixed(Duration::from_mins(5)));
    assert!(silent_after("sometimes").is_err() && silent_after("1ms").is_err());
}

#[test]
fn queries_of_revocation_end_before_the_handshake() {
    let error = parse("[interface-a]\nhandshake-timeout = \"7s\"").unwrap_err().to_string();
    assert!(
        error.contains("revocation.deadline: 7s is not shorter than interface-a.handshake-timeout"),
        "{error}"
    );
}

#[test]
fn the_audit_trail_is_kept_at_least_as_long_as_messages() {
    let retention = |lines: &str| {
        parse(&format!("{SMALLEST}\n[store]\n{lines}\n"))
            .map(|config| (config.store.retain_messages, config.store.retain_audit))
    };
    let days = |days: u64| Retain::For(Duration::from_hours(24 * days));
    assert_eq!(retention("").unwrap(), (days(30), Retain::Forever));
    let both = retention("retain-messages = \"7d\"\nretain-audit = \"2190d\"").unwrap();
    assert_eq!(both, (days(7), days(2190)));
    assert_eq!(retention("retain-messages = \"forever\"").unwrap().0, Retain::Forever);
    for wrong in [
        "retain-audit = \"29d\"",
        "retain-rejected = \"60d\"\nretain-audit = \"59d\"",
        "retain-rejected = \"forever\"\nretain-audit = \"9999d\"",
        "retain-messages = \"forever\"\nretain-audit = \"9999d\"",
        "retain-large = \"31d\"",
        "retain-large = \"forever\"",
        "retain-messages = \"10ms\"",
        "retain-messages = \"always\"",
    ] {
        assert!(retention(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let overrides = Overrides {
        store_url: Some(StoreUrl::new("sqlite:/tmp/x.db")),
        node: Some("ward-7".to_owned()),
        log_level: Some("debug".to_owned()),
        credentials_directory: None,
    };
    let config = Config::parse(SMALLEST, Path::new("platform.toml"), &overrides).unwrap();
    assert_eq!(config.store.url, StoreUrl::new("sqlite:/tmp/x.db"));
    assert_eq!(config.store.node.as_str(), "ward-7");
    assert_eq!(config.log.level, "debug");
}

#[test]
fn a11_a_systemd_credential_is_a_file_in_the_folder_that_systemd_names() {
    let text =
        SMALLEST.replace("/keys/p.key\"", "credential:ecc.key\", passphrase = \"credential:ecc.pass\"");
    let file = Path::new("/etc/pcd/platform.toml");
    let overrides = Overrides {
        credentials_directory: Some("/run/credentials/pcd.service".into()),
        ..Overrides::default()
    };
    let ecc = Config::parse(&text, file, &overrides).unwrap().tls.ecc.unwrap();
    assert_eq!(ecc.key, PathBuf::from("/run/credentials/pcd.service/ecc.key").into());
    assert_eq!(ecc.passphrase, Some("/run/credentials/pcd.service/ecc.pass".into()));
    let wrong = text.replace("credential:ecc.pass", "credential:../shadow");
    for (text, overrides, expected) in [
        (&wrong, &overrides, "is not the name"),
        (&text, &Overrides::default(), "LoadCredential=ecc.pass:FILE"),
    ] {
        let error = Config::parse(text, file, overrides).unwrap_err().to_string();
        assert!(error.contains("tls.ecc.passphrase") && error.contains(expected), "{error}");
    }
}

#[cfg(not(feature = "pkcs11"))]
#[test]
fn a_build_without_tokens_says_so() {
    let error = parse(&SMALLEST.replace("/keys/p.key", "pkcs11:token=x;object=y")).unwrap_err().to_string();
    assert!(error.contains("tls.ecc.key") && error.contains("--features pkcs11"), "{error}");
}
