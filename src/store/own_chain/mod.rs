//! The audit chain of this node, as this process knows it: the last row that is certainly in the store, in
//! memory and in a file outside of the database.
//!
//! The writer compares the end of the chain with it before each batch. So a chain that was cut, rewritten, or
//! replaced by an older one (a failover that lost commits, a restored backup) is not continued, and not
//! signed, without a decision of the operator.

pub(in crate::store) mod divergence;
mod file;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use divergence::{Divergence, WhenBehind};
pub use file::{EndFile, RememberedEnd};

use crate::audit::{ChainFinding, ChainHead};
use crate::model::NodeName;
use crate::store::error::StoreError;

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
    /// Findings that are not in the audit trail yet.
    notes: Vec<ChainNote>,
    is_unwritable: bool,
}

/// A finding, to be recorded in the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainNote {
    /// What was found.
    pub finding: ChainFinding,
    /// The row that the node remembered.
    pub remembered: Option<ChainHead>,
    /// The last row in the store.
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
        if file.is_open_to_others() {
            tracing::warn!(
                file = %file.path().display(),
                "the file with the end of the audit chain was open to other users; it is replaced"
            );
        }
        Self::with(node, Some(file), when_behind, state)
    }

    fn with(node: NodeName, file: Option<EndFile>, when_behind: WhenBehind, state: State) -> Self {
        Self(Arc::new(Inner { node, file, when_behind, state: Mutex::new(state), writing: Mutex::default() }))
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

    /// A batch is committed, and this is its last row.
    pub(in crate::store) fn committed(&self, end: ChainHead) {
        self.state().end = Some(end);
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
            state.note(ChainNote { finding, remembered: None, found });
        }
    }

    /// The store does not contain the expected row. `is_rewritten`: nor the expected signed one.
    ///
    /// # Errors
    /// [`StoreError::Diverged`] when the configuration refuses such a store.
    pub(in crate::store) fn diverged(&self, found: ChainHead, is_rewritten: bool) -> Result<(), StoreError> {
        let mut state = self.state();
        let Some(remembered) = state.end else { return Ok(()) };
        let divergence = Divergence { node: self.0.node.clone(), remembered, found, is_rewritten };
        let finding = divergence.finding();
        let note = ChainNote { finding, remembered: Some(remembered), found };
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
            state.note(ChainNote { finding: ChainFinding::EndNotStored, remembered: None, found });
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
        if let Some(ChainNote { finding, remembered: Some(remembered), found }) = &state.accepted {
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

/// Findings that wait for the audit trail.
const MAX_NOTES: usize = 64;

/// The page about these findings.
const HELP: &str = "docs/store.md#when-the-store-went-back";
