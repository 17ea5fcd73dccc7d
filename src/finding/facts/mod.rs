//! The facts of findings: named and typed values, a closed list for each code.
//!
//! The sentence of a finding is made of its facts, and API, notifications, page and the description of the
//! API (OpenAPI) show the same ones. Facts never have content of a message.

mod device;
mod partner;
mod platform;
mod store;
mod time;
mod trust;

pub use device::{
    DeviceCertificateEnding, DeviceLeft, DeviceLockedOut, DeviceNeverSeen, DeviceRefused, DeviceRejected,
    DeviceSilent, ForwardRefused, OrderFailed, OrderOutcome,
};
pub use partner::{
    EndingReader, GivenUpSubscription, PartnerNotificationsBehind, PartnerNotificationsGivenUp,
    PartnerNotificationsWaiting, ReaderCertificateEnding, WaitingSubscription,
};
pub use platform::{
    ClockDifference, ClockUnconfirmed, EnrolmentWaiting, FailingReceiver, FhirBehind, ForwardQueueFull,
    ForwardStranded, ForwardStuck, LimitNear, NotAccepting, NotificationFailing, PlatformUnreachable,
    ReceiverOfUnknownWards, ReloadRefused, RestartPending, ResultMissing, ShuttingDown, TaskFailed,
    UsedLimit,
};
pub use store::{
    AuditChainBroken, AuditEndUnread, BackupOld, BrokenRow, CopyReplaced, DiskFilling, DiskRate,
    MessageDamaged, OtherChainBroken, SizeLimitNear, SizeOutlook, SizedKind, StoreRightMissing, StoreRisk,
    StoreUnavailable,
};
pub use time::{At, days_until};
pub use trust::{
    AdminCertificateUnfit, AdminUnfitReason, CaEnding, CrlEnding, CrlOlder, PlatformCertificateEnding,
    PlatformCertificateRevoked, RootOf, RootUnfit, StapleMissing,
};
