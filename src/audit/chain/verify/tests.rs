//! Tests of the verification of a chain.

use super::*;
use crate::audit::Signer as _;
use crate::audit::fixtures::Repeating;

/// The name of an event, and its details.
type EventRow = (String, String);

fn node() -> NodeName {
    "node-1".parse().unwrap()
}

/// Chains rows as the store does: `(event, details)` in order.
fn linked(rows: &[EventRow]) -> Vec<ChainRow> {
    let mut link = ChainHead::START;
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

fn plain(count: usize) -> Vec<EventRow> {
    (0..count).map(|n| ("event".to_owned(), format!("{{\"n\":{n}}}"))).collect()
}

fn end(chain: &[ChainRow]) -> ChainHead {
    chain.last().map_or(ChainHead::START, |row| ChainHead {
        number: u64::try_from(row.number).unwrap(),
        hash: RowHash::from_bytes(&row.hash).unwrap(),
    })
}

/// Five rows, a signature over the fourth of them, and two more.
fn signed() -> Vec<ChainRow> {
    let mut rows = plain(5);
    let link = end(&linked(&rows)[..4]);
    let signature = Repeating.sign(&signed_bytes(&node(), &link)).unwrap();
    let event = Event::AuditSigned { link, signature, chains: Vec::new() };
    rows.push((event.name().to_owned(), event.details()));
    rows.extend(plain(2));
    linked(&rows)
}

fn verify(chain: &[ChainRow], end: &ChainHead) -> Result<Intact, Broken> {
    let mut verifier = Verifier::new(node(), &Repeating).requiring(*end);
    chain.iter().try_for_each(|row| verifier.row(row))?;
    verifier.finish()
}

fn fault(chain: &[ChainRow], end: &ChainHead) -> (u64, Fault) {
    let broken = verify(chain, end).unwrap_err();
    (broken.number, broken.fault)
}

#[test]
fn an_untouched_chain_is_intact_and_has_its_last_signature() {
    let chain = signed();
    let intact = verify(&chain, &end(&chain)).unwrap();
    assert_eq!(intact.end.number, 8);
    assert_eq!(intact.signature, Some(LastSignature { number: 4, at: Timestamp::UNIX_EPOCH }));
    assert_eq!(
        verify(&[], &ChainHead::START).unwrap(),
        Intact { end: ChainHead::START, signature: None, unsigned_since: None, listed: BTreeMap::new() }
    );
}

#[test]
fn the_first_wrong_row_is_named() {
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
    // New numbers for all later rows do not help.
    let renumbered = with(&|chain| {
        chain.remove(2);
        chain.iter_mut().skip(2).for_each(|row| row.number -= 1);
    });
    assert_eq!(renumbered, (3, Fault::Altered));
}

#[test]
fn a_rewritten_chain_ends_elsewhere_or_breaks_at_its_signature() {
    let chain = signed();
    let rewritten = |change: &dyn Fn(&mut Vec<EventRow>)| {
        let mut rows: Vec<_> = chain.iter().map(|row| (row.event.clone(), row.details.clone())).collect();
        change(&mut rows);
        linked(&rows)
    };
    // The store's chain head was rewritten as well: only the signature detects it.
    let changed = rewritten(&|rows| rows[2].1 = "{}".to_owned());
    let other_rows = Fault::Signature(Distrust::OtherRows);
    assert_eq!(fault(&changed, &end(&changed)), (6, other_rows));
    let shorter = rewritten(&|rows| drop(rows.remove(2)));
    assert_eq!(fault(&shorter, &end(&shorter)), (5, other_rows));
    let unreadable = rewritten(&|rows| rows[5].1 = "{}".to_owned());
    assert_eq!(fault(&unreadable, &end(&unreadable)), (6, Fault::Signature(Distrust::Unreadable)));
    let forged = rewritten(&|rows| rows[5].1 = rows[5].1.replace("\"signature\":\"70", "\"signature\":\"71"));
    assert_eq!(fault(&forged, &end(&forged)), (6, Fault::Signature(Distrust::Forged)));
    // After the last signature only a head that was recorded elsewhere protects.
    let behind = rewritten(&|rows| rows[7].1 = "{}".to_owned());
    assert_eq!(fault(&behind, &end(&chain)), (8, Fault::OtherEnd));
    assert!(verify(&behind, &end(&chain[..6])).is_ok());
}

#[test]
fn a_fault_does_not_hide_the_faults_behind_it() {
    let chain = signed();
    let end = end(&chain);
    let faults = |change: &dyn Fn(&mut Vec<ChainRow>)| {
        let mut changed = chain.clone();
        change(&mut changed);
        let mut verifier = Verifier::new(node(), &Repeating).requiring(end);
        let mut found: Vec<_> = changed.iter().filter_map(|row| verifier.row(row).err()).collect();
        found.extend(verifier.finish().err());
        found.into_iter().map(|broken| (broken.number, broken.fault)).collect::<Vec<_>>()
    };
    let altered = |number| (number, Fault::Altered);
    let one = faults(&|chain| chain[1].details.clear());
    assert_eq!(one, [altered(2)], "the rows behind it are as they were");
    let two = faults(&|chain| {
        chain[1].at = i64::MAX;
        chain.remove(3);
    });
    assert_eq!(two, [altered(2), (4, Fault::Missing), (6, Fault::Signature(Distrust::OtherRows))]);
    // A row with a hash of nothing, and the rest chained behind it.
    let behind = faults(&|chain| {
        chain[6].hash = vec![7; 32];
        chain.remove(2);
    });
    assert_eq!(behind, [(3, Fault::Missing), altered(7), altered(8)]);
}

/// The chain with a row that records the removal of its first `gone` rows, and the result without these
/// rows.
fn pruned(chain: &[ChainRow], gone: usize) -> (Vec<ChainRow>, Result<Intact, Broken>) {
    let link = end(&chain[..gone]);
    let event = Event::AuditPruned { link, before: Timestamp::UNIX_EPOCH };
    let mut rows: Vec<_> = chain.iter().map(|row| (row.event.clone(), row.details.clone())).collect();
    rows.push((event.name().to_owned(), event.details()));
    let chain = linked(&rows);
    let verdict = begun(link).and_then(|mut verifier| {
        chain[gone..].iter().try_for_each(|row| verifier.row(row))?;
        verifier.requiring(end(&chain)).finish()
    });
    (chain, verdict)
}

/// Starts after `link`, as the platform signs it.
fn begun(link: ChainHead) -> Result<Verifier<'static>, Broken> {
    let signature = Repeating.sign(&begin_bytes(&node(), &link)).unwrap();
    Verifier::beginning(node(), &Repeating, &Beginning { link, signature, at: Timestamp::UNIX_EPOCH })
}

