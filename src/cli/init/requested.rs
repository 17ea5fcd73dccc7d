//! A site whose certificates come from the hospital's CA: keys and requests, and a configuration that expects
//! the certificates in their places.

use super::arguments::{Arguments, SiteName};
use super::made::{Made, write};
use super::next_steps;
use super::places::Places;
use crate::config::Config;
use crate::model::{Clock, DeviceId};
use crate::pki::{KeyFamily, RequestOrder, Subject};
use crate::store::Store;

pub(super) async fn make(places: &Places, arguments: &Arguments, clock: &Clock) -> anyhow::Result<Made> {
    let dir = &places.dir;
    let folder = dir.join("pki/platform");
    let site = arguments.site.as_ref().map_or("", SiteName::as_str);
    let subject = if site.is_empty() { Subject::default() } else { format!("O={site}").parse()? };
    let mut requests = Vec::new();
    for key in [KeyFamily::Ecc, KeyFamily::Rsa] {
        let order = RequestOrder {
            common_name: DeviceId::parse("platform")?,
            subject: subject.clone(),
            key,
            sans: arguments.hosts.clone(),
        };
        requests.push(order.make(&folder)?.request);
    }
    let revocation =
        "# installed-crls = [\"pki/crl\"]    # CRLs of your CAs, where their certificates name no URL";
    let config = dir.join("platform.toml");
    write(&config, next_steps::configuration(places, arguments, revocation).as_bytes())?;
    // Devices can be added before the certificates come.
    let settings = Config::load(&config, &next_steps::node_of_environment())?;
    Store::open_as(settings.store.node.clone(), &settings.store.url, clock.clone()).await?.close().await;
    let (next, commands) = next_steps::requested(places, &config)?;
    Ok(Made { config, requests, next, commands })
}
