//! The audit chain of this node, as this process knows it: the last row that is certainly in the store, in
//! memory and in a file outside of the database.
//!
//! The writer compares the end of the chain with it before each batch. So a chain that was cut, rewritten, or
//! replaced by an older one (a failover that lost commits, a restored backup) is not continued, and not
//! signed, without a decision of the operator.

pub(in crate::store) mod divergence;
mod file;
mod other;
mod resent;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

pub use divergence::{Divergence, WhenBehind};
pub use file::{EndFile, RememberedEnd};
pub(in crate::store) use other::OtherChain;
pub use other::OtherFault;
use resent::{Resent, ResentRow};

use crate::audit::{ChainFinding, ChainHead, ChainRow, RowHash, is_of_a_serving_platform};
use crate::model::{MessageId, NodeName};
use crate::store::error::StoreError;
use crate::store::write::chain::ChainedEvent;

/// The chain of this node. Clones share it.
#[derive(Debug, Clone)]
pub struct OwnChain(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node: NodeName,
    /// None for a process that does not serve the node.
    file: Option<EndFile>,
    when_behind: WhenBehind,
    state: Mutex<State>,
    /// What this process has verified of the chains of other nodes.
    others: Mutex<BTreeMap<NodeName, OtherChain>>,
    /// The rows about resends that this process has written.
    resent: Mutex<Resent>,
    /// Held while the file is written.
    writing: Mutex<()>,
}

/// What this process knows.
#[derive(Debug, Default)]
struct State {
    /// The last row that is certainly in the store; `None` before the first one is known.
    end: Option<ChainHead>,
    signed: Option<ChainHead>,
    /// What the file holds.
    stored: Option<RememberedEnd>,
    /// Why nothing is written now.
    refused: Option<Divergence>,
    /// What this process went on after.
    accepted: Option<ChainNote>,
    /// Whether this process has written a row: from then on no other process writes as a serving platform.
    has_written: bool,
    /// The hashes of rows that this process has tried to commit since the last batch that it has committed.
    attempted: VecDeque<RowHash>,
    /// Findings that are not in the audit trail yet.
    notes: Vec<ChainNote>,
    is_unwritable: bool,
}

/// A finding, to be recorded in the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainNote {
    /// What was found.
    pub finding: ChainFinding,
    /// The other node whose chain it concerns; `None` for this one.
    pub node: Option<NodeName>,
    /// The row that the node remembered, or has verified of the other chain.
    pub remembered: Option<ChainHead>,
    /// The last row in the store; of another chain the row with the fault.
    pub found: ChainHead,
}

impl OwnChain {
    /// The chain of `node`, of which nothing is known; for commands and tests.
    #[must_use]
    pub fn new(node: NodeName) -> Self {
        Self::with(node, None, WhenBehind::Refuse, State::default())
    }

    /// The chain of `node` for a command, which writes nothing to a store without the row `end`. So a store
    /// that went back, or was rewritten, stays as it was found until an operator accepts its end.
    #[must_use]
    pub fn containing(node: NodeName, remembered: Option<RememberedEnd>) -> Self {
        let (end, signed) = (remembered.map(|known| known.end), remembered.and_then(|known| known.signed));
        Self::with(node, None, WhenBehind::Refuse, State { end, signed, ..State::default() })
    }

    /// The chain of `node` for the process that serves it, with what its file in `folder` remembers.
    #[must_use]
    pub fn remembered(node: NodeName, folder: &Path, when_behind: WhenBehind) -> Self {
        let file = EndFile::new(folder, &node);
        let mut state = State::default();
        match file.read() {
            Ok(stored) => {
                state.end = stored.map(|stored| stored.end);
                state.signed = stored.and_then(|stored| stored.signed);
                state.stored = stored;
            }
            Err(error) => tracing::error!(
                file = %file.path().display(), %error,
                "the file with the end of the audit chain cannot be read; the chain is taken as it is"
            ),
        }
        match file.close_folder() {
            Ok(false) => {}
            Ok(true) => tracing::warn!(
                folder = %folder.display(),
                "other accounts could write to the folder of the audit chain's end; they cannot any more"
            ),
            Err(error) => tracing::warn!(
                folder = %folder.display(), %error,
                "other accounts can write to the folder of the audit chain's end, and that cannot be changed"
            ),
        }
        if file.is_open_to_others() {
            tracing::warn!(
                file = %file.path().display(),
                "the file with the end of the audit chain was open to other users; it is replaced"
            );
        }
        Self::with(node, Some(file), when_behind, state)
    }

