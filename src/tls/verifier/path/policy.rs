//! Certificate policies (RFC 5280 6.1.2 to 6.1.5) with the graph of RFC 9618.
//!
//! The initial policy set is any-policy, and no explicit policy is required at first; or it is what the
//! configuration requires, and an explicit policy is required from the first certificate on. Then all that
//! matters of the graph is whether its deepest level has a node: an ancestor without children is never looked
//! at again. So one level is stored, and its size is bounded by the policies of one certificate and of its
//! issuer.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Refusal;
use crate::x509::{PathExtensions, PolicyId};

/// The state variables of section 6.1.2 that concern policies.
#[derive(Debug)]
pub(super) struct PolicyState {
    /// The nodes of the current depth with their expected policies; `None` is the NULL graph.
    level: Option<BTreeMap<PolicyId, BTreeSet<PolicyId>>>,
    explicit_policy: u32,
    policy_mapping: u32,
    inhibit_any_policy: u32,
}

impl PolicyState {
    /// The state above a path of `certificates`, which has to be valid for one of the `required` policies if
    /// there are any.
    pub(super) fn new(certificates: usize, required: &[PolicyId]) -> Self {
        let beyond = u32::try_from(certificates).unwrap_or(u32::MAX).saturating_add(1);
        let node = |policy: &PolicyId| (policy.clone(), BTreeSet::from([policy.clone()]));
        // RFC 5280 6.1.5 (g) intersects with the initial set at the end; the nodes that remain then are those
        // that descend from it.
        let root = match required {
            [] => BTreeMap::from([node(&PolicyId::any())]),
            required => required.iter().map(node).collect(),
        };
        Self {
            level: Some(root),
            explicit_policy: if required.is_empty() { beyond } else { 0 },
            policy_mapping: beyond,
            inhibit_any_policy: beyond,
        }
    }

    /// Section 6.1.3 (d) to (f). `may_inherit` says that the certificate is self-issued and not the last one.
    ///
    /// # Errors
    /// When an explicit policy is required and none is left.
    pub(super) fn process(&mut self, own: &PathExtensions, may_inherit: bool) -> Result<(), Refusal> {
        let above = self.level.take();
        self.level = match (&own.policies, above) {
            (Some(policies), Some(above)) => {
                let accepts_any = self.inhibit_any_policy > 0 || may_inherit;
                Some(next_level(&above, policies, accepts_any)).filter(|level| !level.is_empty())
            }
            _ => None,
        };
        self.require_policy()
    }

    /// Section 6.1.4 (a), (b), (h) to (j), after [`PolicyState::process`] for every certificate but the last.
    ///
    /// # Errors
    /// When any-policy is mapped.
    pub(super) fn prepare(&mut self, own: &PathExtensions, is_self_issued: bool) -> Result<(), Refusal> {
        let any = PolicyId::any();
        if own.mappings.iter().any(|(issuer, subject)| *issuer == any || *subject == any) {
            return Err(Refusal::CertificatePolicy);
        }
        self.map(&own.mappings);
        if !is_self_issued {
            for counter in [&mut self.explicit_policy, &mut self.policy_mapping, &mut self.inhibit_any_policy]
            {
                *counter = counter.saturating_sub(1);
            }
        }
        let limits = [
            (&mut self.explicit_policy, own.require_explicit_policy),
            (&mut self.policy_mapping, own.inhibit_policy_mapping),
            (&mut self.inhibit_any_policy, own.inhibit_any_policy),
        ];
        for (counter, limit) in limits {
            *counter = limit.map_or(*counter, |limit| limit.min(*counter));
        }
        Ok(())
    }

    /// Section 6.1.5 (a), (b) and (g), after [`PolicyState::process`] for the last certificate.
    ///
    /// # Errors
    /// When an explicit policy is required and none is left.
    pub(super) fn finish(mut self, own: &PathExtensions) -> Result<(), Refusal> {
        self.explicit_policy = self.explicit_policy.saturating_sub(1);
        if own.require_explicit_policy == Some(0) {
            self.explicit_policy = 0;
        }
        self.require_policy()
    }

    fn require_policy(&self) -> Result<(), Refusal> {
        if self.explicit_policy > 0 || self.level.is_some() {
            Ok(())
        } else {
            Err(Refusal::CertificatePolicy)
        }
    }

    /// Section 6.1.4 (b).
    fn map(&mut self, mappings: &[(PolicyId, PolicyId)]) {
        let Some(level) = &mut self.level else { return };
        let mut mapped: BTreeMap<&PolicyId, BTreeSet<PolicyId>> = BTreeMap::new();
        for (issuer, subject) in mappings {
            mapped.entry(issuer).or_default().insert(subject.clone());
        }
        let has_any = level.contains_key(&PolicyId::any());
        for (issuer, subjects) in mapped {
            if self.policy_mapping == 0 {
                level.remove(issuer);
            } else if has_any || level.contains_key(issuer) {
                level.insert(issuer.clone(), subjects);
            }
        }
        if level.is_empty() {
            self.level = None;
        }
    }
}

