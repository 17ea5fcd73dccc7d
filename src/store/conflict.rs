//! Changes that are refused for what is stored: the command says what to do.

/// Why organisations and clients cannot be changed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientsConflict {
    /// There is an organisation with this number.
    #[error("an organisation with this number is there already; `organisation list` shows it")]
    OrganisationExists,
    /// There is none with this number.
    #[error("there is no organisation with this number; `organisation list` shows all")]
    OrganisationUnknown,
    /// There is a client with this id.
    #[error("a client with this id is there already; `reader list` shows it")]
    ClientExists,
    /// There is none with this id.
    #[error("there is no client with this id; `reader list` shows all")]
    ClientUnknown,
    /// The certificate belongs to a client already.
    #[error("the certificate belongs to a client already; `reader list` shows to which")]
    CertificateTaken,
    /// No secret counts besides the last one.
    #[error("the client has no secret besides the last one")]
    NoFormerSecret,
    /// There is a subscription with this name.
    #[error("a subscription with this name is there already; `subscription list` shows it")]
    SubscriptionExists,
    /// There is none with this name.
    #[error("there is no subscription with this name; `subscription list` shows all")]
    SubscriptionUnknown,
    /// The client does not have this certificate.
    #[error("the client does not have this certificate; `reader list` shows those that it has")]
    CertificateUnknown,
    /// There is a registration of this issuer.
    #[error("a registration of this issuer is there already; `reader registrations` shows it")]
    RegistrationExists,
    /// There is none that waits with this id.
    #[error("no registration with this id waits for a decision; `reader registrations` shows all")]
    RegistrationUnknown,
    /// As many wait as may.
    #[error(
        "as many registrations wait for approval as may; decide them with `reader approve` or `reader reject`"
    )]
    TooManyRegistrations,
    /// The configuration may not approve it.
    #[error("the registration waits for an operator: `reader approve` or `reader reject`")]
    ApprovalNeeded,
    /// Another change was made at the same time.
    #[error("it was changed at the same time; look again, and repeat what still applies")]
    ChangedMeanwhile,
    /// It is the only certificate of the client.
    #[error(
        "it is the only certificate of the client: without one, the client could read with any certificate of a \
         community and its secret; add another certificate first, or suspend the client"
    )]
    LastCertificate,
}

/// Why an enrolment cannot be changed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentConflict {
    /// There is one with this id.
    #[error("an enrolment with this id is there already; try again")]
    Exists,
    /// Its state is another one.
    #[error("the enrolment is in another state by now; `enrol show` says in which")]
    State,
    /// As many requests wait as may.
    #[error("as many requests wait as enrol.max-pending allows; approve or reject some")]
    Full,
    /// As many renewals of one chain were asked for within a day as may.
    #[error("as many renewals of the certificate came within a day as enrol.renewals-per-day allows")]
    TooManyRenewals,
    /// Another enrolment has this certificate.
    #[error("another enrolment has this certificate already; `enrol list` shows all")]
    CertificateTaken,
    /// What it renews was withdrawn.
    #[error(
        "the certificate that it renews, its device, its client or the organisation of that was withdrawn meanwhile; \
         reject this request"
    )]
    Withdrawn,
}
