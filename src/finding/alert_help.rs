//! Help pages of alerts: one for each rule of `deploy/prometheus/alerts.yml`.

use super::help::HelpPage;

/// The page of an alert by its name.
#[must_use]
pub fn alert_help(name: &str) -> Option<&'static HelpPage> {
    PAGES.binary_search_by(|page| page.code.cmp(name)).ok().and_then(|at| PAGES.get(at))
}

/// Every page, by name.
#[must_use]
pub const fn alert_help_pages() -> &'static [HelpPage] {
    PAGES
}

macro_rules! pages {
    ($($name:literal,)+) => {
        &[$(HelpPage { code: $name, text: include_str!(concat!("../../docs/alerts/", $name, ".md")) },)+]
    };
}

/// Sorted by name.
const PAGES: &[HelpPage] = pages![
    "PcdAuditBroken",
    "PcdAuditNotSigned",
    "PcdAuditRepositoryAway",
    "PcdAuditRowsLost",
    "PcdBackupOld",
    "PcdCaEndsSoon",
    "PcdCertificateEnds",
    "PcdCertificateEndsSoon",
    "PcdClockUnconfirmed",
    "PcdConfigurationRefused",
    "PcdCrlExpired",
    "PcdCrlExpiresSoon",
    "PcdDeviceCertificateExpired",
    "PcdDeviceCertificatesEnding",
    "PcdDeviceLockedOut",
    "PcdDeviceMessagesRejected",
    "PcdDeviceMissing",
    "PcdDeviceRevoked",
    "PcdDeviceSilent",
    "PcdDeviceUnknown",
    "PcdDiskFilling",
    "PcdFault",
    "PcdFhirBehind",
    "PcdGatewayBehind",
    "PcdGatewayMessageRefused",
    "PcdGatewayPlatformAway",
    "PcdLimitNear",
    "PcdManyDevicesLost",
    "PcdManyDevicesSilent",
    "PcdMessagesNotStored",
    "PcdMessagesRejected",
    "PcdNotReady",
    "PcdNotificationsFailing",
    "PcdOrderFailed",
    "PcdPartnerNotificationsBehind",
    "PcdPartnerNotificationsGivenUp",
    "PcdPartnerNotificationsWaiting",
    "PcdPlatformDown",
    "PcdReadAuditGrows",
    "PcdRestartPending",
    "PcdRestarts",
    "PcdRevocationUndetermined",
    "PcdStapleMissing",
    "PcdStoreRisk",
    "PcdStoreSlow",
    "PcdTwoInstances",
];
