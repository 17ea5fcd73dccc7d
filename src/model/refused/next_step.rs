//! What an operator does about a refused peer.

use super::facts::{FirstBytes, RefusalFacts};
use super::refusal::Refusal;
use crate::model::shell_word;

impl Refusal {
    /// The next step of an operator, in one sentence without a full stop. Log, commands, API and page show
    /// the same one; the help page of the code has more.
    #[must_use]
    pub fn next_step(self, facts: &RefusalFacts) -> String {
        // The name stands in commands to paste, and a CA may certify any.
        let device = facts.name.as_deref().map_or_else(|| "CN".to_owned(), shell_word);
        match (self, facts.hello.first_bytes) {
            (Self::ProtocolViolation | Self::Disconnected | Self::HandshakeTimeout, first) => {
                self.next_step_for(first).to_owned()
            }
            (Self::UnknownDevice, _) => {
                format!(
                    "if the device is yours: `pcd-platform device add {device}`; otherwise ask its CA why it \
                         certified it"
                )
            }
            (Self::SuspendedDevice, _) => {
                format!("`pcd-platform device resume {device}`, if the reason of the suspension is gone")
            }
            (Self::DamagedEntry, _) => {
                format!(
                    "`pcd-platform store check` names the column; `pcd-platform device remove {device}`, then add it \
                         again, and find out who wrote to the database"
                )
            }
            (Self::OtherIssuer, _) => {
                format!("if the new CA is right: `pcd-platform device change {device} --issuer CA.pem`")
            }
            (Self::ProtocolVersion, FirstBytes::Ssl2) => "update the TLS stack of the device".to_owned(),
            _ => self.usual_next_step().to_owned(),
        }
    }

    /// For a peer that did not get as far as its certificate.
    const fn next_step_for(self, first: FirstBytes) -> &'static str {
        match first {
            FirstBytes::PlainMllp => "switch TLS on, on the device or its gateway",
            FirstBytes::Http => "find out what at this address takes the port for a web server",
            FirstBytes::Ssh => "find out what at this address scans ports",
            FirstBytes::Ssl2 => "update the TLS stack of the device",
            FirstBytes::ProxyProtocol => "switch the PROXY protocol off at the load balancer for this port",
            FirstBytes::Other => "find out what sends at this address; switch TLS on if it is a device",
            FirstBytes::None | FirstBytes::Tls => self.usual_next_step(),
        }
    }

    const fn usual_next_step(self) -> &'static str {
        match self {
            Self::NoCertificate => {
                "install its certificate, its key and its issuing CA on the device, and switch client \
                 authentication on"
            }
            Self::MalformedCertificate => {
                "look at its chain with `pcd-platform pki inspect FILE`, and ask the issuer for a new \
                 certificate"
            }
            Self::UnsupportedExtension => {
                "ask the issuer for a certificate in which that extension is not critical"
            }
            Self::NameConstraints => {
                "ask the issuer for a certificate with a permitted name, or from another CA"
            }
            Self::CertificatePolicy => {
                "ask the issuer for a certificate with the policy that its own CA requires"
            }
            Self::OversizedChain => {
                "install on the device its own certificate and the CAs below the root, each once"
            }
            Self::UntrustedIssuer => {
                "give the device a certificate of your PKI; only if that root is yours, add it to \
                 `tls.client-trust-anchors` and reload"
            }
            Self::IncompleteChain => {
                "install the certificate of the issuing CA on the device, behind its own certificate"
            }
            Self::BadSignature => {
                "install key and certificate of the device again, and compare the keys of its CA with \
                 `pcd-platform pki inspect FILE`"
            }
            Self::Expired => "give the device a new certificate; if the date is not past, compare the clocks",
            Self::NotYetValid => "compare the clocks of CA and platform, or wait for that day",
            Self::WrongPurpose => {
                "ask the issuer for a certificate for TLS clients (clientAuth, digitalSignature); \
                 `tls.key-usage-exceptions` excepts a known device from digitalSignature only"
            }
            Self::UnacceptableKey => {
                "ask the issuer for a certificate with RSA 2048 to 4096, P-256 or better"
            }
            Self::UnacceptableSignature => "ask the issuer for a certificate signed with SHA-256 or better",
            Self::NoCommonName => {
                "ask the issuer for a certificate with one Common Name: the name of the device in the directory"
            }
            _ => self.next_step_beyond_certificates(),
        }
    }

    /// For reasons that are not in the certificates themselves.
    const fn next_step_beyond_certificates(self) -> &'static str {
        match self {
            Self::UnknownDevice => "add the device to the directory, if it is yours",
            Self::SuspendedDevice => "resume the device, if the reason of the suspension is gone",
            Self::DamagedEntry => "remove the damaged entry of the device, and add it again",
            Self::OtherIssuer => "compare its CA with the one that the directory names",
            Self::Revoked => "ask the CA for the reason, and give the device a new key and certificate",
            Self::RevocationUndetermined => {
                "make the responder or CRL reachable that the log names, or install a CRL of its CA"
            }
            Self::ProtocolVersion => "update the TLS stack of the device: TLS 1.2 or 1.3 is needed",
            Self::InappropriateFallback => {
                "take the firewall or proxy that inspects TLS out of the path of the device"
            }
            Self::NothingInCommon => {
                "enable one of the platform's suites on the device (docs/reference/interface-a.md), or give the \
                 platform the other kind of key (`tls.rsa`, `tls.ecc`)"
            }
            Self::ProtocolViolation => {
                "find out what sends at this address; if it is a device, read its log and update its TLS stack"
            }
            Self::PeerAlert => {
                "install the root of the platform's certificate on the device, compare its clock, and read \
                 its log"
            }
            Self::HandshakeTimeout => {
                "look at the network between device and platform: packet loss, MTU, a firewall"
            }
            Self::Disconnected => "if it happens again and again, read the log of the device",
            Self::ProxyNotAllowed => {
                "if it is a load balancer of yours, add its address to `interface-a.proxy-protocol` and reload"
            }
            Self::ProxyHeaderMissing => {
                "switch the PROXY protocol on at the load balancer (`send-proxy-v2`), or take the address out of \
                 `interface-a.proxy-protocol`"
            }
            Self::ProxyHeaderMalformed => {
                "set the load balancer to version 2 of the PROXY protocol over TCP, and find out what else sends \
                 from its address"
            }
            Self::TooManyConnections => {
                "if many devices share the address, name it in `interface-a.shared-addresses`; otherwise find \
                 what opens connections there"
            }
            Self::TooManySessions => {
                "the device does not close its old connections: ask its manufacturer, or raise \
                 `interface-a.sessions-per-device`"
            }
            Self::TooManyNewSessions => {
                "the device reconnects all the time: `pcd-platform audit list` shows how its sessions end"
            }
            _ => "look at its chain with `pcd-platform pki inspect FILE`",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_an_advised_command_is_one_word_of_a_shell() {
        let of = |name: &str| {
            let facts = RefusalFacts { name: Some(name.to_owned()), ..RefusalFacts::default() };
            Refusal::UnknownDevice.next_step(&facts)
        };
        assert!(of("00A037FFFE000001").contains("device add 00A037FFFE000001`"));
        assert!(of("PUMP$(reboot)").contains("device add 'PUMP$(reboot)'`"));
    }
}
