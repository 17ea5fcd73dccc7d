//! The JSON of devices, messages, orders, audit rows and sessions.
//!
//! The command line and the HTTP API show the same objects: each object has one type here, whose fields are
//! the keys. Keys are stable. Times are RFC 3339 in UTC. Nothing here holds the content of a message, except
//! [`Tree`] and the exports, which say so.

mod alert;
mod audit;
mod device;
mod judgement;
mod known_patient;
mod message;
mod order;
mod sentence;
mod server;
mod session;
mod standing;
mod status;
mod tree;
mod value;

pub use alert::ReportedAlert;
pub use audit::AuditRowView;
pub use device::{
    DeviceDetails, DeviceView, LiveDeviceView, RemovedDeviceView, SeenIdentityView, is_not_allowed,
};
pub use judgement::{AnswerView, JudgementView};
pub use message::{BatchView, MessageDetails, MessageExport, MessageView, ReconsideredView};
pub use order::{OrderExport, OrderView};
pub use server::{NodeClockView, RiskView, ServerView};
pub use session::{BehindView, FeedView, SessionView};
pub use status::{GlanceView, StatusView};
pub use tree::{
    AlertFacets, DoubtedFacet, Node, OtherField, OtherSegment, Patient, Request, Tree, TreeOptions,
};
pub use value::Term;
