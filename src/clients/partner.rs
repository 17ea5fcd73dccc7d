//! The check of a partner: two factors, of one organisation.

use std::net::IpAddr;

use jiff::Timestamp;

use super::admission::{Bearer, Presented, by_secret, counted, granted};
use super::client::ClientId;
use super::reader::Reader;
use super::refused::RefusedReader;
use super::registry::Registry;
use super::standing::{PresentedCertificate, is_removed, owner};
use crate::model::Fingerprint;

/// Decides one request of a partner (N003-4): it proves who it is by a certificate *and* by the id and the
/// secret of a client, and names its organisation. All of them belong to the same organisation.
///
/// # Errors
/// Why the request is refused.
pub fn admit_partner(
    registry: &Registry,
    presented: &Presented<'_>,
    now: Timestamp,
) -> Result<Reader, RefusedReader> {
    registry.require_read()?;
    let certificate = counted(presented)?;
    let (id, secret) = presented.secret.ok_or(RefusedReader::WrongSecret)?;
    let client = by_secret(registry, id, secret, now)?;
    let owner = owner(registry, certificate)?;
    match &owner {
        Some((owner, _)) if owner.organisation != client.organisation => {
            return Err(RefusedReader::OtherOrganisation);
        }
        Some((owner, _)) if owner.is_suspended => return Err(RefusedReader::ClientSuspended),
        // A certificate of a community alone is a factor of no organisation.
        None => return Err(RefusedReader::NotRegistered),
        Some(_) => {}
    }
    if presented.organisation.is_none() {
        return Err(RefusedReader::OtherOrganisation);
    }
    granted(registry, client, owner.map(|(_, known)| known), certificate, presented)?
        .with_person_where_needed()
}

/// Decides one request with credentials that the client got, with this certificate, for a while (N003-3).
///
/// # Errors
/// Why the request is refused.
pub fn admit_credential(
    registry: &Registry,
    client: &ClientId,
    certificate: Fingerprint,
    address: IpAddr,
) -> Result<Reader, RefusedReader> {
    registry.require_read()?;
    let client = registry.client(client).ok_or(RefusedReader::WrongSecret)?;
    if is_removed(registry, certificate) {
        return Err(RefusedReader::Removed);
    }
    let certificate = PresentedCertificate {
        community: String::new(),
        fingerprint: certificate,
        subject: String::new(),
        environment: None,
        uris: Vec::new(),
    };
    let presented = Presented {
        certificate: None,
        address,
        secret: None,
        bearer: Bearer::None,
        organisation: None,
        environment: "",
    };
    granted(registry, client, None, &certificate, &presented)?.with_person_where_needed()
}
