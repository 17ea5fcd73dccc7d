//! Whether a chain is whole.

use std::fmt;

use jiff::Timestamp;

use super::signature::SignedLink;
use super::{Beginning, Distrust, Link, RowHash, SignatureJudge, begin_bytes, signed_bytes};
use crate::audit::Event;
use crate::model::NodeName;

/// A row as it stands in the store, believed in nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainRow {
    /// Its place among the rows of all nodes.
    pub sequence: i64,
    /// Its place in the chain.
    pub number: i64,
    /// When it happened, in microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// The name of the event.
    pub event: String,
    /// The details.
    pub details: String,
    /// What is said to be its hash.
    pub hash: Vec<u8>,
}

/// Follows a chain, row by row.
pub struct Verifier<'j> {
    node: NodeName,
    judge: &'j dyn SignatureJudge,
    /// What the first row follows on.
    begin: Link,
    last: Link,
    last_sequence: i64,
    /// The last signed place, and the hashes of the rows after it: what the next signature may be about.
    signed: Link,
    since: Vec<RowHash>,
    signature: Option<LastSignature>,
}

/// A chain in which nothing is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intact {
    /// Its last row.
    pub end: Link,
    /// Its last signature, if it has one.
    pub signature: Option<LastSignature>,
}

/// The last signature of a chain. Rows up to there cannot have been computed anew by somebody without the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastSignature {
    /// The last row that it covers.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
}

/// The first row of a chain with which something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {number} of node {node} {fault}")]
pub struct Broken {
    /// Whose chain.
    pub node: NodeName,
    /// Which row.
    pub number: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not there, and later ones are.
    Missing,
    /// Its number was there before.
    Inserted,
    /// Its content is not what was written in its place.
    Altered,
    /// Rows of later numbers stand before it.
    Moved,
    /// It is not there, nor is any later one, and the store knows that it was.
    TailCut,
    /// It stands behind the end that the store knows of.
    BehindTheEnd,
    /// It is the last, and another one was written there.
    OtherEnd,
    /// It is a signature that counts for nothing.
    Signature(Distrust),
    /// The rows before it are gone, and nothing that counts says that the platform removed them.
    Beginning(Distrust),
}

impl<'j> Verifier<'j> {
    /// Begins at the beginning of the chain of `node`.
    #[must_use]
    pub const fn new(node: NodeName, judge: &'j dyn SignatureJudge) -> Self {
        Self {
            node,
            judge,
            begin: Link::START,
            last: Link::START,
            last_sequence: i64::MIN,
            signed: Link::START,
            since: Vec::new(),
            signature: None,
        }
    }

    /// Begins where the platform signed that older rows were removed.
    ///
    /// # Errors
    /// When the signature counts for nothing.
    pub fn beginning(
        node: NodeName,
        judge: &'j dyn SignatureJudge,
        beginning: &Beginning,
    ) -> Result<Self, Broken> {
        let Beginning { link, signature, at } = beginning;
        let verifier = Self::new(node, judge);
        judge
            .judge(&begin_bytes(&verifier.node, link), signature, *at)
            .map_err(|distrust| verifier.broken(link.number.saturating_add(1), Fault::Beginning(distrust)))?;
        Ok(Self { begin: *link, last: *link, signed: *link, ..verifier })
    }

    /// Takes the next row, in the order of the numbers.
    ///
    /// # Errors
    /// When it is not the row that was written there.
    pub fn row(&mut self, row: &ChainRow) -> Result<(), Broken> {
        let expected = self.last.number.saturating_add(1);
        let number = u64::try_from(row.number).unwrap_or(0);
        if number < expected {
            return Err(self.broken(number, Fault::Inserted));
        }
        if number > expected {
            return Err(self.broken(expected, Fault::Missing));
        }
        let at = Timestamp::from_microsecond(row.at).map_err(|_| self.broken(number, Fault::Altered))?;
        let link = self.last.next(&self.node, at, &row.event, &row.details);
        if row.hash != link.hash.as_bytes() {
            return Err(self.broken(number, Fault::Altered));
        }
        if row.sequence <= self.last_sequence {
            return Err(self.broken(number, Fault::Moved));
        }
        if row.event == Event::AUDIT_SIGNED {
            self.signature(&row.details, at)
                .map_err(|distrust| self.broken(number, Fault::Signature(distrust)))?;
        }
        self.since.push(link.hash);
        self.last = link;
        self.last_sequence = row.sequence;
        Ok(())
    }

