//! Key exchange on P-521, which AWS-LC supports and rustls does not offer. `// A0`

use std::fmt;

use aws_lc_rs::agreement::{ECDH_P521, EphemeralPrivateKey, PublicKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::rand::SystemRandom;
use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// secp521r1 (RFC 8422 section 5.1.1, RFC 8446 section 4.2.7), for TLS 1.2 and 1.3.
pub(super) static SECP521R1: P521 = P521;

pub(super) struct P521;

impl SupportedKxGroup for P521 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let private =
            EphemeralPrivateKey::generate(&ECDH_P521, &SystemRandom::new()).map_err(|_| GetRandomFailed)?;
        let public = private.compute_public_key().map_err(|_| GetRandomFailed)?;
        Ok(Box::new(Exchange { private, public }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

impl fmt::Debug for P521 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

/// A key pair for one use: `complete` consumes it.
struct Exchange {
    private: EphemeralPrivateKey,
    public: PublicKey,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let refused = Error::from(PeerMisbehaved::InvalidKeyShare);
        if peer.len() != POINT_LENGTH || peer.first() != Some(&UNCOMPRESSED) {
            return Err(refused);
        }
        // AWS-LC checks that the point is on the curve.
        let peer = UnparsedPublicKey::new(&ECDH_P521, peer);
        agree_ephemeral(self.private, peer, refused, |secret| Ok(SharedSecret::from(secret)))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

/// The first byte of a point and its length: uncompressed, two coordinates of 66 bytes (RFC 8446 section
/// 4.2.8.2). AWS-LC also accepts compressed points, which TLS forbids.
const UNCOMPRESSED: u8 = 4;
const POINT_LENGTH: usize = 1 + 2 * 66;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tls::provider::openssl::openssl;

    #[test]
    fn a0_openssl_derives_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &[&str]| openssl(folder.path(), arguments);
        openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521", "-out", "key.pem"]);
        let mut spki = openssl(&["pkey", "-in", "key.pem", "-pubout", "-outform", "DER"]);
        let theirs = spki.split_off(spki.len() - POINT_LENGTH);

        let ours = SECP521R1.start().unwrap();
        fs::write(folder.path().join("peer.der"), [&spki, ours.pub_key()].concat()).unwrap();
        let derive = ["pkeyutl", "-derive", "-inkey", "key.pem", "-peerkey", "peer.der", "-peerform", "DER"];
        assert_eq!(ours.complete(&theirs).unwrap().secret_bytes(), openssl(&derive));
    }

    #[test]
    fn only_an_uncompressed_point_of_the_curve_is_accepted() {
        let complete = |peer: &[u8]| SECP521R1.start().unwrap().complete(peer).map(|_| ());
        let point = SECP521R1.start().unwrap().pub_key().to_vec();
        assert_eq!(complete(&point), Ok(()));

        let compressed = [&[2 + (point[POINT_LENGTH - 1] & 1)], &point[1..67]].concat();
        let mut elsewhere = point.clone();
        elsewhere[POINT_LENGTH - 1] ^= 1;
        let longer = [&point[..], &[0]].concat();
        for peer in [&[][..], &[0], &compressed, &elsewhere, &longer, &point[..POINT_LENGTH - 1]] {
            assert_eq!(
                complete(peer),
                Err(Error::from(PeerMisbehaved::InvalidKeyShare)),
                "{} bytes",
                peer.len()
            );
        }
    }
}
