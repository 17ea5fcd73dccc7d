//! Why no path was accepted.

use crate::model::Refusal;

/// The reason of the path that failed last of all its steps: of several candidate paths, the one that came
/// closest to acceptance says what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tls) struct PathError {
    pub(in crate::tls) refusal: Refusal,
    /// The object identifier of the extension that is not supported, if that is the reason.
    pub(in crate::tls) extension: Option<String>,
    stage: Stage,
}

/// How far a path came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// No path to a root by the names.
    Names,
    /// The signatures from the root downwards.
    Signatures,
    /// The rules of RFC 5280 6.1.
    Rules,
    /// The rules for the client's certificate; its CAs comply with theirs.
    Leaf,
    /// Revocation and the directory.
    Admission,
    /// A certificate is revoked: this must never be hidden by another path (A9.4).
    Revoked,
}

impl PathError {
    pub(super) const fn new(stage: Stage, refusal: Refusal) -> Self {
        Self { refusal, extension: None, stage }
    }

    /// A violated rule of RFC 5280 6.1.
    pub(in crate::tls) const fn rule(refusal: Refusal) -> Self {
        Self::new(Stage::Rules, refusal)
    }

    pub(super) const fn unsupported(extension: String) -> Self {
        Self { refusal: Refusal::UnsupportedExtension, extension: Some(extension), stage: Stage::Rules }
    }

    /// The same about the client's certificate, when its CAs comply with their rules.
    pub(in crate::tls) fn of_leaf(self) -> Self {
        Self { stage: Stage::Leaf, ..self }
    }

    /// Whether a CA that an installed root has certified, and that may do so, has issued the client's
    /// certificate: no stranger can make another one.
    pub(in crate::tls) fn is_about_issued(&self) -> bool {
        self.stage >= Stage::Leaf
    }

    /// The path is valid, and its certificates or its device are not admitted.
    pub(in crate::tls) fn admission(refusal: Refusal) -> Self {
        let stage = if refusal == Refusal::Revoked { Stage::Revoked } else { Stage::Admission };
        Self::new(stage, refusal)
    }

    /// The one of two errors that says more; the earlier of two that say as much.
    pub(super) fn worse(self, other: Self) -> Self {
        if other.stage > self.stage { other } else { self }
    }
}
