//! Enrolment of certificates: invitations, requests, and what is asked of a request. Pure.
//!
//! An operator invites a partner or a device: an [`Enrolment`] with a code that counts once. The partner
//! sends a PKCS#10 request with the code, in the manner of EST (RFC 7030), and waits. An operator approves or
//! rejects it. An approved one has a certificate, by which it is renewed later.

mod body;
mod code;
mod device;
mod id;
mod owner;
mod policy;
mod private_key;
mod record;
mod refused;
mod role;
mod text;

pub use body::request_in;
pub use code::{Code, NoRandomness};
pub use device::InvitedDevice;
pub use id::{EnrolmentId, EnrolmentIdError};
pub use owner::{Others, is_same_uri};
pub use policy::Policy;
pub use record::{Certified, CheckedRequest, Decision, Enrolment, Invitation, Record, Requested, State};
pub use refused::RefusedEnrolment;
pub use role::Role;
