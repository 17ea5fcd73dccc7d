//! A site with a PKI of its own, one device, and the device's first message.

use std::sync::Arc;

use jiff::SignedDuration;

use super::arguments::Arguments;
use super::first_device::{self, FIRST_DEVICE};
use super::made::{Made, write};
use super::next_steps;
use super::places::Places;
use crate::app::fetch_staples;
use crate::cli::responder;
use crate::config::Config;
use crate::model::Clock;
use crate::pki::{CertificateOrder, KeyType, OcspResponder, OcspSigner, Role, TestPki};

pub(super) async fn make(places: &Places, arguments: &Arguments, clock: &Clock) -> anyhow::Result<Made> {
    let dir = &places.dir;
    let (socket, url) = responder::new_socket().await?;
    let pki = TestPki::init(&dir.join("pki"), &url, clock)?;
    for key in [KeyType::Ecc, KeyType::Rsa] {
        let order = CertificateOrder::new("platform", Role::Platform, key);
        pki.issue(&CertificateOrder { sans: arguments.hosts.clone(), ..order })?;
    }
    let device = pki.issue(&CertificateOrder::new(FIRST_DEVICE, Role::Device, KeyType::Ecc))?;

    let host = url.trim_start_matches("http://");
    let revocation = format!(
        "installed-crls = [\"pki/crl\"]     # of the PKI in pki/; `pki crl` publishes new ones\n\
         allowed-hosts = [\"{host}\"]  # its OCSP responder, `pki respond`: loopback is refused unless named"
    );
    let config_file = dir.join("platform.toml");
    write(&config_file, next_steps::configuration(places, arguments, &revocation).as_bytes())?;
    let config = Config::load(&config_file, &next_steps::node_of_environment())?;

    first_device::add(&config, clock).await?;
    let lifetime = SignedDuration::from_hours(24 * i64::from(TestPki::CRL_DAYS));
    let trust_anchors = pki.trust_anchors();
    let answers = Arc::new(OcspResponder::new(pki, OcspSigner::Delegate, lifetime)?);
    let serving = tokio::spawn(crate::pki::serve(socket, answers));
    // What is stapled comes with the site, so that it can start before its responder does.
    fetch_staples(&config, clock).await?;
    serving.abort();

    let message = dir.join("message.hl7");
    write(&message, &first_device::message(clock))?;
    let next = next_steps::TestSite { places, config: &config_file, device: &device, trust_anchors, message };
    let (next, commands) = next.write()?;
    Ok(Made { config: config_file, requests: Vec::new(), next, commands })
}
