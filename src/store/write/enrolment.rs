//! Changes of enrolments, and their audit rows. The same on both databases.

use jiff::{SignedDuration, Timestamp};

use crate::audit::{EnrolmentChange, EnrolmentEvent, EnrolmentRequest, Event};
use crate::clients::KnownCertificate;
use crate::enrol::{Enrolment, EnrolmentId, Record, Role, State};
use crate::store::error::{EnrolmentConflict, StoreError};
use crate::store::statement::Statement;
use crate::store::write::clients::{self, ClientsUpdate};
use crate::store::write::connection::Connection;
use crate::store::write::directory::{self, DirectoryChange};
use crate::store::write::grant;

/// A change of an enrolment.
#[derive(Debug)]
pub(in crate::store) enum EnrolmentUpdate {
    /// A wrong code was sent for it.
    Failed(EnrolmentId),
    /// It reaches its state.
    Reached(Box<ReachedState>),
}

/// An enrolment in its new state, and what changes with it.
#[derive(Debug)]
pub(in crate::store) struct ReachedState {
    pub(in crate::store) enrolment: Enrolment,
    /// Its state before; `None`: it is new.
    pub(in crate::store) from: Option<State>,
    /// How many may be pending, this one included.
    pub(in crate::store) max_pending: Option<u32>,
    /// How many renewals of its chain there may be within a day, this one included.
    pub(in crate::store) max_renewals: Option<u32>,
    /// The entry that a device gets.
    pub(in crate::store) directory: Option<DirectoryChange>,
    /// The client that gets the certificate.
    pub(in crate::store) clients: Option<ClientsUpdate>,
}

impl EnrolmentUpdate {
    /// The audit rows of the change, written in the same transaction.
    pub(in crate::store) fn events(&self, actor: &str) -> Vec<Event> {
        let Self::Reached(reached) = self else { return Vec::new() };
        let directory = reached.directory.iter().flat_map(|change| change.events(actor));
        let clients = reached.clients.iter().map(|change| change.event(actor));
        std::iter::once(reached_event(&reached.enrolment, actor)).chain(directory).chain(clients).collect()
    }

    /// A SELECT that finds one row when the enrolment is stored as it was written.
    pub(in crate::store) fn stored(&self) -> Option<Statement> {
        let Self::Reached(reached) = self else { return None };
        let select = "SELECT 1 FROM enrolment WHERE id = $1 AND state = $2 AND record = $3";
        let Enrolment { id, state, record, .. } = &reached.enrolment;
        Some(Statement::new(select).bind(id.as_str()).bind(state.as_str()).bind(json(record)))
    }

    /// The change of the directory of devices.
    pub(in crate::store) fn directory(&self) -> Option<&DirectoryChange> {
        match self {
            Self::Failed(_) => None,
            Self::Reached(reached) => reached.directory.as_ref(),
        }
    }
}

fn reached_event(Enrolment { id, state, record, .. }: &Enrolment, actor: &str) -> Event {
    let (enrolment, role, name) = (id.to_string(), record.role.as_str(), record.name.clone());
    if let (State::Pending, Some(request)) = (state, &record.request) {
        return Event::Enrolment(EnrolmentEvent::Requested(Box::new(EnrolmentRequest {
            enrolment,
            role,
            name,
            subject: request.subject.clone(),
            key: request.key.to_string(),
            peer: request.peer,
            renews: record.renews,
        })));
    }
    let reason = || record.decision.as_ref().map(|decision| decision.reason.clone());
    let detail = match state {
        State::Invited | State::Pending => record.reader.clone(),
        State::Issued => record.certificate.as_ref().map(|own| format!("sha256:{}", own.fingerprint)),
        State::Rejected | State::Revoked => reason().filter(|reason| !reason.is_empty()),
    };
    let (change, actor) = (state.as_str(), actor.to_owned());
    let changed = EnrolmentChange { change, enrolment, role, name, detail, actor };
    Event::Enrolment(EnrolmentEvent::Changed(Box::new(changed)))
}

/// Applies the change. Returns the audit rows of orders that it has withdrawn.
pub(in crate::store) async fn apply(
    connection: &mut impl Connection,
    at: Timestamp,
    change: &EnrolmentUpdate,
    actor: &str,
) -> Result<Vec<Event>, StoreError> {
    let reached = match change {
        EnrolmentUpdate::Failed(id) => {
            let update = Statement::new("UPDATE enrolment SET failed = failed + 1 WHERE id = $1");
            connection.execute(update.bind(id.as_str())).await?;
            return Ok(Vec::new());
        }
        EnrolmentUpdate::Reached(reached) => reached,
    };
    if let Some(max) = reached.max_pending {
        let pending = Statement::new("SELECT 1 FROM enrolment WHERE state = 'pending' LIMIT $1");
        if connection.count(pending.bind(max)).await? >= u64::from(max) {
            return Err(StoreError::Enrolment(EnrolmentConflict::Full));
        }
    }
    if let Some(max) = reached.max_renewals {
        require_rate(connection, at, &reached.enrolment, max).await?;
    }
    require_standing(connection, &reached.enrolment).await?;
    require_own_certificate(connection, &reached.enrolment).await?;
    put(connection, at, &reached.enrolment, reached.from).await?;
    if let Some(change) = &reached.clients {
        clients::apply(connection, change).await?;
    }
    let Enrolment { id, state, record, .. } = &reached.enrolment;
    if let (State::Revoked, Some(certificate)) = (state, &record.certificate) {
        // Its CA may publish that late, or never.
        clients::withdraw(connection, certificate.fingerprint, id.as_str()).await?;
        directory::touch(connection).await?;
    }
    match &reached.directory {
        Some(change) => directory::apply(connection, at, change, actor).await,
        None => Ok(Vec::new()),
    }
}

