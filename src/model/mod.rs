//! Types that every layer shares: identifiers of devices, messages and certificates, refusals, the clock. No
//! I/O; [`Clock`] is the only code that reads the machine's time.

mod arrival_order;
mod beside_tasks;
mod bind_error;
mod clock;
mod deadline;
mod deceptive;
mod device_id;
mod explained;
mod fault_point;
mod fingerprint;
pub(crate) mod hexadecimal;
mod key_hash;
mod message_id;
mod node_name;
mod refusal;
mod schema_name;
mod silent_after;
mod store_risk;
mod store_url;
mod task;
mod while_waiting;
pub mod work;

pub(crate) use beside_tasks::beside_tasks;
pub use bind_error::BindError;
pub use clock::Clock;
pub use deadline::Deadline;
pub(crate) use deceptive::{is_deceptive, json_without_deception, without_deception};
pub use device_id::{DeviceId, DeviceIdError};
pub(crate) use explained::explained;
pub use fault_point::{content_fault_point, fault_point, injected_fault};
pub use fingerprint::Fingerprint;
pub use key_hash::{KeyHash, KeyHashError};
pub use message_id::{MessageId, MessageIdError, SessionId};
pub use node_name::{NodeName, NodeNameError};
pub use refusal::Refusal;
pub use schema_name::{InvalidSchemaName, SchemaName};
pub use silent_after::SilentAfter;
pub use store_risk::{FoundRisks, StoreRisk, StoreRisks};
pub use store_url::StoreUrl;
pub use task::Task;
pub(crate) use while_waiting::{Wait, giving_back, note_hello_retry, take_hello_retry, while_waiting};
