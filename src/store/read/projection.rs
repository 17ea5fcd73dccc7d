//! Queries of the index of FHIR resources.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::MessageId;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::projection::{
    FoundGroup, FoundResource, FoundVersion, GroupPage, GroupPlace, GroupsOf, PatientLink, ProjectedTo,
    ProjectionLeader, ResourcesOf,
};
use crate::store::row::{Row, message_id};
use crate::store::statement::Statement;

impl Reader {
    pub(in crate::store) async fn projection_leader(&self) -> Result<ProjectionLeader, StoreError> {
        let rows = self.fetch(Statement::new(SELECT_LEADER)).await?;
        let row = rows.first().ok_or(StoreError::unreadable("fhir_leader"))?;
        Ok(ProjectionLeader {
            holder: row.get("holder")?,
            fence: row.count("fence", "fhir_leader.fence")?,
            until: row.time("until", "fhir_leader.until")?,
            last_seq: row.count("last_seq", "fhir_leader.last_seq")?,
            last_at: row.time("last_at", "fhir_leader.last_at")?,
        })
    }

    /// How far the chain of each node is projected.
    pub(in crate::store) async fn projected_to(&self) -> Result<BTreeMap<String, ProjectedTo>, StoreError> {
        let position = |row: &Row| -> Result<(String, ProjectedTo), StoreError> {
            let revision = row.count("revision", "fhir_position.revision")?;
            let number = row.count("number", "fhir_position.number")?;
            let again = row.count("again", "fhir_position.again")?;
            let again_to = row.count("again_to", "fhir_position.again_to")?;
            let revision = u32::try_from(revision).unwrap_or(0);
            Ok((row.get("node")?, ProjectedTo { number, revision, again, again_to }))
        };
        self.fetch(Statement::new(SELECT_POSITIONS)).await?.iter().map(position).collect()
    }

    /// The resource with this reference.
    pub(in crate::store) async fn projected_resource(
        &self,
        reference: &str,
    ) -> Result<Option<FoundResource>, StoreError> {
        let mut statement = Statement::new(SELECT_RESOURCE);
        statement.push(" WHERE reference = ").push_bind(reference);
        let rows = self.fetch(statement).await?;
        rows.first().map(resource).transpose()
    }

    /// The resources with these references.
    pub(in crate::store) async fn projected_resources(
        &self,
        references: &[&str],
    ) -> Result<Vec<FoundResource>, StoreError> {
        let mut found = Vec::new();
        for references in references.chunks(REFERENCES_AT_ONCE) {
            let mut statement = Statement::new(SELECT_RESOURCE);
            statement.push(" WHERE reference IN (");
            for (place, reference) in references.iter().enumerate() {
                statement.push(if place == 0 { "" } else { ", " }).push_bind(*reference);
            }
            statement.push(")");
            for row in self.fetch(statement).await? {
                found.push(resource(&row)?);
            }
        }
        Ok(found)
    }

    /// The links of these patients: by whom they are replaced, and whom they replace.
    pub(in crate::store) async fn patient_links(
        &self,
        patients: &[&str],
    ) -> Result<Vec<PatientLink>, StoreError> {
        let mut statement = Statement::new("");
        for (place, column) in ["patient", "replaced_by"].into_iter().enumerate() {
            statement.push(if place == 0 { "" } else { " UNION " });
            statement.push("SELECT patient, replaced_by FROM fhir_link WHERE ").push(column).push(" IN (");
            for (place, patient) in patients.iter().enumerate() {
                statement.push(if place == 0 { "" } else { ", " }).push_bind(*patient);
            }
            statement.push(")");
        }
        statement.push(" ORDER BY patient");
        let link = |row: &Row| -> Result<PatientLink, StoreError> {
            Ok(PatientLink { patient: row.get("patient")?, replaced_by: row.get("replaced_by")? })
        };
        self.fetch(statement).await?.iter().map(link).collect()
    }

    /// Whether the index had a resource with this reference whose messages were removed.
    pub(in crate::store) async fn was_removed(
        &self,
        reference: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let statement = Statement::new(SELECT_REMOVED).bind(reference).bind(now);
        Ok(!self.fetch(statement).await?.is_empty())
    }

