//! The platform side of IHE PCD over mutual TLS.
//!
//! The modules in the order of the data flow: [`mllp`] decodes bytes into frames, [`hl7`] parses frames into
//! messages, [`pcd`] reads transactions and device identities from messages, [`fhir`] maps them to FHIR
//! resources, [`projector`] keeps the index from which these are read, [`render`] renders them, and [`api`]
//! answers hospital systems. [`x509`] reads certificates;
//! [`tls`], [`revocation`] and [`authz`] decide whether a peer may connect. [`store`] holds messages and the
//! audit trail, [`audit`] defines the trail's events and its chain of hashes. [`interface_a`] serves devices,
//! [`southbound`] sends messages to them, [`liveness`] notices devices that stop sending, [`contact`]
//! remembers each device and each refused peer. [`clients`] says which hospital systems may read what, and
//! [`enrol`] how they and devices get a certificate.
//! [`interface_b`] is the device's side of the same specification, and [`simulate`] has thousands of such
//! devices; [`gateway`] joins both interfaces to forward what devices send to another platform.
//! [`audit_forwarder`] sends the audit trail to an Audit Record Repository, [`http`] serves operators, with
//! the JSON of [`view`] and the pages of [`page`], and [`pki`] issues certificates where there is no other
//! authority. [`finding`] lists what operators should know, and [`fleet`] says how each device stands;
//! [`notify`] reports findings to webhooks, and [`outbound`] posts the notifications of partners. [`model`],
//! [`config`], [`metrics`] and [`filesystem`] are shared by all; [`app`] puts the modules together and
//! [`cli`] starts them.
//!
//! Modules depend only on lower layers; `tests/it/architecture` checks that.

#![forbid(unsafe_code)]

pub mod api;
pub mod app;
pub mod audit;
pub mod audit_forwarder;
pub mod authz;
pub mod cli;
pub mod clients;
pub mod config;
pub mod contact;
pub mod enrol;
pub mod fhir;
pub mod filesystem;
pub mod finding;
pub mod fleet;
pub mod gateway;
pub mod hl7;
pub mod http;
pub mod interface_a;
pub mod interface_b;
pub mod liveness;
pub mod metrics;
pub mod mllp;
pub mod model;
pub mod notify;
pub mod oauth;
pub mod outbound;
pub mod page;
pub mod pcd;
pub mod pki;
pub mod projector;
pub mod proxy_header;
pub mod render;
pub mod revocation;
pub mod simulate;
pub mod southbound;
pub mod store;
pub mod tls;
pub mod view;
pub mod x509;