/// Section 6.1.3 (d): the nodes for the policies of one certificate.
fn next_level(
    above: &BTreeMap<PolicyId, BTreeSet<PolicyId>>,
    policies: &[PolicyId],
    accepts_any: bool,
) -> BTreeMap<PolicyId, BTreeSet<PolicyId>> {
    let any = PolicyId::any();
    let expected: BTreeSet<&PolicyId> = above.values().flatten().collect();
    let node = |policy: &PolicyId| (policy.clone(), BTreeSet::from([policy.clone()]));
    let named = policies.iter().filter(|policy| **policy != any);
    let mut level: BTreeMap<_, _> =
        named.filter(|policy| above.contains_key(&any) || expected.contains(policy)).map(node).collect();
    if accepts_any && policies.contains(&any) {
        for policy in expected {
            level.entry(policy.clone()).or_insert_with(|| BTreeSet::from([policy.clone()]));
        }
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: u8) -> PolicyId {
        PolicyId::from_content(&[0x2a, name])
    }

    fn certificate(policies: &[&PolicyId]) -> PathExtensions {
        let policies = policies.iter().copied().cloned().collect();
        PathExtensions { policies: Some(policies), ..PathExtensions::default() }
    }

    /// The result of a path of CAs and a device, from the top.
    fn validate(path: &[PathExtensions]) -> Result<(), Refusal> {
        validate_for(path, &[])
    }

    fn validate_for(path: &[PathExtensions], required: &[PolicyId]) -> Result<(), Refusal> {
        let mut state = PolicyState::new(path.len(), required);
        let (device, authorities) = path.split_last().unwrap();
        for authority in authorities {
            state.process(authority, false)?;
            state.prepare(authority, false)?;
        }
        state.process(device, false)?;
        state.finish(device)
    }

    fn explicit(own: PathExtensions) -> PathExtensions {
        PathExtensions { require_explicit_policy: Some(0), ..own }
    }

    // RFC 5280 6.1, RFC 9618
    #[test]
    fn a_required_policy_must_be_in_each_certificate() {
        let (one, two, any) = (policy(1), policy(2), PolicyId::any());
        let none = PathExtensions::default;
        let ca = |policies: &[&PolicyId]| explicit(certificate(policies));
        assert_eq!(validate(&[none(), certificate(&[&one])]), Ok(()), "none is required");
        assert_eq!(validate(&[ca(&[&one]), certificate(&[&one])]), Ok(()));
        assert_eq!(validate(&[ca(&[&any]), certificate(&[&two])]), Ok(()));
        assert_eq!(validate(&[ca(&[&one]), certificate(&[&any])]), Ok(()));
        let refused = Err(Refusal::CertificatePolicy);
        assert_eq!(validate(&[ca(&[&one]), certificate(&[&two])]), refused);
        assert_eq!(validate(&[ca(&[&one]), none()]), refused);
        assert_eq!(validate(&[none(), explicit(none())]), refused);
        let inhibiting = PathExtensions { inhibit_any_policy: Some(0), ..ca(&[&one]) };
        assert_eq!(validate(&[inhibiting, certificate(&[&any])]), refused);
    }

    #[test]
    fn n001_2_a_path_is_valid_for_a_policy_that_the_configuration_requires() {
        let (one, two, any) = (policy(1), policy(2), PolicyId::any());
        let none = PathExtensions::default;
        let required = std::slice::from_ref(&one);
        let refused = Err(Refusal::CertificatePolicy);
        assert_eq!(validate_for(&[certificate(&[&one])], required), Ok(()));
        assert_eq!(validate_for(&[certificate(&[&any])], required), Ok(()));
        assert_eq!(validate_for(&[certificate(&[&two, &any]), certificate(&[&one])], required), Ok(()));
        assert_eq!(validate_for(&[certificate(&[&two])], required), refused);
        assert_eq!(validate_for(&[none()], required), refused);
        assert_eq!(validate_for(&[none(), certificate(&[&one])], required), refused);
        assert_eq!(validate_for(&[certificate(&[&two]), certificate(&[&one])], required), refused);
        assert_eq!(validate_for(&[certificate(&[&two])], &[one, two]), Ok(()));
    }

    #[test]
    fn a_mapping_replaces_the_expected_policy() {
        let (one, two) = (policy(1), policy(2));
        let mapping = |from: &PolicyId, to: &PolicyId| PathExtensions {
            mappings: vec![(from.clone(), to.clone())],
            ..explicit(certificate(&[&one]))
        };
        assert_eq!(validate(&[mapping(&one, &two), certificate(&[&two])]), Ok(()));
        let refused = Err(Refusal::CertificatePolicy);
        assert_eq!(validate(&[mapping(&one, &two), certificate(&[&one])]), refused);
        assert_eq!(validate(&[mapping(&one, &PolicyId::any()), certificate(&[&one])]), refused);
        let top = PathExtensions { inhibit_policy_mapping: Some(0), ..certificate(&[&one]) };
        assert_eq!(validate(&[top, mapping(&one, &two), certificate(&[&two])]), refused);
    }
}
