//! The JSON of devices, messages, orders, audit rows and sessions.
//!
//! The command line and the HTTP API show the same objects: each object has one type here, whose fields are
//! the keys. Keys are stable. Times are RFC 3339 in UTC. Nothing here holds the content of a message, except
//! [`Tree`] and the exports, which say so.

mod alarm_device;
mod alert;
mod answer;
mod audit;
mod certificate;
mod content_search;
mod csv;
mod device;
mod fleet;
mod judgement;
mod message;
mod order;
mod removal;
mod sentence;
mod server;
mod session;
mod status;
mod store_error;
mod tree;
mod trend;
mod value;

pub use alert::{ReportedAlert, not_shown_in_words};
pub use answer::AnswerView;
pub use audit::AuditRowView;
pub use certificate::CertificateView;
pub use content_search::{ContentQuery, ContentTerms};
pub use csv::csv_cell;
pub use device::{
    DeviceDetails, DeviceStandingView, DeviceView, LiveDeviceView, RemovedDeviceView, SeenIdentityView,
    is_not_allowed,
};
pub use fleet::{ConnectionView, RefusalView, StandingView, StepView, WhyView};
pub use judgement::JudgementView;
pub use message::{BatchView, ForwardView, MessageDetails, MessageExport, MessageView, ReconsideredView};
pub use order::{OrderExport, OrderView};
pub use removal::RemovalView;
pub use server::{NodeClockView, RiskView, ServerView};
pub use session::{BehindView, FeedView, SessionView};
pub use status::{GlanceView, StatusView, StoreRoomView};
pub use store_error::{code_of, help_of};
pub use tree::{
    AlertFacets, AlsoStated, DoubtedFacet, Excerpt, Node, OtherField, OtherSegment, Patient, Request, Tree,
    TreeOptions,
};
pub use trend::{Minute, Trend};
pub use value::Term;

#[cfg(test)]
mod tests {
    mod cost;
    mod facet_agreement;
}