    /// Compares the end with what the store knew of it: before the rows were read, and after.
    ///
    /// # Errors
    /// When the chain ended elsewhere.
    pub fn finish(self, known_before: &Link, known_after: &Link) -> Result<Intact, Broken> {
        if self.last.number < known_before.number {
            return Err(self.broken(self.last.number.saturating_add(1), Fault::TailCut));
        }
        if self.last.number > known_after.number {
            return Err(self.broken(known_after.number.saturating_add(1), Fault::BehindTheEnd));
        }
        let known = [known_before, known_after];
        if known.iter().any(|known| known.number == self.last.number && known.hash != self.last.hash) {
            return Err(self.broken(self.last.number, Fault::OtherEnd));
        }
        Ok(Intact { end: self.last, signature: self.signature })
    }

    /// The last row that was taken.
    #[must_use]
    pub const fn last(&self) -> &Link {
        &self.last
    }

    fn signature(&mut self, details: &str, at: Timestamp) -> Result<(), Distrust> {
        let SignedLink { link, signature } = SignedLink::read(details).ok_or(Distrust::Unreadable)?;
        if self.begin != Link::START && link.number <= self.begin.number {
            // What it signed was removed meanwhile; only the last row of that is still known.
            if link.number == self.begin.number && link.hash != self.begin.hash {
                return Err(Distrust::OtherRows);
            }
            self.judge.judge(&signed_bytes(&self.node, &link), &signature, at)?;
            self.signature = Some(LastSignature { number: link.number, at });
            return Ok(());
        }
        // The writer signs what it has just read, so the place lies behind the last signed one.
        let behind = link.number.checked_sub(self.signed.number).and_then(|behind| behind.checked_sub(1));
        let index = behind.and_then(|index| usize::try_from(index).ok()).ok_or(Distrust::OtherRows)?;
        if self.since.get(index) != Some(&link.hash) {
            return Err(Distrust::OtherRows);
        }
        self.judge.judge(&signed_bytes(&self.node, &link), &signature, at)?;
        self.since.drain(..=index);
        self.signed = link;
        self.signature = Some(LastSignature { number: link.number, at });
        Ok(())
    }

