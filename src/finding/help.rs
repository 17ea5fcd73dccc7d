//! Help pages: one for each code of a finding, refusal, rejection, warning and risk.
//!
//! The files of `docs/help` are part of the program, so that they can be read where there is no network.

use super::code::Code;

/// A help page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HelpPage {
    /// The code that it explains.
    pub code: &'static str,
    /// The text, in Markdown; its first line is the code as a heading.
    pub text: &'static str,
}

/// The page of `code`.
#[must_use]
pub fn help(code: &str) -> Option<&'static HelpPage> {
    PAGES.binary_search_by(|page| page.code.cmp(code)).ok().and_then(|at| PAGES.get(at))
}

/// Every page, by code.
#[must_use]
pub const fn help_pages() -> &'static [HelpPage] {
    PAGES
}

impl HelpPage {
    /// The first paragraph: what the code means.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.text.split("\n\n").nth(1).unwrap_or_default().trim_end()
    }
}

/// What an operator does first about a code: one paragraph.
#[must_use]
pub fn next_step(code: &str) -> Option<String> {
    if let Some(code) = Code::ALL.iter().find(|known| known.code() == code) {
        return Some(code.what_to_do().to_owned());
    }
    let (_, steps) = help(code)?.text.split_once("\n## What to do\n\n")?;
    let step = steps.split("\n\n").next()?.split("\n2. ").next()?;
    let step = step.strip_prefix("1. ").unwrap_or(step);
    Some(step.split_whitespace().collect::<Vec<_>>().join(" "))
}

macro_rules! pages {
    ($($code:literal,)+) => {
        &[$(HelpPage { code: $code, text: include_str!(concat!("../../docs/help/", $code, ".md")) },)+]
    };
}

