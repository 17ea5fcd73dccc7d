//! The status of an observation (OBX-11, HL7 table 0085).

/// The name of the status; `None` when the table does not have the code.
pub(super) fn name(code: &[u8]) -> Option<&'static str> {
    let found = STATUSES.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(code.trim_ascii()));
    found.map(|(_, name)| *name)
}

/// `wrong` or `deleted`: the sender withdrew the observation, and its value is not valid.
pub(super) fn withdrawn(code: &[u8]) -> Option<&'static str> {
    name(code).filter(|name| [WRONG, DELETED].contains(name))
}

const DELETED: &str = "deleted";
const WRONG: &str = "wrong";

const STATUSES: [(&str, &str); 13] = [
    ("C", "corrected"),
    ("D", DELETED),
    ("F", "final"),
    ("I", "pending"),
    ("N", "not asked"),
    ("O", "order detail"),
    ("P", "preliminary"),
    ("R", "not verified"),
    ("S", "partial"),
    ("U", "final, not retransmitted"),
    ("W", WRONG),
    ("X", "not obtained"),
    ("V", "verified"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wrong_and_deleted_values_are_withdrawn() {
        let names = ["F", "P", "R", "C", "X", "w", " D "].map(|code| name(code.as_bytes()).unwrap());
        assert_eq!(
            names,
            ["final", "preliminary", "not verified", "corrected", "not obtained", "wrong", "deleted"]
        );
        for (code, name) in STATUSES {
            assert_eq!(withdrawn(code.as_bytes()).is_some(), [WRONG, DELETED].contains(&name), "{code}");
        }
        assert_eq!((name(b""), name(b"Q"), withdrawn(b"")), (None, None, None));
    }
}
