//! The extensions that path validation processes besides those of [`Extensions`](super::Extensions): policies
//! and name constraints (RFC 5280 section 6.1), and what is critical and unknown.

use super::der::{Element, INTEGER, Malformed, OBJECT_IDENTIFIER, Reader, SEQUENCE, constructed, context};
use super::directory_string::decode;
use super::general_name::{GeneralName, SubtreeName};
use super::raw_extension::RawExtension;

/// What path validation reads of a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathExtensions {
    /// The subject, for directoryName constraints.
    pub subject: SubtreeName,
    /// The emailAddress attributes of the subject, which rfc822Name constraints cover too.
    pub subject_emails: Vec<String>,
    /// subjectAltName.
    pub names: Vec<GeneralName>,
    /// nameConstraints.
    pub name_constraints: Option<NameConstraints>,
    /// certificatePolicies; `None` if absent.
    pub policies: Option<Vec<PolicyId>>,
    /// policyMappings: policies of the issuer with those of the subject that are equivalent.
    pub mappings: Vec<(PolicyId, PolicyId)>,
    /// policyConstraints: requireExplicitPolicy.
    pub require_explicit_policy: Option<u32>,
    /// policyConstraints: inhibitPolicyMapping.
    pub inhibit_policy_mapping: Option<u32>,
    /// inhibitAnyPolicy.
    pub inhibit_any_policy: Option<u32>,
    /// The object identifier of the first critical extension that is not processed.
    pub unsupported: Option<String>,
}

/// nameConstraints (RFC 5280 4.2.1.10).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameConstraints {
    /// Subtrees to which names of their form are limited.
    pub permitted: Vec<GeneralName>,
    /// Subtrees that are forbidden.
    pub excluded: Vec<GeneralName>,
}

/// The content of the OBJECT IDENTIFIER of a certificate policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyId(Vec<u8>);

impl PolicyId {
    /// anyPolicy, 2.5.29.32.0.
    #[must_use]
    pub fn any() -> Self {
        Self(vec![0x55, 0x1d, 0x20, 0x00])
    }

    /// A policy by the content of its OBJECT IDENTIFIER.
    #[must_use]
    pub fn from_content(content: &[u8]) -> Self {
        Self(content.to_vec())
    }

    /// A policy by its object identifier with dots; `None` if the text is none.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut arcs = text.split('.').map(str::parse::<u64>);
        let (first, second) = (arcs.next()?.ok()?, arcs.next()?.ok()?);
        let mut content = Vec::new();
        // X.690 8.19.4: the first two arcs are one number.
        push_arc(&mut content, first.checked_mul(40)?.checked_add(second)?);
        for arc in arcs {
            push_arc(&mut content, arc.ok()?);
        }
        Some(Self(content))
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self::from_content(reader.expect(OBJECT_IDENTIFIER)?.content))
    }
}

/// X.690 8.19.2: seven bits an octet, the last one without the highest bit.
fn push_arc(content: &mut Vec<u8>, arc: u64) {
    let octets = (u64::BITS - arc.leading_zeros()).div_ceil(7).max(1);
    for place in (0..octets).rev() {
        let bits = u8::try_from((arc >> (7 * place)) & 0x7f).unwrap_or_default();
        content.push(if place > 0 { bits | 0x80 } else { bits });
    }
}

impl PathExtensions {
    /// Parses one certificate in DER.
    ///
    /// # Errors
    /// When the certificate or one of these extensions is malformed.
    pub fn read(der: &[u8]) -> Result<Self, Malformed> {
        let mut signed = Element::whole(der, SEQUENCE)?.reader().expect(SEQUENCE)?.reader();
        signed.optional(constructed(0))?; // version
        signed.element()?; // serialNumber
        signed.expect(SEQUENCE)?; // signature
        signed.expect(SEQUENCE)?; // issuer
        signed.expect(SEQUENCE)?; // validity
        let subject = signed.expect(SEQUENCE)?;
        signed.expect(SEQUENCE)?; // subjectPublicKeyInfo
        let mut facts = Self {
            subject: SubtreeName::read(subject.raw)?,
            subject_emails: emails(subject)?,
            ..Self::default()
        };
        while !signed.is_empty() {
            let element = signed.element()?;
            // Unique identifiers come before the extensions.
            if element.tag == constructed(3) {
                for extension in RawExtension::read_all(element.reader().expect(SEQUENCE)?.reader())? {
                    facts.add(extension)?;
                }
            }
        }
        Ok(facts)
    }