    fn broken(&self, number: u64, fault: Fault) -> Broken {
        Broken { node: self.node.clone(), number, fault }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing: it was removed, or given another number"),
            Self::Inserted => f.write_str("is there twice: one of them was inserted"),
            Self::Altered => f.write_str("is not what was written: it was changed, inserted or moved"),
            Self::Moved => f.write_str("was moved: rows that came after it stand before it"),
            Self::TailCut => f.write_str("is missing, and so is every row after it: the end was cut off"),
            Self::BehindTheEnd => f.write_str("stands behind the end of the chain: it was inserted"),
            Self::OtherEnd => {
                f.write_str("is not the row that was written last: the chain was computed anew")
            }
            Self::Signature(distrust) => write!(f, "holds a signature that does not count: {distrust}"),
            Self::Beginning(distrust) => {
                write!(f, "is the first, and the signature that should say so does not count: {distrust}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Signer as _;
    use crate::audit::fixtures::Repeating;

    /// The name of an event, and its details.
    type Told = (String, String);

    fn node() -> NodeName {
        "node-1".parse().unwrap()
    }

    /// Links rows as the store does: `(event, details)` in their order.
    fn linked(rows: &[Told]) -> Vec<ChainRow> {
        let mut link = Link::START;
        let mut chain = Vec::new();
        for (event, details) in rows {
            link = link.next(&node(), Timestamp::UNIX_EPOCH, event, details);
            let number = i64::try_from(link.number).unwrap();
            let hash = link.hash.as_bytes().to_vec();
            chain.push(ChainRow {
                sequence: number * 10,
                number,
                at: 0,
                event: event.clone(),
                details: details.clone(),
                hash,
            });
        }
        chain
    }

    fn plain(count: usize) -> Vec<Told> {
        (0..count).map(|n| ("event".to_owned(), format!("{{\"n\":{n}}}"))).collect()
    }

    fn end(chain: &[ChainRow]) -> Link {
        chain.last().map_or(Link::START, |row| Link {
            number: u64::try_from(row.number).unwrap(),
            hash: RowHash::from_bytes(&row.hash).unwrap(),
        })
    }

    /// Five rows, a signature over the fourth of them, and two more.
    fn signed() -> Vec<ChainRow> {
        let mut rows = plain(5);
        let link = end(&linked(&rows)[..4]);
        let signature = Repeating.sign(&signed_bytes(&node(), &link)).unwrap();
        let event = Event::AuditSigned { link, signature };
        rows.push((event.name().to_owned(), event.details()));
        rows.extend(plain(2));
        linked(&rows)
    }

    fn verify(chain: &[ChainRow], end: &Link) -> Result<Intact, Broken> {
        let mut verifier = Verifier::new(node(), &Repeating);
        chain.iter().try_for_each(|row| verifier.row(row))?;
        verifier.finish(end, end)
    }

    fn fault(chain: &[ChainRow], end: &Link) -> (u64, Fault) {
        let broken = verify(chain, end).unwrap_err();
        (broken.number, broken.fault)
    }

    #[test]
    fn a_chain_that_was_left_alone_is_whole_and_tells_how_far_it_is_signed() {
        let chain = signed();
        let intact = verify(&chain, &end(&chain)).unwrap();
        assert_eq!(intact.end.number, 8);
        assert_eq!(intact.signature, Some(LastSignature { number: 4, at: Timestamp::UNIX_EPOCH }));
        assert_eq!(verify(&[], &Link::START).unwrap(), Intact { end: Link::START, signature: None });
    }

    #[test]
    fn the_first_row_with_which_something_is_wrong_is_named() {
        let chain = signed();
        let end = end(&chain);
        let with = |change: &dyn Fn(&mut Vec<ChainRow>)| {
            let mut changed = chain.clone();
            change(&mut changed);
            fault(&changed, &end)
        };
        assert_eq!(with(&|chain| chain[2].details = "{}".to_owned()), (3, Fault::Altered));
        assert_eq!(with(&|chain| chain[2].at += 1), (3, Fault::Altered));
        assert_eq!(with(&|chain| chain[2].at = i64::MAX), (3, Fault::Altered));
        assert_eq!(with(&|chain| chain[2].event.clear()), (3, Fault::Altered));
        assert_eq!(with(&|chain| chain[2].hash.clear()), (3, Fault::Altered));
        assert_eq!(with(&|chain| drop(chain.remove(0))), (1, Fault::Missing));
        assert_eq!(with(&|chain| drop(chain.remove(2))), (3, Fault::Missing));
        assert_eq!(with(&|chain| chain.insert(2, chain[1].clone())), (2, Fault::Inserted));
        assert_eq!(with(&|chain| chain[2].number = -3), (0, Fault::Inserted));
        assert_eq!(with(&|chain| chain.truncate(6)), (7, Fault::TailCut));
        assert_eq!(with(&|chain| chain.clear()), (1, Fault::TailCut));
        assert_eq!(with(&|chain| chain[3].sequence = 0), (4, Fault::Moved));
        let swapped = with(&|chain| {
            let (one, other) = (chain[1].details.clone(), chain[2].details.clone());
            (chain[1].details, chain[2].details) = (other, one);
        });
        assert_eq!(swapped, (2, Fault::Altered));
        // Everything from there on given new numbers does not help.
        let renumbered = with(&|chain| {
            chain.remove(2);
            chain.iter_mut().skip(2).for_each(|row| row.number -= 1);
        });
        assert_eq!(renumbered, (3, Fault::Altered));
    }

    #[test]
    fn a_chain_that_was_computed_anew_ends_elsewhere_or_breaks_at_its_signature() {
        let chain = signed();
        let anew = |change: &dyn Fn(&mut Vec<Told>)| {
            let mut rows: Vec<_> = chain.iter().map(|row| (row.event.clone(), row.details.clone())).collect();
            change(&mut rows);
            linked(&rows)
        };
        // The end that the store knows was put right as well: only the signature is left to tell.
        let changed = anew(&|rows| rows[2].1 = "{}".to_owned());
        let other_rows = Fault::Signature(Distrust::OtherRows);
        assert_eq!(fault(&changed, &end(&changed)), (6, other_rows));
        let shorter = anew(&|rows| drop(rows.remove(2)));
        assert_eq!(fault(&shorter, &end(&shorter)), (5, other_rows));
        let unreadable = anew(&|rows| rows[5].1 = "{}".to_owned());
        assert_eq!(fault(&unreadable, &end(&unreadable)), (6, Fault::Signature(Distrust::Unreadable)));
        let forged = anew(&|rows| rows[5].1 = rows[5].1.replace("\"signature\":\"70", "\"signature\":\"71"));
        assert_eq!(fault(&forged, &end(&forged)), (6, Fault::Signature(Distrust::Forged)));
        // Behind the last signature there is the end.
        let behind = anew(&|rows| rows[7].1 = "{}".to_owned());
        assert_eq!(fault(&behind, &end(&chain)), (8, Fault::OtherEnd));
        let longer = anew(&|rows| rows.extend(plain(1)));
        assert_eq!(fault(&longer, &end(&chain)), (9, Fault::BehindTheEnd));
    }

    fn pruned(chain: &[ChainRow], gone: usize) -> Result<Intact, Broken> {
        let link = end(&chain[..gone]);
        let signature = Repeating.sign(&begin_bytes(&node(), &link)).unwrap();
        let beginning = Beginning { link, signature, at: Timestamp::UNIX_EPOCH };
        let mut verifier = Verifier::beginning(node(), &Repeating, &beginning)?;
        chain[gone..].iter().try_for_each(|row| verifier.row(row))?;
        verifier.finish(&end(chain), &end(chain))
    }

    #[test]
    fn a_chain_may_begin_where_the_platform_signed_that_it_does() {
        let chain = signed();
        for gone in 1..=chain.len() {
            let intact = pruned(&chain, gone).unwrap();
            assert_eq!(intact.end, end(&chain), "{gone}");
            assert_eq!(intact.signature.is_some(), gone <= 5, "{gone}: the signature is the sixth row");
        }
        // Another beginning than that of this chain.
        let other = linked(&plain(8));
        let link = end(&other[..2]);
        let signature = Repeating.sign(&begin_bytes(&node(), &link)).unwrap();
        let beginning = Beginning { link, signature, at: Timestamp::UNIX_EPOCH };
        let mut verifier = Verifier::beginning(node(), &Repeating, &beginning).unwrap();
        assert_eq!(verifier.row(&chain[2]), Ok(()), "the same rows so far");
        assert_eq!(verifier.row(&chain[4]).unwrap_err().fault, Fault::Missing);
        // A signature over an end does not count as one over a beginning.
        let signature = Repeating.sign(&signed_bytes(&node(), &link)).unwrap();
        let forged = Beginning { signature, ..beginning };
        let broken = Verifier::beginning(node(), &Repeating, &forged).err().unwrap();
        assert_eq!((broken.number, broken.fault), (3, Fault::Beginning(Distrust::Forged)));
    }

    #[test]
    fn a_chain_may_grow_while_it_is_read() {
        let chain = signed();
        let mut verifier = Verifier::new(node(), &Repeating);
        chain.iter().take(7).for_each(|row| verifier.row(row).unwrap());
        assert_eq!(verifier.last(), &end(&chain[..7]));
        assert!(verifier.finish(&end(&chain[..6]), &end(&chain)).is_ok());
    }
}
