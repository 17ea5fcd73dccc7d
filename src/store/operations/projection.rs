//! The index of FHIR resources, which the projector writes.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{DeviceId, MessageId, NodeName};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::records::projection::{
    FoundGroup, FoundResource, FoundVersion, GroupPage, PatientLink, ProjectedMessage, ProjectedTo,
    Projection, ProjectionLeader, ResourcesOf, TrailRow,
};
use crate::store::write::entry::Write;
use crate::store::write::incoming::WriteOutcome;
use crate::store::write::projection::{IndexChange, PatientsLink};

impl Store {
    /// Takes the lead of the projection for this node. `None`: another node leads.
    ///
    /// # Errors
    /// When it cannot be written or read.
    pub async fn lead_projection(&self) -> Result<Option<ProjectionLeader>, StoreError> {
        if !self.change_index(IndexChange::Lead).await? {
            return Ok(None);
        }
        let leader = self.projection_leader().await?;
        Ok(Some(leader).filter(|leader| leader.holder == self.node().as_str()))
    }

    /// Leads for longer, or not any more. False: another one leads.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn renew_projection(&self, leader: &ProjectionLeader, stays: bool) -> Result<bool, StoreError> {
        self.change_index(IndexChange::Renew { leader: leader.clone(), stays }).await
    }

    /// Writes a batch of the index. False: another one leads, or the position is another one; nothing was
    /// written.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn project(&self, projection: Projection) -> Result<bool, StoreError> {
        self.change_index(IndexChange::Project(projection)).await
    }

    /// Projects every stored message again, from the oldest on. Ids, sequence numbers and times of what does
    /// not change stay.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn rebuild_projection(&self) -> Result<(), StoreError> {
        self.change_index(IndexChange::Rebuild).await.map(drop)
    }

    /// The resources with these references (`TYPE/ID`).
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn projected_resources(&self, references: &[&str]) -> Result<Vec<FoundResource>, StoreError> {
        self.reader().projected_resources(references).await
    }

    /// The links of these patients (`Patient/ID`): by whom they are replaced, and whom they replace.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn patient_links(&self, patients: &[&str]) -> Result<Vec<PatientLink>, StoreError> {
        self.reader().patient_links(patients).await
    }

    /// All patients who are the same as this one: the one who replaces the others comes first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn same_patients(&self, patient: &str) -> Result<Vec<String>, StoreError> {
        let mut same = vec![patient.to_owned()];
        let mut links = self.patient_links(&[patient]).await?;
        for _ in 0..PatientLink::MAX_LINKED {
            let Some(link) = links.iter().find(|link| same.contains(&link.patient)) else { break };
            same = vec![link.replaced_by.clone()];
            links = self.patient_links(&[&*link.replaced_by]).await?;
        }
        // Those whom the last one replaces, and those whom these replace.
        let mut level = same.clone();
        while !level.is_empty() {
            links.retain(|link| level.contains(&link.replaced_by) && !same.contains(&link.patient));
            level = links.into_iter().map(|link| link.patient).collect();
            same.extend(level.iter().cloned());
            let next: Vec<&str> = level.iter().map(String::as_str).collect();
            links = if next.is_empty() { Vec::new() } else { self.patient_links(&next).await? };
        }
        Ok(same)
    }

    /// Says that a patient is another one (`is_made`), or is not any more, with its row in the audit trail.
    /// False: that was so already, or another command has changed one of them.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn link_patients(
        &self,
        PatientLink { patient, replaced_by }: PatientLink,
        is_made: bool,
        actor: &str,
    ) -> Result<bool, StoreError> {
        let actor = actor.to_owned();
        let change = PatientsLink { patient, replaced_by, is_made, actor };
        self.change_index(IndexChange::Link(change)).await
    }

    async fn change_index(&self, change: IndexChange) -> Result<bool, StoreError> {
        let written = self.write(Write::Index(Box::new(change))).await?;
        Ok(matches!(written, WriteOutcome::Rows(1..)))
    }

    /// The node that projects.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn projection_leader(&self) -> Result<ProjectionLeader, StoreError> {
        self.reader().projection_leader().await
    }

    /// How far the chain of each node is projected.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn projected_to(&self) -> Result<BTreeMap<String, ProjectedTo>, StoreError> {
        self.reader().projected_to().await
    }

    /// The rows of the chain of a node after `number`: at most `limit`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn trail_after(
        &self,
        node: &NodeName,
        number: u64,
        limit: u32,
    ) -> Result<Vec<TrailRow>, StoreError> {
        self.reader().trail_after(node, number, limit).await
    }

    /// The nodes that have an audit chain.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn projected_nodes(&self) -> Result<Vec<NodeName>, StoreError> {
        self.reader().audit_nodes().await
    }

    /// Those of the messages that are stored, of about `max_bytes` at most, in the order of their ids, and
    /// whether that cut them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn projected_messages(
        &self,
        ids: &[MessageId],
        max_bytes: usize,
    ) -> Result<(Vec<ProjectedMessage>, bool), StoreError> {
        self.reader().projected_messages(ids, max_bytes).await
    }

    /// Who sent each of the messages that are stored.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn senders_of(&self, ids: &[MessageId]) -> Result<BTreeMap<MessageId, DeviceId>, StoreError> {
        self.reader().senders_of(ids).await
    }

    /// The device, metric, patient or alert with this reference (`TYPE/ID`).
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn projected_resource(&self, reference: &str) -> Result<Option<FoundResource>, StoreError> {
        self.reader().projected_resource(reference).await
    }

    /// Whether the index had a device, metric, patient or alert with this reference whose messages were
    /// removed. It is known for as long again as they were stored.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn was_removed(&self, reference: &str) -> Result<bool, StoreError> {
        self.reader().was_removed(reference, self.now()).await
    }

    /// The groups of observations of a message, and the message, if it is stored.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn grouped_message(
        &self,
        message: MessageId,
    ) -> Result<(Vec<FoundGroup>, Option<ProjectedMessage>), StoreError> {
        self.reader().grouped_message(message).await
    }

    /// The groups of observations of several messages.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn groups_of_messages(&self, messages: &[MessageId]) -> Result<Vec<FoundGroup>, StoreError> {
        self.reader().groups_of_messages(messages).await
    }

    /// The resources that are rendered from these messages, with the hashes of their contents.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn resources_of_messages(
        &self,
        messages: &[MessageId],
    ) -> Result<Vec<(MessageId, String, i64)>, StoreError> {
        self.reader().resources_of_messages(messages).await
    }

    /// A page of groups.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn group_page(&self, page: &GroupPage<'_>) -> Result<Vec<FoundGroup>, StoreError> {
        self.reader().group_page(page).await
    }

    /// The place, in the order of changes, of the first group that the index got at this time or later; with
    /// `of_groups` false, of the first device, metric, patient or alert.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn first_change_since(&self, since: Timestamp, of_groups: bool) -> Result<u64, StoreError> {
        self.reader().first_change_since(since, of_groups).await
    }

    /// A page of devices, metrics or patients behind this one: at most `limit`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn resource_page(
        &self,
        of: &ResourcesOf<'_>,
        behind: Option<&FoundResource>,
        limit: u32,
    ) -> Result<Vec<FoundResource>, StoreError> {
        self.reader().resource_page(of, behind, limit).await
    }

    /// Versions of a device, metric, patient or alert before `before`, the latest first: at most `limit`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn resource_versions(
        &self,
        reference: &str,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<FoundVersion>, StoreError> {
        self.reader().resource_versions(reference, before, limit).await
    }

    /// Groups of a patient or of a device, the latest first, behind this one: at most `limit`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn latest_groups(
        &self,
        reference: &str,
        behind: Option<&FoundGroup>,
        limit: u32,
    ) -> Result<Vec<FoundGroup>, StoreError> {
        self.reader().latest_groups(reference, behind, limit).await
    }
}
