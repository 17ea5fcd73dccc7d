//! Responders and CRLs, asked now.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use jiff::Timestamp;

use crate::app::{Examination, probe_sources};
use crate::cli::check::is_of_test_pki;
use crate::cli::check_finding::Finding;
use crate::config::Config;
use crate::finding::{Code, SetupCode};
use crate::model::{Clock, shown_url};
use crate::revocation::{Answer, Probe, SourceKind};

/// What the sources answer that the configuration, the platform's certificates and the known CRLs name. The
/// responder of a test PKI on this machine may rest for as long as what it has published lasts: one line.
pub(super) async fn look(config: &Config, found: &Examination, clock: &Clock) -> Vec<Finding> {
    let probes = probe_sources(config, found, clock).await;
    let (now, own) = (clock.now(), hosts_of_test_pki(found));
    let last = published_until(found).filter(|end| *end > now);
    let rests = |probe: &&Probe| last.is_some() && probe.is_refused() && own.contains(host(&probe.url));
    let (resting, others): (Vec<_>, Vec<_>) = probes.iter().partition(rests);
    let mut findings: Vec<_> = others.into_iter().map(|probe| finding(probe, now)).collect();
    if let (Some(last), Some(probe)) = (last, resting.first()) {
        let text = format!(
            "the responder of the test PKI, {}, does not run: its responses and CRLs that are here last until \
             {last:.0}; `pcd-platform pki respond` renews them",
            host(&probe.url)
        );
        findings.push(Finding::ok("responder", text));
    }
    findings
}

/// Hosts on this machine that certificates of a test PKI name.
fn hosts_of_test_pki(found: &Examination) -> BTreeSet<&str> {
    let authorities = found.authorities.iter().map(|known| &known.facts);
    let certificates = found.certificates.iter().chain(authorities);
    let certificates = certificates.filter(|facts| is_of_test_pki(&facts.issuer.to_string()));
    let urls = certificates.flat_map(|facts| &facts.extensions.ocsp_urls);
    let is_here = |host: &&str| host.parse().is_ok_and(|address: SocketAddr| address.ip().is_loopback());
    urls.map(|url| host(url)).filter(is_here).collect()
}

/// How long the staples of the platform's certificates and the installed CRLs last; none if one is missing.
fn published_until(found: &Examination) -> Option<Timestamp> {
    let staples = found.staples.iter().map(|known| known.expires.as_ref()?.parse().ok());
    let staples: Option<Vec<Timestamp>> = staples.collect();
    let crls = found.crls.iter().map(|crl| crl.next_update);
    if found.staples.is_empty() || found.crls.is_empty() {
        return None;
    }
    staples?.into_iter().chain(crls).min()
}

/// The host of a URL, with its port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn finding(probe: &Probe, now: Timestamp) -> Finding {
    let (url, milliseconds) = (shown_url(&probe.url), probe.took.as_millis());
    let (what, code) = match probe.kind {
        SourceKind::Responder => ("responder", SetupCode::ResponderUnreachable.code()),
        SourceKind::Crl => ("CRL", SetupCode::CrlUnreachable.code()),
    };
    match &probe.answer {
        Answer::Status => Finding::ok(what, format!("{url} answers within {milliseconds} ms")),
        Answer::Refused(status) => {
            let text = format!("{url} answers `{}` ({milliseconds} ms)", status.name());
            Finding::ok(what, text)
        }
        Answer::NotOcsp => {
            let text = format!("what {url} answers is no OCSP response ({milliseconds} ms)");
            Finding::warning(what, code, text)
        }
        Answer::Crl { this_update, next_update } if *next_update <= now => {
            let text = format!("{url} has a CRL of {this_update:.0} that ended {next_update:.0}");
            Finding::warning(what, Code::CrlEnding.code(), text)
        }
        Answer::Crl { this_update, next_update } => {
            let text = format!(
                "{url} has a CRL of {this_update:.0}, the next one by {next_update:.0} ({milliseconds} ms)"
            );
            Finding::ok(what, text)
        }
        Answer::NotACrl => Finding::warning(what, code, format!("what {url} has is no CRL")),
        Answer::Failed(error) => {
            Finding::warning(what, code, format!("{url} does not answer: {error} ({milliseconds} ms)"))
        }
    }
}
