//! Integration tests: the real binary with real peers, the specification's requirements one by one
//! ([`conformance`]), messages of real devices ([`corpus`]), and the rules of the source tree
//! ([`architecture`]).
//!
//! One binary, because each costs a link of its own. `tests/allocations.rs` and `tests/session_costs.rs` need
//! their own allocator, and `tests/cbc_oracle.rs` calls into a C library; they stay apart.

// Clippy allows `unwrap` in helper functions only where it knows that they are tests.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests wait for other processes by the machine's clock")]
#![allow(unreachable_pub, reason = "nothing outside imports a test binary")]

mod admin;
mod admin_peers;
mod another_store;
mod architecture;
mod atna;
mod audit;
mod audit_events;
mod audit_forwarder;
mod audit_outage;
mod backup;
mod balancers;
mod browser;
mod browser_certificates;
mod browser_sessions;
mod chain_end;
mod checked;
mod cli;
mod client_send;
mod clients;
mod clocks;
mod conformance;
mod connections;
mod content_search;
mod corpus;
mod damaged_configuration;
mod demo;
mod deployment;
mod doctor;
mod documentation;
mod durability;
mod ended_identities;
mod explained;
mod fhir;
mod fhir_index;
mod fhir_readers;
mod gateway;
mod hapi;
mod harness;
mod hl7_tls;
mod hospital_systems;
mod hostile_chains;
mod hostile_device;
mod init;
mod instance;
mod interop;

mod issuing_cas;
mod keys;
mod large_pages;
mod lifecycle;
mod log_output;
mod logs;
mod loss;
mod machine;
mod manual;
mod messages;
mod metrics;
mod monitoring;
mod names;
mod no_expiry;
mod node_clocks;
mod nomenclature;
mod notifications;
mod open_admin_connections;
mod openssl;
mod openssl_client;
mod operators;
mod outages;
mod page_details;
mod page_forms;
mod page_rows;
mod pages;
mod path_rules;
mod patient_data;
mod patient_pages;
mod people;
mod people_certificates;
mod pki;
mod planted;
mod possession;
mod postgres;
mod profiles;
mod proxy;
mod python;
mod readers;
mod readiness;
mod reference_client;
mod registration;
mod reload;
mod remote_commands;
mod renewal;
mod restore;
mod resumption;
mod retention;
mod retention_by_size;
mod revocation;
mod revocation_hostile;
mod rights;
mod second_opinion;
mod senders;
mod service_manager;
mod shipped;
mod silent_peers;
mod simulate;
mod soak;
mod southbound;
mod standing;
mod stapling;
mod status;
mod store_access;
mod store_opening;
mod store_setup;
mod storm;
mod strangers;
mod supervision;
mod support_bundle;
mod systemd_boot;
mod tls_suites;
#[cfg(feature = "pkcs11")]
mod token;
mod tutorial;
mod unfit_certificates;
mod upgrade;
mod upkeep;
mod views;
mod why;
