//! `check`: what a start would find, up to binding a port, each finding on a line. It changes nothing, and
//! goes on after each fault.

use std::net::SocketAddr;

use jiff::Timestamp;

use super::check_finding::{Finding, Level};
use super::check_people::{missing_socket_group, unknown_accounts, unreachable_socket, unusable_socket};
use super::check_store::{contents, directory, server, store};
use super::config_file::ConfigFile;
use super::{Exit, Failure, Outcome, Output};
use crate::app::findings::{
    admin_certificate, api_certificate, authority, gateway_certificate, installed_crl, platform_certificate,
    staple, unfit_anchor, unfit_community_anchor, unfit_people_anchor, unfit_user_anchor,
};
use crate::app::{Examination, PlatformError, examine};
use crate::config::{AdminSocket, ApiRead, Config, ConfigError, Gateway, Undetermined};
use crate::finding::SetupCode;
use crate::model::{Clock, Refusal, explained};
use crate::pki::TEST_ORGANIZATION;
use crate::tls::{Authority, AuthorityRole, UnusableIdentity, has_issuing_ca, leaf};
use crate::x509::CertificateFacts;

pub(super) async fn run(config: ConfigFile, output: Output, clock: Clock) -> Outcome {
    let config = match config.read() {
        Ok(config) => config,
        Err(error) if output.is_json() => return unusable(&error, output),
        Err(error) => return Err(Failure::new(Exit::Config, error)),
    };
    let (findings, _) = look(&config, &clock).await;
    let worst = findings.iter().map(|finding| finding.level).max();
    for finding in &findings {
        output.print(finding, |finding| {
            let help = finding.code.map(|code| format!(" (help {code})")).unwrap_or_default();
            format!("{:8} {}: {}{help}", finding.level.word(), finding.what, output.sentence(&finding.detail))
        })?;
    }
    Ok(if worst == Some(Level::Error) { Exit::Failed } else { Exit::Done })
}

/// What a start would find, and the certificates that were looked at.
pub(super) async fn look(config: &Config, clock: &Clock) -> (Vec<Finding>, Examination) {
    let mut findings = vec![Finding::ok("configuration", format!("{} is understood", config.file.display()))];
    findings.extend(settings(config));
    let found = examine(config, clock).await;
    let now = clock.now();
    findings.extend(found.certificates.iter().flat_map(|facts| of_platform(facts, now)));
    let admin = found.admin_certificate.iter().map(|facts| admin_certificate(facts, &config.admin, now));
    findings.extend(admin.map(|looked| Finding::of("people", looked)));
    let hospital = found.api_certificate.iter().map(|facts| api_certificate(facts, now));
    findings.extend(hospital.map(|looked| Finding::of("hospital systems", looked)));
    findings.extend(config.gateway.iter().flat_map(|gateway| of_gateway(gateway, now)));
    findings.extend(found.unusable.iter().map(unusable_identity));
    let authorities = found.authorities.iter().filter_map(|known| authority(known, now));
    findings.extend(authorities.map(|(what, looked)| Finding::of(what, looked)));
    findings.extend(found.authorities.iter().filter_map(for_trials));
    findings.extend(shared_roots(config, &found.authorities));
    let anchors = found.unfit_anchors.iter().map(unfit_anchor);
    let anchors = anchors.chain(found.unfit_people_anchors.iter().map(unfit_people_anchor));
    let anchors = anchors.chain(found.unfit_community_anchors.iter().map(unfit_community_anchor));
    let anchors = anchors.chain(found.unfit_user_anchors.iter().map(unfit_user_anchor));
    findings.extend(anchors.map(|anchor| Finding::of("root", Err(anchor))));
    findings.extend(found.staples.iter().map(|known| Finding::of("staple", staple(known))));
    let undetermined = config.revocation.when_undetermined;
    let crls = found.crls.iter().filter_map(|crl| installed_crl(crl, undetermined, now));
    findings.extend(crls.map(|ending| Finding::of("revocation", Err(ending))));
    findings.extend(no_crl(config, &found));
    findings.extend(found.problems.iter().map(problem));
    let trail = contents(config, clock).await;
    if trail.iter().any(|finding| finding.what == "clock") {
        findings.iter_mut().for_each(Finding::doubt_clock);
    }
    findings.extend(store(config).await);
    findings.extend(trail);
    findings.extend(server(config, clock).await);
    findings.extend(directory(config, clock).await);
    (findings, found)
}

