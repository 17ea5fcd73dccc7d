//! What can be wrong with a row of a chain.

use std::fmt;

use super::signature::Distrust;

/// The fault of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is missing, and later ones exist.
    Missing,
    /// Its number occurs twice.
    Inserted,
    /// Its content differs from what was written.
    Altered,
    /// Rows of later numbers precede it.
    Moved,
    /// It and all later ones are missing, and the store's record of the last signature shows that they
    /// existed.
    TailCut,
    /// It is not the one that the store recorded with the last signature.
    OtherEnd,
    /// It and the rows after it were not signed in time.
    Unsigned,
    /// It is an invalid signature.
    Signature(Distrust),
    /// The rows before it are gone, without a valid signature of the platform that removed them.
    Beginning(Distrust),
    /// The rows before it are gone, and no row of the chain records their removal.
    PruningUnrecorded,
    /// It says that rows were removed, and the platform has signed no beginning of the chain behind them.
    PruningUnsigned,
    /// It says that messages were removed, and the platform has not signed that they may be.
    Unpermitted,
    /// It is one that only a serving platform writes, and no row of the chain was ever signed.
    NeverSigned,
    /// It belongs to no node: its name cannot be one.
    NoNode,
    /// A signed row of another chain names it as the last row of this one, and it is missing or another one.
    ListedElsewhere,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing: it was removed, or given another number"),
            Self::Inserted => f.write_str("is there twice: one of them was inserted"),
            Self::Altered => f.write_str("is not what was written: it was changed, inserted or moved"),
            Self::Moved => f.write_str("was moved: rows that came after it stand before it"),
            Self::TailCut => f.write_str("is missing, and so is every row after it: the end was cut off"),
            Self::OtherEnd => {
                f.write_str("is not the row that was last at the last signature: the chain was rewritten")
            }
            Self::Unsigned => f.write_str(
                "and the rows after it were not signed within audit.sign-every: signatures were removed, or could not \
                 be made",
            ),
            Self::Signature(distrust) => write!(f, "holds a signature that does not count: {distrust}"),
            Self::Beginning(distrust) => {
                write!(f, "is the first, and the signature that should say so does not count: {distrust}")
            }
            Self::PruningUnrecorded => {
                f.write_str("is the first, and no later row records that the rows before it were removed")
            }
            Self::PruningUnsigned => f.write_str(
                "says that retention removed rows of the trail, and the platform has signed no beginning behind them: it \
                 was forged",
            ),
            Self::Unpermitted => f.write_str(
                "says that retention removed messages, and the platform has not signed that messages of that age may be \
                 gone: an earlier version wrote it, or it was forged",
            ),
            Self::NeverSigned => f.write_str(
                "is one that only a serving platform writes, and the platform never signed a row of this chain: it was \
                 forged, or the key could not sign",
            ),
            Self::NoNode => f.write_str(
                "is the first of rows under a name that no node can have: they were inserted",
            ),
            Self::ListedElsewhere => f.write_str(
                "is missing, or is another one than a row audit-signed of another node lists: the chain, or its end, \
                 was removed or rewritten",
            ),
        }
    }
}