    fn add(&mut self, extension: RawExtension<'_>) -> Result<(), Malformed> {
        let RawExtension { oid, critical, value } = extension;
        match oid {
            SUBJECT_ALT_NAME => self.names = GeneralName::read_all(value)?,
            NAME_CONSTRAINTS => self.name_constraints = Some(name_constraints(value)?),
            CERTIFICATE_POLICIES => self.policies = Some(policies(value)?),
            POLICY_MAPPINGS => self.mappings = mappings(value)?,
            POLICY_CONSTRAINTS => {
                let mut fields = Element::whole(value, SEQUENCE)?.reader();
                self.require_explicit_policy = fields.optional(context(0))?.map(skip_certs).transpose()?;
                self.inhibit_policy_mapping = fields.optional(context(1))?.map(skip_certs).transpose()?;
                fields.finish()?;
            }
            INHIBIT_ANY_POLICY => {
                self.inhibit_any_policy = Some(skip_certs(Element::whole(value, INTEGER)?)?);
            }
            _ if critical && !PROCESSED_ELSEWHERE.contains(&oid) => {
                self.unsupported.get_or_insert_with(|| dotted(oid));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The emailAddress attributes of a Name.
fn emails(name: Element<'_>) -> Result<Vec<String>, Malformed> {
    let (mut relative_names, mut emails) = (name.reader(), Vec::new());
    while !relative_names.is_empty() {
        let mut attributes = relative_names.element()?.reader();
        while !attributes.is_empty() {
            let mut attribute = attributes.expect(SEQUENCE)?.reader();
            if attribute.expect(OBJECT_IDENTIFIER)?.content == EMAIL_ADDRESS {
                // A value that is no text satisfies no constraint.
                let value = attribute.element()?;
                emails.push(decode(value.tag.into(), value.content).unwrap_or_default());
            }
        }
    }
    Ok(emails)
}

fn name_constraints(der: &[u8]) -> Result<NameConstraints, Malformed> {
    let mut fields = Element::whole(der, SEQUENCE)?.reader();
    let mut subtrees = |number| -> Result<Vec<GeneralName>, Malformed> {
        let Some(list) = fields.optional(constructed(number))? else { return Ok(Vec::new()) };
        let (mut list, mut bases) = (list.reader(), Vec::new());
        while !list.is_empty() {
            let mut subtree = list.expect(SEQUENCE)?.reader();
            bases.push(GeneralName::take(&mut subtree)?);
            // RFC 5280: the minimum is zero, and there is no maximum.
            if let Some(minimum) = subtree.optional(context(0))?
                && minimum.integer()? != [0]
            {
                return Err(Malformed);
            }
            subtree.finish()?;
        }
        Ok(bases)
    };
    let constraints = NameConstraints { permitted: subtrees(0)?, excluded: subtrees(1)? };
    fields.finish()?;
    Ok(constraints)
}

/// The identifiers of the policies. Their qualifiers are informative.
fn policies(der: &[u8]) -> Result<Vec<PolicyId>, Malformed> {
    let (mut list, mut policies) = (Element::whole(der, SEQUENCE)?.reader(), Vec::new());
    while !list.is_empty() {
        policies.push(PolicyId::take(&mut list.expect(SEQUENCE)?.reader())?);
    }
    if policies.is_empty() { Err(Malformed) } else { Ok(policies) }
}

fn mappings(der: &[u8]) -> Result<Vec<(PolicyId, PolicyId)>, Malformed> {
    let (mut list, mut mappings) = (Element::whole(der, SEQUENCE)?.reader(), Vec::new());
    while !list.is_empty() {
        let mut mapping = list.expect(SEQUENCE)?.reader();
        mappings.push((PolicyId::take(&mut mapping)?, PolicyId::take(&mut mapping)?));
        mapping.finish()?;
    }
    Ok(mappings)
}

/// SkipCerts: a number of certificates that is not negative. A larger one than fits is as good as none.
fn skip_certs(value: Element<'_>) -> Result<u32, Malformed> {
    let octets = value.integer()?;
    if octets.first().is_some_and(|first| first & 0x80 != 0) {
        return Err(Malformed);
    }
    let number =
        octets.iter().fold(0_u64, |sum, octet| sum.saturating_mul(256).saturating_add(u64::from(*octet)));
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

/// The dotted form of an object identifier; hexadecimal if it is longer than real ones are.
fn dotted(oid: &[u8]) -> String {
    match oid.get(..MAX_SHOWN_OID) {
        Some(start) => format!("{}...", crate::model::hexadecimal::encode(start)),
        None => x509_parser::asn1_rs::Oid::new(oid.into()).to_string(),
    }
}

/// Octets from which on an object identifier is shown in part: a peer chooses it.
const MAX_SHOWN_OID: usize = 32;
const EMAIL_ADDRESS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
const CERTIFICATE_POLICIES: &[u8] = &[0x55, 0x1d, 32];
const POLICY_MAPPINGS: &[u8] = &[0x55, 0x1d, 33];
const POLICY_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 36];
const INHIBIT_ANY_POLICY: &[u8] = &[0x55, 0x1d, 54];
/// keyUsage, basicConstraints, extKeyUsage, the key identifiers, cRLDistributionPoints, freshestCRL and
/// authorityInfoAccess: `Extensions` has them.
const PROCESSED_ELSEWHERE: [&[u8]; 8] = [
    &[0x55, 0x1d, 14],
    &[0x55, 0x1d, 15],
    &[0x55, 0x1d, 19],
    &[0x55, 0x1d, 31],
    &[0x55, 0x1d, 35],
    &[0x55, 0x1d, 37],
    &[0x55, 0x1d, 46],
    &[0x2b, 6, 1, 5, 5, 7, 1, 1],
];