    /// The groups of several messages.
    pub(in crate::store) async fn groups_of_messages(
        &self,
        messages: &[MessageId],
    ) -> Result<Vec<FoundGroup>, StoreError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let mut statement = Statement::new(SELECT_GROUPS);
        statement.push(" WHERE found.message IN (");
        for (place, id) in messages.iter().enumerate() {
            statement.push(if place == 0 { "" } else { ", " }).push_bind(id.as_bytes().as_slice());
        }
        statement.push(")");
        self.fetch(statement).await?.iter().map(group).collect()
    }

    /// The resources that are rendered from these messages, with the hashes of their contents.
    pub(in crate::store) async fn resources_of_messages(
        &self,
        messages: &[MessageId],
    ) -> Result<Vec<(MessageId, String, i64)>, StoreError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let mut statement =
            Statement::new("SELECT message AS id, reference, hash FROM fhir_resource WHERE message IN (");
        for (place, id) in messages.iter().enumerate() {
            statement.push(if place == 0 { "" } else { ", " }).push_bind(id.as_bytes().as_slice());
        }
        statement.push(")");
        let resource = |row: &Row| Ok((message_id(row)?, row.get("reference")?, row.get("hash")?));
        self.fetch(statement).await?.iter().map(resource).collect()
    }

    /// A page of groups.
    pub(in crate::store) async fn group_page(
        &self,
        page: &GroupPage<'_>,
    ) -> Result<Vec<FoundGroup>, StoreError> {
        let subjects = match page.of {
            GroupsOf::Subjects(subjects) => subjects,
            GroupsOf::Subject(_) | GroupsOf::Device(_) | GroupsOf::Changes => &[],
        };
        // Each in the order of its index: a server would sort all groups of all of them.
        let of = subjects.iter().map(|subject| GroupsOf::Subject(subject));
        let of = of.chain(subjects.is_empty().then_some(page.of));
        let pages: Vec<GroupPage<'_>> = of.map(|of| GroupPage { of, ..*page }).collect();
        let mut found = Vec::new();
        for page in pages {
            let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
            let before = found.len();
            for statement in in_order(&page) {
                if found.len() - before < limit {
                    for row in self.fetch(statement).await? {
                        found.push(group(&row)?);
                    }
                }
            }
        }
        if matches!(page.of, GroupsOf::Changes) {
            return Ok(found);
        }
        found.sort_by_key(|group| (group.at, group.seq));
        if !page.ascending {
            found.reverse();
        }
        found.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// The place of the first change that the index got at this time or later: of groups, or of resources.
    pub(in crate::store) async fn first_change_since(
        &self,
        since: Timestamp,
        of_groups: bool,
    ) -> Result<u64, StoreError> {
        let select = if of_groups { SELECT_GROUP_CHANGE } else { SELECT_RESOURCE_CHANGE };
        // Both numbers only grow: each step halves what is left.
        let (mut from, mut to) = (0, self.projection_leader().await?.last_seq.saturating_add(1));
        while from < to {
            let middle = from + (to - from) / 2;
            let statement = Statement::new(select).bind(middle);
            let row = self.fetch(statement).await?;
            let Some(row) = row.first() else {
                to = middle;
                continue;
            };
            if row.time("projected_at", "projected_at")? < since {
                from = row.count("seq", "seq")?.saturating_add(1);
            } else {
                to = middle;
            }
        }
        Ok(from)
    }

    /// A page of resources, with the first place behind which they are.
    pub(in crate::store) async fn resource_page(
        &self,
        of: &ResourcesOf<'_>,
        behind: Option<&FoundResource>,
        limit: u32,
    ) -> Result<Vec<FoundResource>, StoreError> {
        self.fetch(select_resources(of, behind, limit)).await?.iter().map(resource).collect()
    }

    /// Versions of a resource before `before`, the latest first.
    pub(in crate::store) async fn resource_versions(
        &self,
        reference: &str,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<FoundVersion>, StoreError> {
        let mut statement = Statement::new(SELECT_VERSIONS).bind(reference);
        if let Some(before) = before {
            statement.push(" AND version < ").push_bind(before);
        }
        statement.push(" ORDER BY version DESC LIMIT ").push_bind(limit);
        let version = |row: &Row| -> Result<FoundVersion, StoreError> {
            Ok(FoundVersion {
                version: row.count("version", "fhir_version.version")?,
                message: message_id(row)?,
                projected_at: row.time("projected_at", "fhir_version.projected_at")?,
            })
        };
        self.fetch(statement).await?.iter().map(version).collect()
    }

    /// Groups of a subject or of a device, the latest first, behind this one.
    pub(in crate::store) async fn latest_groups(
        &self,
        reference: &str,
        behind: Option<&FoundGroup>,
        limit: u32,
    ) -> Result<Vec<FoundGroup>, StoreError> {
        let column = if reference.starts_with("Patient/") { "found.subject" } else { "found.device" };
        let mut statement = Statement::new(SELECT_GROUPS);
        statement
            .push(" WHERE ")
            .push(column)
            .push(" = (SELECT number FROM fhir_resource WHERE reference = ");
        statement.push_bind(reference).push(")");
        if let Some(FoundGroup { at, seq, .. }) = behind {
            statement
                .push(" AND (found.at, found.seq) < (")
                .push_bind(*at)
                .push(", ")
                .push_bind(*seq)
                .push(")");
        }
        statement.push(" ORDER BY found.at DESC, found.seq DESC LIMIT ").push_bind(limit);
        self.fetch(statement).await?.iter().map(group).collect()
    }
}

fn resource(row: &Row) -> Result<FoundResource, StoreError> {
    Ok(FoundResource {
        reference: row.get("reference")?,
        number: row.count("number", "fhir_resource.number")?,
        seq: row.count("seq", "fhir_resource.seq")?,
        message: message_id(row)?,
        version: row.count("version", "fhir_resource.version")?,
        projected_at: row.time("projected_at", "fhir_resource.projected_at")?,
    })
}

/// The groups of a page, in its order: those since a time, and before them alerts that go on.
fn in_order(page: &GroupPage<'_>) -> Vec<Statement> {
    let since = page.since.filter(|_| !matches!(page.of, GroupsOf::Changes));
    let mut statements = vec![select_groups(page)];
    if let Some(since) = since {
        statements.push(select_open(page, since));
    }
    if page.ascending {
        statements.reverse();
    }
    statements
}

/// Alerts that go on and began before this time.
pub(in crate::store) fn select_open(page: &GroupPage<'_>, since: Timestamp) -> Statement {
    let before = Some(page.before.map_or(since, |before| before.min(since)));
    select(&GroupPage { since: None, before, ..*page }, " AND found.kind = 1")
}

/// Reads an index in its order.
pub(in crate::store) fn select_groups(page: &GroupPage<'_>) -> Statement {
    select(page, "")
}

fn select(page: &GroupPage<'_>, condition: &'static str) -> Statement {
    let GroupPage { of, from, since, before, ascending, limit } = *page;
    let mut statement = Statement::new(SELECT_GROUPS);
    let (order, compared) = if ascending { ("ASC", ">=") } else { ("DESC", "<=") };
    let (column, reference) = match of {
        GroupsOf::Subject(reference) => ("found.subject", reference),
        GroupsOf::Device(reference) => ("found.device", reference),
        // Each of them has a page of its own.
        GroupsOf::Subjects(all) => ("found.subject", all.first().map_or("", String::as_str)),
        GroupsOf::Changes => {
            let seq = from.map_or(if ascending { 0 } else { u64::MAX }, |from| from.seq);
            statement.push(" WHERE found.seq ").push(compared).push(" ").push_bind(seq);
            statement.push(" ORDER BY found.seq ").push(order).push(" LIMIT ").push_bind(limit);
            return statement;
        }
    };
    statement.push(" WHERE ").push(column).push(" = (SELECT number FROM fhir_resource WHERE reference = ");
    statement.push_bind(reference).push(")").push(condition);
    if let Some(GroupPlace { at, seq }) = from {
        statement.push(" AND (found.at, found.seq) ").push(compared).push(" (").push_bind(at);
        statement.push(", ").push_bind(seq).push(")");
    }
    if let Some(since) = since {
        statement.push(" AND found.at >= ").push_bind(since);
    }
    if let Some(before) = before {
        statement.push(" AND found.at < ").push_bind(before);
    }
    statement.push(" ORDER BY found.at ").push(order).push(", found.seq ").push(order);
    statement.push(" LIMIT ").push_bind(limit);
    statement
}

/// Reads an index in its order.
pub(in crate::store) fn select_resources(
    of: &ResourcesOf<'_>,
    behind: Option<&FoundResource>,
    limit: u32,
) -> Statement {
    let mut statement = Statement::new(SELECT_RESOURCE);
    let order = match of {
        ResourcesOf::Key(hash) => {
            statement
                .push(", fhir_key WHERE fhir_key.resource = number AND fhir_key.hash = ")
                .push_bind(*hash);
            statement.push(" AND resource > ").push_bind(behind.map_or(0, |behind| behind.number));
            "resource"
        }
        ResourcesOf::Changes(prefix) => {
            // The index has the order of changes of each type: what is of another one is not read.
            let kind: String = prefix.chars().take(7).collect();
            statement.push(" WHERE substr(reference, 1, 7) = ").push_bind(kind);
            statement.push(" AND seq > ").push_bind(behind.map_or(0, |behind| behind.seq));
            "seq"
        }
        ResourcesOf::All(prefix) => {
            let first = behind.map_or(*prefix, |behind| behind.reference.as_str());
            statement.push(" WHERE reference > ").push_bind(first);
            // The character behind the solidus.
            statement.push(" AND reference < ").push_bind(prefix.replace('/', "0"));
            "reference"
        }
    };
    statement.push(" ORDER BY ").push(order).push(" LIMIT ").push_bind(limit);
    statement
}

pub(in crate::store) fn group(row: &Row) -> Result<FoundGroup, StoreError> {
    Ok(FoundGroup {
        seq: row.count("seq", "fhir_group.seq")?,
        message: message_id(row)?,
        // One group whose resource is not there must not fail the page: nothing is rendered of it.
        subject: row.get::<Option<String>>("subject")?.unwrap_or_default(),
        device: row.get::<Option<String>>("device")?.unwrap_or_default(),
        alert: row.get("alert")?,
        part: u32::try_from(row.get::<i64>("place")?.saturating_neg()).unwrap_or(0),
        at: row.time("at", "fhir_group.at")?,
        version: row.count("version", "fhir_group.revision")?,
        projected_at: row.time("projected_at", "fhir_group.projected_at")?,
    })
}

/// References of one statement.
const REFERENCES_AT_ONCE: usize = 256;

const SELECT_LEADER: &str = "SELECT holder, fence, until, last_seq, last_at FROM fhir_leader";

const SELECT_POSITIONS: &str = "SELECT node, number, revision, again, again_to FROM fhir_position";

const SELECT_RESOURCE: &str =
    "SELECT number, reference, message AS id, version, seq, projected_at FROM fhir_resource";

const SELECT_REMOVED: &str = "SELECT reference FROM fhir_removed WHERE reference = $1 AND until >= $2";

const SELECT_VERSIONS: &str = "
SELECT version, message AS id, projected_at FROM fhir_version
WHERE resource = (SELECT number FROM fhir_resource WHERE reference = $1)";

const SELECT_RESOURCE_CHANGE: &str =
    "SELECT seq, projected_at FROM fhir_resource WHERE seq >= $1 ORDER BY seq LIMIT 1";

const SELECT_GROUP_CHANGE: &str =
    "SELECT seq, projected_at FROM fhir_group WHERE seq >= $1 ORDER BY seq LIMIT 1";

macro_rules! groups {
    ($more:literal) => {
        concat!(
            "
SELECT found.seq, found.message AS id, subject.reference AS subject, device.reference AS device,
    alert.reference AS alert, found.alert AS place, found.at, coalesce(alert.version, found.revision) AS version,
    coalesce(alert.projected_at, found.projected_at) AS projected_at",
            $more,
            "
FROM fhir_group AS found
    LEFT JOIN fhir_resource AS subject ON subject.number = found.subject
    LEFT JOIN fhir_resource AS device ON device.number = found.device
    LEFT JOIN fhir_resource AS alert ON alert.number = found.alert"
        )
    };
}

const SELECT_GROUPS: &str = groups!("");

/// With the message beside its first group.
pub(in crate::store) const SELECT_GROUPED: &str = concat!(
    groups!(
        ", stored.device AS sender, stored.received_at, stored.rejection, stored.digest, stored.raw_size, stored.raw"
    ),
    "
    LEFT JOIN message AS stored ON stored.id = found.message
        AND found.seq = (SELECT min(seq) FROM fhir_group WHERE message = $1)
WHERE found.message = $1 ORDER BY found.seq"
);
