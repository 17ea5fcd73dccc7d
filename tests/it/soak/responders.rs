//! An attacker who answers the plain-HTTP fetches, for devices whose certificates name its servers.

use std::sync::Arc;
use std::time::Duration;

use pcd_platform::tls::Connector;
use tokio::runtime::Handle;

use super::attack::{Target, repeat};
use crate::harness::{Server, Site, connector};
use crate::revocation::certificate;
use crate::revocation_hostile::{hostile_crl, hostile_response, stranger};

/// The servers, and the devices.
pub struct Responders {
    servers: [Server; 2],
    victims: Vec<Connector>,
}

pub fn name(number: usize) -> String {
    format!("VICTIM-{number}")
}

pub const VICTIMS: usize = 4;

impl Responders {
    pub fn start(site: &Site) -> Self {
        let serve = |body: Vec<u8>| Server::start(Duration::ZERO, Arc::new(move |_| Some(body.clone())));
        let (ocsp, crls) = (serve(hostile_response()), serve(hostile_crl(&stranger())));
        let victim = |number| {
            let (ocsp, crl) = ([ocsp.url("")], [crls.url(&format!("{number}.crl"))]);
            let own = certificate(site, &name(number), &ocsp, &crl);
            connector(site, &own, None).unwrap()
        };
        let victims = (0..VICTIMS).map(victim).collect();
        Self { servers: [ocsp, crls], victims }
    }

    /// The devices connect again and again. The servers run as long as the returned value lives.
    pub fn attack(self, on: &Handle, target: &Arc<Target>) -> [Server; 2] {
        for victim in self.victims {
            let victim = Arc::new(victim);
            let pause = Duration::from_secs(1);
            on.spawn(repeat(Arc::clone(target), "hostile responder", pause, move |target, number| {
                let victim = Arc::clone(&victim);
                async move {
                    let Ok(tcp) = target.connect(number).await else { return };
                    let _ = victim.connect(&target.address.ip().to_string(), tcp).await;
                }
            }));
        }
        self.servers
    }
}
