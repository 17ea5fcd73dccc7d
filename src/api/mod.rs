//! What hospital systems read.

pub mod fhir;
