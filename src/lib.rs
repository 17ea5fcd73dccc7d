//! The platform side of IHE PCD over mutual TLS.
//!
//! The modules in the order in which data meets them: bytes become frames ([`mllp`]), frames become messages
//! ([`hl7`]), messages become transactions and claims of identity ([`pcd`]); certificates are read ([`x509`])
//! and judged ([`tls`], [`revocation`], [`authz`]); what came is kept ([`store`]) and accounted for ([`audit`]).
//! [`interface_a`] is where a device meets all of that, [`liveness`] watches whether it goes on sending, [`southbound`] the way of a message to a device, [`interface_b`] is the device's side of the same
//! specification, [`audit_forwarder`] sends the account of it all away, [`http`] is the operator's side. [`pki`] makes
//! certificates where there is no other authority. All of them share the words of [`model`], the [`config`] and the
//! [`metrics`]; [`app`] puts the pieces together and [`cli`] starts them.
//!
//! Edges between modules only point downward; `tests/it/architecture` holds them.

#![forbid(unsafe_code)]

pub mod app;
pub mod audit;
pub mod audit_forwarder;
pub mod authz;
pub mod cli;
pub mod config;
pub mod hl7;
pub mod http;
pub mod interface_a;
pub mod interface_b;
pub mod liveness;
pub mod metrics;
pub mod mllp;
pub mod model;
pub mod pcd;
pub mod pki;
pub mod revocation;
pub mod southbound;
pub mod store;
pub mod tls;
pub mod view;
pub mod x509;