    fn with(node: NodeName, file: Option<EndFile>, when_behind: WhenBehind, state: State) -> Self {
        let (others, resent, writing) = (Mutex::default(), Mutex::default(), Mutex::default());
        let state = Mutex::new(state);
        Self(Arc::new(Inner { node, file, when_behind, state, others, resent, writing }))
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &NodeName {
        &self.0.node
    }

    /// A row that the chain in the store must contain; `None` when nothing is known.
    pub(in crate::store) fn expected(&self) -> Option<ChainHead> {
        self.state().end
    }

    /// An earlier row that the chain in the store must contain, if it reaches so far.
    pub(in crate::store) fn expected_signature(&self, found: &ChainHead) -> Option<ChainHead> {
        self.state().signed.filter(|signed| signed.number <= found.number)
    }

    /// Rows up to this number must stay in the store, because the file names it.
    pub(in crate::store) fn first_needed(&self) -> Option<u64> {
        self.0.file.as_ref()?;
        Some(self.state().stored.map_or(0, |stored| stored.end.number))
    }

    /// A batch is committed with these rows, and this is the last row of the chain.
    pub(in crate::store) fn committed(&self, end: ChainHead, rows: &[ChainedEvent]) {
        self.resent().committed(rows);
        let mut state = self.state();
        state.end = Some(end);
        state.has_written = true;
        state.attempted.clear();
    }

    /// These rows are about to be committed. Whatever this process learns of it, the store may have them.
    pub(in crate::store) fn attempt(&self, rows: impl Iterator<Item = RowHash>) {
        let mut state = self.state();
        state.attempted.extend(rows);
        let excess = state.attempted.len().saturating_sub(MAX_ATTEMPTED);
        state.attempted.drain(..excess);
    }

    /// Follows `rows`, which stand behind `head` in the store. Returns the last of them.
    ///
    /// # Errors
    /// The number of the first row that does not continue the chain.
    pub(in crate::store) fn follow(&self, head: ChainHead, rows: &[ChainRow]) -> Result<ChainHead, u64> {
        rows.iter().try_fold(head, |head, row| {
            row.continues(&self.0.node, &head).ok_or_else(|| head.number.saturating_add(1))
        })
    }

    /// The number of the first of `rows`, which stand behind those that this process has written, that only a
    /// serving process of the node writes: and this is the only one.
    pub(in crate::store) fn first_foreign(&self, rows: &[ChainRow]) -> Option<u64> {
        self.0.file.as_ref()?;
        let state = self.state();
        let is_foreign = |row: &&ChainRow| {
            is_of_a_serving_platform(&row.event)
                && !state.attempted.iter().any(|hash| hash.as_bytes().as_slice() == row.hash)
        };
        let row = rows.iter().find(is_foreign).filter(|_| state.has_written)?;
        Some(u64::try_from(row.number).unwrap_or_default())
    }

    /// The chain up to this row is signed.
    pub(in crate::store) fn signed(&self, head: ChainHead) {
        self.state().signed = Some(head);
    }

    /// The store contains the expected row.
    pub(in crate::store) fn contained(&self) {
        let mut state = self.state();
        if let Some(divergence) = state.refused.take() {
            tracing::warn!(
                node = %self.0.node, remembered = %divergence.remembered,
                "the store contains the end of the audit chain again; the platform goes on"
            );
        }
    }

    /// The store contains the expected row, and behind it the chain goes on to `end`.
    pub(in crate::store) fn followed(&self, expected: &ChainHead, end: ChainHead) {
        self.contained();
        let mut state = self.state();
        // What a process that writes has not written is looked at by its writer.
        if !state.has_written && state.end == Some(*expected) {
            state.end = Some(end);
        }
    }

    /// Whether the rows between `expected` and `end` are followed before anything is written. A process that
    /// has written follows them all; a start must not take minutes.
    pub(in crate::store) fn follows(&self, expected: &ChainHead, end: &ChainHead) -> bool {
        self.state().has_written || end.number.saturating_sub(expected.number) <= MAX_FOLLOWED
    }

    /// The store has this chain, and nothing is expected of it: the first start, or a lost file. `is_signed`:
    /// a platform has served the node before.
    pub(in crate::store) fn begin(&self, found: ChainHead, is_signed: bool) {
        let mut state = self.state();
        state.end = Some(found);
        let Some(file) = &self.0.file else { return };
        if is_signed {
            let finding = ChainFinding::EndUnknown;
            tracing::warn!(
                code = finding.code(), help = HELP, node = %self.0.node, file = %file.path().display(),
                found = %found,
                "this node remembers no end of its audit chain, and the store has one; it is taken as it is"
            );
            state.note(ChainNote { finding, node: None, remembered: None, found });
        }
    }

    /// The store does not contain the expected row. `is_rewritten`: nor the expected signed one.
    ///
    /// # Errors
    /// [`StoreError::Diverged`] when the configuration refuses such a store.
    pub(in crate::store) fn diverged(&self, found: ChainHead, is_rewritten: bool) -> Result<(), StoreError> {
        self.refuse(found, is_rewritten, None)
    }

    /// The store contains the expected row, and behind it the row `foreign`, with which the platform cannot
    /// go on.
    ///
    /// # Errors
    /// As [`OwnChain::diverged`].
    pub(in crate::store) fn continued_by_others(
        &self,
        found: ChainHead,
        foreign: u64,
    ) -> Result<(), StoreError> {
        self.refuse(found, true, Some(foreign))
    }

    fn refuse(&self, found: ChainHead, is_rewritten: bool, foreign: Option<u64>) -> Result<(), StoreError> {
        let mut state = self.state();
        let Some(remembered) = state.end else { return Ok(()) };
        let divergence = Divergence { node: self.0.node.clone(), remembered, found, is_rewritten, foreign };
        let finding = divergence.finding();
        let note = ChainNote { finding, node: None, remembered: Some(remembered), found };
        let is_new = state.refused.is_none();
        if is_new {
            tracing::error!(
                code = finding.code(), help = HELP, node = %self.0.node, %remembered, %found,
                "{divergence}"
            );
            state.note(note.clone());
        }
        match self.0.when_behind {
            WhenBehind::Refuse => {
                state.refused = Some(divergence.clone());
                drop(state);
                if is_new {
                    // The operator's command, and the next start, read there what this process knows. A
                    // failure is a finding, and the next attempt follows.
                    let _ = self.store_end();
                }
                Err(StoreError::Diverged(Box::new(divergence)))
            }
            WhenBehind::Continue => {
                state.end = Some(found);
                state.signed = None;
                state.accepted = Some(note);
                Ok(())
            }
        }
    }

    /// Takes over what an operator has written into the file meanwhile. True when that is something else.
    pub(in crate::store) fn reread(&self) -> bool {
        let Some(Ok(Some(read))) = self.0.file.as_ref().map(EndFile::read) else { return false };
        let mut state = self.state();
        if state.refused.is_none() || state.stored == Some(read) {
            return false;
        }
        state.end = Some(read.end);
        state.signed = read.signed;
        state.stored = Some(read);
        true
    }

    /// Writes the file, if it does not say what is known. It may wait for the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn store_end(&self) -> std::io::Result<()> {
        let Some(file) = &self.0.file else { return Ok(()) };
        let _writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (due, found) = {
            let state = self.state();
            let due = state.end.map(|end| RememberedEnd { end, signed: state.signed });
            let due = due.filter(|due| state.stored != Some(*due));
            // While the store is refused, the file says what the store lacks, until the operator writes it.
            let is_operators =
                due.is_some() && state.refused.is_some() && file.read().ok().flatten() != state.stored;
            (due.filter(|_| !is_operators), state.end)
        };
        let Some(due) = due else { return Ok(()) };
        let written = file.write(&due);
        let mut state = self.state();
        let was_unwritable = std::mem::replace(&mut state.is_unwritable, written.is_err());
        if written.is_ok() {
            state.stored = Some(due);
        } else if !was_unwritable && let Some(found) = found {
            let finding = ChainFinding::EndNotStored;
            state.note(ChainNote { finding, node: None, remembered: None, found });
        }
        written
    }