#[test]
fn a_chain_may_begin_where_the_platform_signed_its_beginning() {
    let chain = signed();
    for gone in 1..=chain.len() {
        let (rows, verdict) = pruned(&chain, gone);
        let intact = verdict.unwrap();
        assert_eq!(intact.end, end(&rows), "{gone}");
        assert_eq!(intact.signature.is_some(), gone <= 5, "{gone}: the signature is the sixth row");
    }
    // Signed, without a row about it.
    let mut verifier = begun(end(&chain[..2])).unwrap();
    chain[2..].iter().for_each(|row| verifier.row(row).unwrap());
    let broken = verifier.finish().unwrap_err();
    assert_eq!((broken.number, broken.fault), (3, Fault::PruningUnrecorded));
    // The beginning of another chain.
    let other = linked(&plain(8));
    let link = end(&other[..2]);
    let signature = Repeating.sign(&begin_bytes(&node(), &link)).unwrap();
    let beginning = Beginning { link, signature, at: Timestamp::UNIX_EPOCH };
    let mut verifier = Verifier::beginning(node(), &Repeating, &beginning).unwrap();
    assert_eq!(verifier.row(&chain[2]), Ok(()), "the same rows so far");
    assert_eq!(verifier.row(&chain[4]).unwrap_err().fault, Fault::Missing);
    // A signature over a head is not one over a beginning.
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
    assert!(verifier.requiring(end(&chain[..6])).finish().is_ok());
}
