//! The codes of what only `check` and a start find: faults of the configuration, and of what it names.

/// Declares [`SetupCode`]: each line is a variant and its stable code.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident, $code:literal;)+) => {
        /// What `check` and `doctor` find, or a start is refused for, besides the findings of a running
        /// platform ([`Code`](super::Code)). Each has a help page of the name of its code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum SetupCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl SetupCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable code, which is also the name of the help page.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }
        }
    };
}

codes! {
    /// The file of the configuration cannot be read.
    ConfigUnreadable, "config-unreadable";
    /// It is no TOML, or has an unknown key or a value of another type.
    ConfigSyntax, "config-syntax";
    /// A value in it cannot work.
    ConfigValue, "config-value";
    /// Identities and roots of the devices' side cannot be used.
    IdentityUnusable, "identity-unusable";
    /// A certificate of the platform lacks what devices look for in it.
    PlatformCertificateUnfit, "platform-certificate-unfit";
    /// Devices of one kind of key find no identity (A5).
    IdentityOneKind, "identity-one-kind";
    /// Roots of people, or the certificate of the admin listener, cannot be used.
    PeopleUnusable, "people-unusable";
    /// Trust communities of hospital systems, or the certificate of their listener, cannot be used.
    CommunitiesUnusable, "communities-unusable";
    /// Installed CRLs, responders, or the folder of fetched data cannot be used.
    RevocationDataUnusable, "revocation-data-unusable";
    /// A root of devices is one of hospital systems too.
    RootShared, "root-shared";
    /// No CRL is installed (A9.1).
    NoInstalledCrl, "no-installed-crl";
    /// What is needed to reach the Audit Record Repository cannot be used.
    RepositoryUnusable, "repository-unusable";
    /// A receiver of notifications cannot be used.
    ReceiverUnusable, "receiver-unusable";
    /// An address is used twice, or by another process.
    AddressInUse, "address-in-use";
    /// The socket for people and commands cannot be served.
    SocketUnusable, "socket-unusable";
    /// Those who may connect to the socket cannot reach it.
    SocketUnreachable, "socket-unreachable";
    /// An account of the configuration is not one of this machine.
    AccountUnknown, "account-unknown";
    /// The machine does not say its time zone.
    ZoneUnknown, "zone-unknown";
    /// A device learns identities.
    DeviceLearning, "device-learning";
    /// Two entries of the directory are one device.
    DeviceSpelledTwice, "device-spelled-twice";
    /// The certificate of a device is not issued for what devices do.
    DeviceCertificateUnfit, "device-certificate-unfit";
    /// There is no store yet.
    StoreMissing, "store-missing";
    /// The schema of the store is that of an earlier version.
    StoreMigration, "store-migration";
    /// An OCSP responder does not answer.
    ResponderUnreachable, "responder-unreachable";
    /// No CRL can be fetched from where one should be.
    CrlUnreachable, "crl-unreachable";
    /// The disk or the database takes long.
    StoreSlow, "store-slow";
    /// Nothing is known to synchronise the clock of this machine.
    ClockUnsynchronised, "clock-unsynchronised";
    /// Interface A accepts no connection, or could not be bound.
    PortUnreachable, "port-unreachable";
    /// Another process serves the node of this configuration.
    SecondInstance, "second-instance";
    /// A fault of the program.
    Fault, "fault";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Code, help};

    #[test]
    fn every_code_has_a_help_page_and_is_no_code_of_a_finding() {
        for code in SetupCode::ALL {
            assert!(help(code.code()).is_some(), "{}", code.code());
            assert!(Code::ALL.iter().all(|known| known.code() != code.code()), "{}", code.code());
        }
    }
}