    /// Why nothing is written now.
    #[must_use]
    pub fn refused(&self) -> Option<Divergence> {
        self.state().refused.clone()
    }

    /// What an operator has to know while the platform goes on.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let state = self.state();
        if let Some(ChainNote { finding, remembered: Some(remembered), found, .. }) = &state.accepted {
            return Some(format!(
                "{}: the platform went on with row {found} of the store; this node remembered row {remembered}",
                finding.code()
            ));
        }
        state.is_unwritable.then(|| {
            format!("{}: the end of the audit chain cannot be stored", ChainFinding::EndNotStored.code())
        })
    }

    /// The findings since the last call.
    #[must_use]
    pub fn take_notes(&self) -> Vec<ChainNote> {
        std::mem::take(&mut self.state().notes)
    }

    /// The last row `message-resent` about a message that this process has written. Whether the store still
    /// has it is for the caller to find out.
    pub(in crate::store) fn resent_row(&self, message: MessageId) -> Option<ResentRow> {
        self.resent().row(message)
    }

    /// A message came again, and the last row about it covers that.
    pub(in crate::store) fn resent_again(&self, message: MessageId) {
        self.resent().again(message);
    }

    /// Accepted messages stay for this time; `None`: forever.
    pub(in crate::store) fn messages_stay(&self, time: Option<Duration>) {
        self.resent().messages_stay(time);
    }

    /// Whether messages do not stay forever, as far as that is known.
    pub(in crate::store) fn removes_messages(&self) -> bool {
        self.resent().removes_messages()
    }

    /// Whether a copy is so old that a message which comes again is stored again.
    pub(in crate::store) fn is_old(&self, copy: MessageId, now: Timestamp) -> bool {
        self.resent().is_old(copy, now)
    }

    fn resent(&self) -> MutexGuard<'_, Resent> {
        self.0.resent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The other nodes of whose chains something is known.
    pub(in crate::store) fn other_nodes(&self) -> Vec<NodeName> {
        self.others().keys().cloned().collect()
    }

    /// What is known of the chain of another node.
    pub(in crate::store) fn other(&self, node: &NodeName) -> OtherChain {
        self.others().get(node).cloned().unwrap_or_default()
    }

    /// The chain of another node was followed so far. A fault is reported when it is found first.
    pub(in crate::store) fn other_followed(&self, node: NodeName, chain: OtherChain) {
        let mut others = self.others();
        if chain == OtherChain::default() {
            others.remove(&node);
            return;
        }
        if others.len() >= MAX_OTHERS && !others.contains_key(&node) {
            return;
        }
        let (verified, fault) = (chain.verified, chain.fault.clone());
        let former = others.insert(node, chain).and_then(|former| former.fault);
        drop(others);
        if let Some(fault) = fault.filter(|fault| former.as_ref() != Some(fault)) {
            let finding = ChainFinding::OtherChainBroken;
            tracing::error!(
                code = finding.code(), help = OTHER_HELP, node = %fault.node, row = fault.row.number,
                "{fault}; it is not listed in this node's signatures"
            );
            let node = Some(fault.node);
            self.state().note(ChainNote { finding, node, remembered: verified, found: fault.row });
        }
    }

    /// The faults of other nodes' chains, as of the last signature.
    #[must_use]
    pub fn other_faults(&self) -> Vec<OtherFault> {
        self.others().values().filter_map(|chain| chain.fault.clone()).collect()
    }

    fn others(&self) -> MutexGuard<'_, BTreeMap<NodeName, OtherChain>> {
        self.0.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, note: ChainNote) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        }
    }
}

/// Rows behind the remembered one that are followed at a start, in some seconds.
const MAX_FOLLOWED: u64 = 250_000;

/// Rows whose commit is in doubt: those of some dozens of batches.
const MAX_ATTEMPTED: usize = 32 * 1024;

/// Other nodes whose chains are remembered.
const MAX_OTHERS: usize = 1024;

/// Findings that wait for the audit trail.
const MAX_NOTES: usize = 64;

/// The page about faults of other chains.
const OTHER_HELP: &str = "docs/help/other-chain-broken.md";

/// The page about these findings.
const HELP: &str = "docs/howto/incidents.md#when-the-store-went-back";