/// A certificate of the platform: when it ends, the names by which devices reach it, and what devices that
/// look closely miss in it.
fn of_platform(facts: &CertificateFacts, now: Timestamp) -> Vec<Finding> {
    let addresses = facts.extensions.ip_addresses.iter().map(ToString::to_string);
    let names: Vec<_> = facts.extensions.dns_names.iter().cloned().chain(addresses).collect();
    let looked = platform_certificate(facts, now);
    let looked = looked.map(|detail| match names.is_empty() {
        true => detail,
        false => format!("{detail}; for {}", names.join(", ")),
    });
    let mut findings = vec![Finding::of("certificate", looked)];
    let mut lacks = |what: &str| {
        let (subject, key) = (&facts.subject, facts.key.family());
        let detail = format!("{subject} ({key}) {what}");
        findings.push(Finding::warning("certificate", SetupCode::PlatformCertificateUnfit.code(), detail));
    };
    if facts.extensions.key_usage.is_some_and(|usage| !usage.digital_signature) {
        lacks(
            "has a keyUsage without digitalSignature: in each cipher suite the platform signs with its key",
        );
    }
    // B17
    if names.is_empty() {
        lacks("has no name in subjectAltName: devices compare the name that they connect to");
    }
    findings
}

/// A root of devices that `pki init` has made. Who has its folder can make a certificate for each name.
fn for_trials(authority: &Authority) -> Option<Finding> {
    let certifies_devices = matches!(authority.role, AuthorityRole::Root | AuthorityRole::SharedRoot);
    let subject = authority.facts.subject.to_string();
    (certifies_devices && is_of_test_pki(&subject)).then(|| {
        let detail = format!(
            "{subject} is a root of a test PKI (`pki init`): for trials and simulated devices. Devices that serve \
             patients need certificates of the hospital's own CA (docs/howto/certificates.md)"
        );
        Finding::ok("test PKI", detail)
    })
}

/// Whether a CA of this name is one of a test PKI.
pub(super) fn is_of_test_pki(authority: &str) -> bool {
    authority.split(',').any(|part| part.strip_prefix("O=") == Some(TEST_ORGANIZATION))
}

/// Roots of devices that are roots of hospital systems too.
fn shared_roots(config: &Config, authorities: &[Authority]) -> Vec<Finding> {
    let certifies_devices =
        |known: &&Authority| matches!(known.role, AuthorityRole::Root | AuthorityRole::SharedRoot);
    let devices: Vec<_> =
        authorities.iter().filter(certifies_devices).map(|known| &known.facts.public_key).collect();
    let communities = authorities.iter().filter(|known| known.role == AuthorityRole::CommunityRoot);
    let shared = communities.filter(|known| devices.contains(&&known.facts.public_key));
    let finding = |root: &Authority| {
        let reads = match config.api.read {
            ApiRead::Community => "each device reads what all devices have sent",
            ApiRead::Registered => "registration alone keeps devices from reading",
        };
        let detail = format!("{} is a root of devices and of a community: {reads}", root.facts.subject);
        Finding::warning("hospital systems", SetupCode::RootShared.code(), detail)
    };
    shared.map(finding).collect()
}

/// The certificate that the gateway shows its platform. What keeps it from being used is a problem of the
/// start.
fn of_gateway(gateway: &Gateway, now: Timestamp) -> Vec<Finding> {
    let facts = leaf(&gateway.certificate);
    let mut findings: Vec<_> =
        facts.iter().map(|facts| Finding::of("gateway", gateway_certificate(facts, now))).collect();
    if !has_issuing_ca(&gateway.certificate) {
        let detail = format!(
            "{} holds the certificate alone: a platform refuses it without its issuing CA, which stands behind it",
            gateway.certificate.chain.display()
        );
        findings.push(Finding::error("gateway", Refusal::IncompleteChain.code(), detail));
    }
    findings
}

/// The problems of a configuration that cannot be used, as JSON.
fn unusable(error: &ConfigError, output: Output) -> Outcome {
    let details = match error {
        ConfigError::Invalid { problems, .. } => problems.iter().map(ToString::to_string).collect(),
        error => vec![explained(error)],
    };
    for detail in details {
        let finding = Finding::error("configuration", error.code().code(), detail);
        output.print(&finding, |finding| finding.detail.clone())?;
    }
    Ok(Exit::Config)
}

/// An identity that a start goes without.
fn unusable_identity(identity: &UnusableIdentity) -> Finding {
    let UnusableIdentity { key, reason, .. } = identity;
    let detail = format!(
        "{key} is not used, and devices that need a certificate of its kind cannot connect: {}",
        explained(reason)
    );
    Finding::error("identities and roots", SetupCode::IdentityUnusable.code(), detail)
}

/// What stands in the way of a start.
fn problem(error: &PlatformError) -> Finding {
    if let PlatformError::Store(error) = error {
        return Finding::of_store("store", error);
    }
    let what = match error {
        PlatformError::Tls(_) => "identities and roots",
        PlatformError::People(_) => "people",
        PlatformError::Api(_) => "api",
        PlatformError::Revocation(_) => "revocation",
        PlatformError::Repository(_) => "audit record repository",
        PlatformError::Gateway(_) => "gateway",
        PlatformError::Notify(_) => "notifications",
        _ => "platform",
    };
    Finding::error(what, error.code(), explained(error))
}