/// Sorted by code.
const PAGES: &[HelpPage] = pages![
    "account-unknown",
    "acknowledgement-of-other-mode",
    "address-in-use",
    "admin-certificate-unfit",
    "alert-event-missing",
    "alert-facet-contradiction",
    "alert-facet-elsewhere",
    "alert-further-event",
    "alert-inactivation-missing",
    "alert-inactivation-unknown",
    "alert-not-all-shown",
    "alert-phase-missing",
    "alert-phase-unknown",
    "alert-priority-contradiction",
    "alert-priority-missing",
    "alert-priority-unknown",
    "alert-several",
    "alert-source-missing",
    "alert-state-missing",
    "alert-state-unknown",
    "alert-type-contradiction",
    "alert-type-missing",
    "alert-type-unknown",
    "ambiguous-structure",
    "another-store",
    "answer-queue-full",
    "audit-chain-broken",
    "audit-end-unread",
    "backup-old",
    "bad-request",
    "bad-separators",
    "bad-signature",
    "batch-miscounted",
    "between-frames",
    "blanks-before-header",
    "blanks-before-segment",
    "blanks-in-header",
    "body-too-large",
    "busy",
    "byte-order-mark",
    "ca-ending",
    "certificate-policy",
    "changed-index",
    "charset-mismatch",
    "clock-difference",
    "clock-unconfirmed",
    "clock-unsynchronised",
    "communities-unusable",
    "config-syntax",
    "config-unreadable",
    "config-value",
    "conflict",
    "control-id-reused",
    "copy-replaced",
    "crl-ending",
    "crl-older",
    "crl-unreachable",
    "cut",
    "damaged-entry",
    "data-sync-retry-on",
    "device-certificate-ending",
    "device-certificate-unfit",
    "device-learning",
    "device-left",
    "device-locked-out",
    "device-never-seen",
    "device-refused",
    "device-rejected",
    "device-silent",
    "device-spelled-twice",
    "disconnected",
    "disk-filling",
    "empty-frame",
    "empty-lines",
    "end-of-stream",
    "enrolment-waiting",
    "expired",
    "fault",
    "fhir-behind",
    "foreign-code",
    "forward-queue-full",
    "forward-refused",
    "forward-stranded",
    "forward-stuck",
    "frame-bytes-between",
    "frame-file-separator-in-payload",
    "frame-line-breaks-between",
    "frame-line-feed-for-carriage-return",
    "frame-memory-limit",
    "frame-missing-carriage-return",
    "frame-repeated-start-block",
    "frame-timeout",
    "fsync-off",
    "full-page-writes-off",
    "handshake-timeout",
    "hidden-rows",
    "host-not-allowed",
    "identity-learned",
    "identity-mismatch",
    "identity-one-kind",
    "identity-unusable",
    "inappropriate-fallback",
    "incomplete-chain",
    "incomplete-message-type",
    "late-alarm",
    "limit-near",
    "line-feed-in-segment",
    "line-feeds",
    "long-control-id",
    "malformed-certificate",
    "message-damaged",
    "method-not-allowed",
    "missing-carriage-return-before-pid",
    "missing-final-carriage-return",
    "missing-identity",
    "msh-accept-acknowledgement-missing",
    "msh-acknowledgement-mode",
    "msh-application-acknowledgement-missing",
    "msh-processing-id-missing",
    "msh-profile-missing",
    "msh-sending-application-missing",
    "msh-structure-missing",
    "msh-time-missing",
    "msh-trigger-missing",
    "msh-version-missing",
    "name-constraints",
    "no-certificate",
    "no-common-name",
    "no-control-id",
    "no-header",
    "no-installed-crl",
    "no-message-type",
    "no-processing-id",
    "no-start-block",
    "not-a-table",
    "not-accepting",
    "not-admitted",
    "not-clinical",
    "not-forwarded",
    "not-found",
    "not-production",
    "not-read-back",
    "not-yet-valid",
    "nothing-in-common",
    "notification-failing",
    "numbers-not-indexed",
    "obr-filler-missing",
    "obr-number-missing",
    "obr-service-missing",
    "obx-identifier-missing",
    "obx-number-missing",
    "obx-path-malformed",
    "obx-path-missing",
    "obx-path-repeated",
    "obx-status-missing",
    "obx-status-unknown",
    "obx-term-contradiction",
    "obx-term-text",
    "obx-unit-contradiction",
    "obx-units-coding-system",
    "obx-units-missing",
    "obx-units-unusual",
    "obx-value-not-of-its-type",
    "obx-value-type-missing",
    "obx-value-type-unknown",
    "orc-action-by-missing",
    "orc-control-missing",
    "orc-not-allowed",
    "orc-placer-missing",
    "orc-time-missing",
    "order-control-id",
    "order-device-away",
    "order-device-busy",
    "order-device-unknown",
    "order-failed",
    "order-id-reused",
    "order-pump-missing",
    "order-unconfirmable",
    "order-unit-contradiction",
    "order-withdrawn",
    "other-chain-broken",
    "other-issuer",
    "oversized-chain",
    "partner-notifications-behind",
    "partner-notifications-given-up",
    "partner-notifications-waiting",
    "patient-several",
    "peer-alert",
    "people-unusable",
    "pid-identifier-missing",
    "pid-name-missing",
    "platform-certificate-ending",
    "platform-certificate-revoked",
    "platform-certificate-unfit",
    "platform-unreachable",
    "port-unreachable",
    "profile-mismatch",
    "protocol-version",
    "protocol-violation",
    "proxy-header-malformed",
    "proxy-header-missing",
    "proxy-not-allowed",
    "reader-certificate-ending",
    "receiver-unusable",
    "reconsidered",
    "reload-refused",
    "repository-unusable",
    "responder-unreachable",
    "restart-pending",
    "result-missing",
    "results-withdrawn",
    "revocation-data-unusable",
    "revocation-undetermined",
    "revoked",
    "role-missing",
    "root-shared",
    "root-unfit",
    "rxg-amount-unexpected",
    "rxg-give-code-missing",
    "rxg-number-missing",
    "rxg-rate-missing",
    "rxr-route-missing",
    "second-instance",
    "segment-missing",
    "segment-sequence",
    "shutting-down",
    "size-limit-near",
    "socket-unreachable",
    "socket-unusable",
    "staple-missing",
    "store-migration",
    "store-missing",
    "store-right-missing",
    "store-risk",
    "store-slow",
    "store-unavailable",
    "suspended-device",
    "task-failed",
    "time-malformed",
    "time-zone-missing",
    "too-large",
    "too-many-connections",
    "too-many-identities",
    "too-many-new-sessions",
    "too-many-sessions",
    "triggers-off",
    "truncated-frame",
    "unacceptable-key",
    "unacceptable-signature",
    "unavailable",
    "unexamined",
    "unexpected-acknowledgement",
    "unknown-acknowledgement-condition",
    "unknown-character-set",
    "unknown-device",
    "unknown-segment",
    "unlogged-table",
    "unsupported-event",
    "unsupported-extension",
    "unsupported-processing-id",
    "unsupported-type",
    "unsupported-version",
    "untrusted-issuer",
    "unusual-encoding-characters",
    "utf-16",
    "web-page",
    "wrapped-header",
    "wrong-purpose",
    "zero-damaged-pages-on",
    "zone-unknown",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_the_files_of_the_documentation_in_order_of_their_codes() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/help");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort_unstable();
        let pages: Vec<_> = help_pages().iter().map(|page| page.code.to_owned()).collect();
        assert_eq!(pages, files);
    }

    #[test]
    fn a_page_begins_with_its_code_and_what_it_means() {
        for page in help_pages() {
            assert!(page.text.starts_with(&format!("# {}\n\n", page.code)), "{}", page.code);
            assert!(page.summary().ends_with('.') || page.summary().ends_with(')'), "{}", page.code);
        }
        assert_eq!(help("unknown-device").map(|page| page.code), Some("unknown-device"));
        assert_eq!(help("no-such-code"), None);
    }

    #[test]
    fn the_next_step_is_one_sentence_of_the_code_or_of_its_page() {
        assert_eq!(next_step("disk-filling").as_deref(), Some(Code::DiskFilling.what_to_do()));
        let step = next_step("address-in-use").unwrap();
        assert_eq!(
            step,
            "Compare `interface-a.listen`, `api.listen`, `admin.listen` and `admin.health-listen`."
        );
        assert_eq!(next_step("no-such-code"), None);
    }

    #[test]
    fn links_of_pages_lead_to_files() {
        let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/help"));
        for page in help_pages() {
            for link in page.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let file = link.split('#').next().unwrap_or_default();
                assert!(folder.join(file).is_file(), "{}: {link}", page.code);
            }
        }
    }
}