/// Renewals of renewals count too: who has a key would get certificates without an end otherwise.
async fn require_rate(
    connection: &mut impl Connection,
    at: Timestamp,
    Enrolment { id, record, .. }: &Enrolment,
    max: u32,
) -> Result<(), StoreError> {
    let Some(origin) = &record.origin else { return Ok(()) };
    let since = at.saturating_sub(DAY).unwrap_or(Timestamp::MIN);
    let renewals =
        Statement::new(SELECT_RENEWALS).bind(origin.as_str()).bind(since).bind(id.as_str()).bind(max);
    if connection.count(renewals).await? < u64::from(max) {
        return Ok(());
    }
    Err(StoreError::Enrolment(EnrolmentConflict::TooManyRenewals))
}

/// A certificate belongs to one enrolment: what an operator decides about it is decided once.
async fn require_own_certificate(
    connection: &mut impl Connection,
    Enrolment { id, state, record, .. }: &Enrolment,
) -> Result<(), StoreError> {
    let (State::Issued, Some(own)) = (state, &record.certificate) else { return Ok(()) };
    let other = Statement::new("SELECT 1 FROM enrolment WHERE fingerprint = $1 AND id <> $2");
    let other = other.bind(own.fingerprint.to_string()).bind(id.as_str());
    if connection.count(other).await? == 0 {
        return Ok(());
    }
    Err(StoreError::Enrolment(EnrolmentConflict::CertificateTaken))
}

/// A renewal gets its certificate only while that which it renews stands: an operator may have withdrawn it,
/// its client or its device since the request was taken.
async fn require_standing<C: Connection>(
    connection: &mut C,
    Enrolment { state, record, .. }: &Enrolment,
) -> Result<(), StoreError> {
    let (State::Issued | State::Pending, Some(renews)) = (state, record.renews) else { return Ok(()) };
    let mut before = Statement::new("SELECT 1 FROM enrolment WHERE fingerprint = $1 AND state = 'issued'");
    before = before.bind(renews.to_string());
    before.push(C::LOCK_ROWS);
    let known = KnownCertificate::Fingerprint(renews);
    let removed = Statement::new("SELECT 1 FROM api_removed WHERE known = $1").bind(known.to_string());
    let stands = connection.count(before).await? > 0
        && connection.count(removed).await? == 0
        && match (&record.reader, record.role) {
            (Some(reader), _) => grant::is_active(connection, reader).await?,
            (None, Role::Device) => {
                let mut active = Statement::new("SELECT 1 FROM device WHERE id = $1 AND status = 'active'");
                active = active.bind(record.name.as_str());
                active.push(C::LOCK_ROWS);
                connection.count(active).await? > 0
            }
            (None, _) => true,
        };
    if stands { Ok(()) } else { Err(StoreError::Enrolment(EnrolmentConflict::Withdrawn)) }
}

async fn put(
    connection: &mut impl Connection,
    at: Timestamp,
    Enrolment { id, state, record, .. }: &Enrolment,
    from: Option<State>,
) -> Result<(), StoreError> {
    let fingerprint = record.certificate.as_ref().map(|own| own.fingerprint.to_string());
    let mut statement = match from {
        Some(_) => Statement::new(UPDATE).bind(state.as_str()).bind(json(record)).bind(at),
        None => Statement::new(INSERT)
            .bind(state.as_str())
            .bind(json(record))
            .bind(at)
            .bind(id.as_str())
            .bind(record.invitation.at),
    };
    push_optional(&mut statement, fingerprint);
    match from {
        Some(from) => {
            statement.push(" WHERE id = ").push_bind(id.as_str());
            statement.push(" AND state = ").push_bind(from.as_str());
        }
        None => {
            statement.push(", ");
            push_optional(&mut statement, record.renews.map(|renews| renews.to_string()));
            statement.push(", ");
            push_optional(&mut statement, record.origin.as_ref().map(ToString::to_string));
            statement.push(") ON CONFLICT DO NOTHING");
        }
    }
    match (connection.execute(statement).await?, from) {
        (1.., _) => Ok(()),
        (0, Some(_)) => Err(StoreError::Enrolment(EnrolmentConflict::State)),
        (0, None) => Err(StoreError::Enrolment(EnrolmentConflict::Exists)),
    }
}

fn push_optional(statement: &mut Statement, text: Option<String>) {
    match text {
        Some(text) => statement.push_bind(text),
        None => statement.push("NULL"),
    };
}

fn json(record: &Record) -> String {
    // Texts, numbers and lists of them are always written.
    serde_json::to_string(record).unwrap_or_default()
}

/// How long a renewal counts.
const DAY: SignedDuration = SignedDuration::from_hours(24);
const SELECT_RENEWALS: &str =
    "SELECT 1 FROM enrolment WHERE origin = $1 AND invited_at > $2 AND id <> $3 LIMIT $4";
const UPDATE: &str = "UPDATE enrolment SET state = $1, record = $2, changed_at = $3, fingerprint = ";
const INSERT: &str = "
    INSERT INTO enrolment (state, record, changed_at, id, invited_at, failed, fingerprint, renews, origin)
    VALUES ($1, $2, $3, $4, $5, 0, ";