/// What follows where no CRL is installed (A9.1). A folder that is named may hold none.
fn no_crl(config: &Config, found: &Examination) -> Option<Finding> {
    let is_unread = found.problems.iter().any(|problem| matches!(problem, PlatformError::Revocation(_)));
    if is_unread || !found.crls.is_empty() {
        return None;
    }
    let which = match config.revocation.installed_crls.is_empty() {
        true => "revocation.installed-crls is empty",
        false => "the places that revocation.installed-crls names hold no CRL",
    };
    let detail = match config.revocation.when_undetermined {
        Undetermined::Refuse => format!(
            "{which} and when-undetermined is \"refuse\": no device can connect while OCSP responders and \
             distribution points are out of reach"
        ),
        Undetermined::Accept => {
            format!("{which} and when-undetermined is \"accept\": a revoked device can connect")
        }
    };
    Some(Finding::warning("revocation", SetupCode::NoInstalledCrl.code(), detail))
}

/// Findings that follow from the configuration alone.
fn settings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (missing, kind) in [(config.tls.ecc.is_none(), "ECC"), (config.tls.rsa.is_none(), "RSA")] {
        if missing {
            // A5
            findings.push(Finding::warning(
                "identities",
                SetupCode::IdentityOneKind.code(),
                format!("there is no {kind} identity: devices with only {kind} suites cannot connect"),
            ));
        }
    }
    findings.extend(people(config));
    findings.extend(addresses(config));
    if config.messages.zone.is_unknown() {
        findings.push(Finding::warning(
            "messages",
            SetupCode::ZoneUnknown.code(),
            "this machine does not say its time zone, so times without zone are read as UTC: set messages.zone".to_owned(),
        ));
    }
    findings
}

/// How people and commands come in.
fn people(config: &Config) -> Vec<Finding> {
    let admin = &config.admin;
    let socket = admin.socket.path(&config.audit.state_directory, &config.store.node);
    let is_configured = matches!(admin.socket, AdminSocket::At(_));
    let mut findings = Vec::new();
    if let Some(detail) = missing_socket_group(admin) {
        findings.push(Finding::error("people", SetupCode::SocketUnusable.code(), detail));
    } else if let Some(socket) = socket {
        let code = SetupCode::SocketUnusable.code();
        findings.extend(unusable_socket(admin, &socket).map(|detail| match is_configured {
            true => Finding::error("people", code, format!("{detail}: the start fails")),
            // Without the default one the platform serves devices all the same.
            false => Finding::warning("people", code, detail),
        }));
        let unreachable = unreachable_socket(admin, &socket);
        let code = SetupCode::SocketUnreachable.code();
        findings.extend(unreachable.map(|detail| Finding::warning("people", code, detail)));
    }
    let code = SetupCode::AccountUnknown.code();
    let unknown = unknown_accounts(admin).into_iter();
    findings.extend(unknown.map(|detail| Finding::warning("people", code, detail)));
    findings
}

/// Addresses that two listeners of the configuration take.
fn addresses(config: &Config) -> Vec<Finding> {
    let named = config.interface_a.listen.iter().map(|address| ("interface-a.listen", *address));
    let admin =
        [("admin.listen", Some(config.admin.listen)), ("admin.health-listen", config.admin.health_listen)];
    let admin = admin.into_iter().filter_map(|(key, address)| Some((key, address?)));
    let api = config.api.listen.iter().map(|address| ("api.listen", *address));
    let all: Vec<_> = named.chain(api).chain(admin).filter(|(_, address)| address.port() != 0).collect();
    let mut findings = Vec::new();
    for (at, (key, address)) in all.iter().enumerate() {
        let earlier = all.iter().take(at).find(|(_, other)| overlap(*other, *address));
        findings.extend(earlier.map(|(other, taken)| {
            let detail = format!("{key} {address} and {other} {taken} are one address: the start fails");
            Finding::error("addresses", SetupCode::AddressInUse.code(), detail)
        }));
    }
    findings
}

/// Whether one address leaves no place for the other. An unspecified one takes every address of its family,
/// and that of IPv6 those of IPv4 as well.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let takes = |all: SocketAddr, address: SocketAddr| {
        all.ip().is_unspecified() && (all.is_ipv6() || address.is_ipv4())
    };
    one.port() == other.port() && (one.ip() == other.ip() || takes(one, other) || takes(other, one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_listeners_of_one_address_are_found() {
        let overlap = |one: &str, other: &str| overlap(one.parse().unwrap(), other.parse().unwrap());
        assert!(overlap("127.0.0.1:9575", "127.0.0.1:9575"));
        assert!(overlap("0.0.0.0:9575", "127.0.0.1:9575") && overlap("[::1]:1", "[::]:1"));
        assert!(!overlap("127.0.0.1:9575", "127.0.0.1:9576"));
        assert!(!overlap("127.0.0.1:9575", "127.0.0.2:9575") && !overlap("[::1]:1", "0.0.0.0:1"));
        assert!(overlap("[::]:2575", "127.0.0.1:2575") && overlap("0.0.0.0:2575", "[::]:2575"));
    }
}
