//! A CRL in memory: its DER, and an index over its entries.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};

use jiff::Timestamp;

use super::scope::Scope;
use crate::x509::der::{
    ENUMERATED, Element, GENERALIZED_TIME, INTEGER, Malformed, Reader, SEQUENCE, UTC_TIME, constructed,
};
use crate::x509::{CrlDistributionPoint, RawExtension, Signed, directory_names};

/// A parsed and indexed CRL. Not verified.
///
/// It holds the DER and 16 bytes per entry. A lookup is a binary search.
#[derive(Debug)]
pub struct Crl {
    der: Vec<u8>,
    /// The name of its issuer in DER.
    pub issuer: Vec<u8>,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// cRLNumber: the content of its INTEGER.
    pub number: Option<Vec<u8>>,
    /// deltaCRLIndicator: the BaseCRLNumber.
    pub base: Option<Vec<u8>>,
    /// issuingDistributionPoint.
    pub scope: Scope,
    /// issuingDistributionPoint in DER; empty when absent.
    pub scope_der: Vec<u8>,
    /// freshestCRL: the distribution points of its deltas.
    pub freshest: Vec<CrlDistributionPoint>,
    index: Vec<Slot>,
    /// The issuers that entries of an indirect CRL name; first the CRL's own.
    issuers: Vec<Vec<u8>>,
}

/// The entry of one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The time of revocation.
    pub when: Timestamp,
    /// CRLReason, RFC 5280 5.3.1.
    pub reason: Option<u8>,
}

/// Why bytes are not a usable CRL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CrlParseError {
    /// Not the DER of one CRL.
    #[error("not the DER encoding of one CRL")]
    Malformed,
    /// RFC 5280 5.1.1.2: the inner and outer algorithms must be equal.
    #[error("the CRL names two different signature algorithms")]
    AlgorithmMismatch,
    /// RFC 5280 5.1.2.5: required; without it the validity of the CRL is unknown.
    #[error("the CRL has no nextUpdate")]
    NoNextUpdate,
    /// An unknown critical extension, of the CRL or of an entry.
    #[error("the CRL has an unknown critical extension")]
    CriticalExtension,
    /// RFC 5280 5.3.1: removeFromCRL is for delta CRLs only.
    #[error("a complete CRL contains removeFromCRL, which only a delta CRL may")]
    RemoveFromCrl,
    /// RFC 5280 5.3.3: certificateIssuer is for indirect CRLs only.
    #[error("an entry names another issuer, but the CRL is not indirect")]
    ForeignEntry,
}

/// The position of an entry, by a hash of its serial number.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u64,
    offset: u32,
    issuer: u32,
}

impl From<Malformed> for CrlParseError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl Crl {
    /// Parses one CRL in DER.
    ///
    /// # Errors
    /// When the bytes are not exactly one CRL, or contain something unsupported.
    pub fn read(der: Vec<u8>) -> Result<Self, CrlParseError> {
        let signed = Signed::read(&der)?;
        let mut list = Element::whole(signed.message, SEQUENCE)?.reader();
        let version = match list.optional(INTEGER)? {
            Some(version) if version.content == [1] => 2,
            Some(_) => return Err(CrlParseError::Malformed),
            None => 1,
        };
        if list.expect(SEQUENCE)?.raw != signed.algorithm {
            return Err(CrlParseError::AlgorithmMismatch);
        }
        let issuer = list.expect(SEQUENCE)?.raw.to_vec();
        let this_update = list.element()?.time()?;
        let next_update = match [list.optional(UTC_TIME)?, list.optional(GENERALIZED_TIME)?] {
            [Some(time), None] | [None, Some(time)] => time.time()?,
            _ => return Err(CrlParseError::NoNextUpdate),
        };
        let entries = list.optional(SEQUENCE)?;
        let mut head = Head::default();
        if let Some(extensions) = list.optional(constructed(0))? {
            if version == 1 {
                return Err(CrlParseError::Malformed);
            }
            head.read(Element::whole(extensions.content, SEQUENCE)?.reader())?;
        }
        list.finish()?;
        let mut entries_index = Entries { index: Vec::new(), issuers: HashMap::from([(issuer.clone(), 0)]) };
        if let Some(entries) = entries {
            let start = offset_of(&der, entries.content)?;
            entries_index.read(&entries, start, head.base.is_some(), head.scope.indirect)?;
        }
        let Head { number, base, scope, scope_der, freshest } = head;
        let Entries { index, issuers } = entries_index;
        let mut issuers: Vec<(Vec<u8>, u32)> = issuers.into_iter().collect();
        issuers.sort_unstable_by_key(|(_, position)| *position);
        let issuers = issuers.into_iter().map(|(name, _)| name).collect();
        Ok(Self {
            der,
            issuer,
            this_update,
            next_update,
            number,
            base,
            scope,
            scope_der,
            freshest,
            index,
            issuers,
        })
    }

    /// The entry of the certificate with this serial number and issuer (a Name in DER); none if it is not
    /// listed.
    #[must_use]
    pub fn entry(&self, serial: &[u8], issuer: &[u8]) -> Option<Entry> {
        // In a direct CRL every entry belongs to the CRL's issuer. The caller checks that the CRL covers the
        // certificate.
        let wanted = hash(serial);
        let start = self.index.partition_point(|slot| slot.hash < wanted);
        let slots = self.index.get(start..).unwrap_or_default().iter().take_while(|slot| slot.hash == wanted);
        let mut found = slots.filter_map(|slot| {
            let named = self.issuers.get(usize::try_from(slot.issuer).ok()?)?;
            let mut reader = Reader::new(self.der.get(usize::try_from(slot.offset).ok()?..)?);
            let entry = EntryReader::read(reader.expect(SEQUENCE).ok()?).ok()?;
            (named == issuer && entry.serial == serial).then_some(entry.entry)
        });
        found.next()
    }

    /// The number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether it has no entries.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Its DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The signed bytes, the algorithm and the signature.
    ///
    /// # Errors
    /// Never for a parsed CRL.
    pub fn signed(&self) -> Result<Signed<'_>, Malformed> {
        Signed::read(&self.der)
    }

    /// Bytes of memory used.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.der.capacity() + self.index.capacity() * size_of::<Slot>()
    }
}

/// The extensions of the CRL.
#[derive(Default)]
struct Head {
    number: Option<Vec<u8>>,
    base: Option<Vec<u8>>,
    scope: Scope,
    scope_der: Vec<u8>,
    freshest: Vec<CrlDistributionPoint>,
}

impl Head {
    fn read(&mut self, extensions: Reader<'_>) -> Result<(), CrlParseError> {
        for extension in RawExtension::read_all(extensions)? {
            // RFC 5280 5.2.3: CRLNumber ::= INTEGER (0..MAX)
            let number = || match Element::whole(extension.value, INTEGER)?.integer()? {
                [0x80..=0xff, ..] => Err(CrlParseError::Malformed),
                octets => Ok(octets.to_vec()),
            };
            match extension.oid {
                CRL_NUMBER => self.number = Some(number()?),
                DELTA_CRL_INDICATOR => self.base = Some(number()?),
                ISSUING_DISTRIBUTION_POINT => {
                    self.scope = Scope::read(extension.value)?;
                    self.scope_der = extension.value.to_vec();
                }
                FRESHEST_CRL => self.freshest = CrlDistributionPoint::read_all(extension.value)?,
                AUTHORITY_KEY_IDENTIFIER => {}
                _ if extension.critical => return Err(CrlParseError::CriticalExtension),
                _ => {}
            }
        }
        Ok(())
    }
}

struct Entries {
    index: Vec<Slot>,
    /// Names and their positions. A list of a million entries may name as many issuers.
    issuers: HashMap<Vec<u8>, u32>,
}

impl Entries {
    fn read(
        &mut self,
        entries: &Element<'_>,
        start: usize,
        is_delta: bool,
        is_indirect: bool,
    ) -> Result<(), CrlParseError> {
        let mut reader = entries.reader();
        // An entry takes about 37 bytes and seldom fewer.
        self.index.reserve_exact(entries.content.len() / 36);
        let mut issuer = 0_u32;
        let number = |value: usize| u32::try_from(value).map_err(|_| CrlParseError::Malformed);
        while !reader.is_empty() {
            let position = start.saturating_add(entries.content.len().saturating_sub(reader.remaining()));
            let entry = EntryReader::read(reader.expect(SEQUENCE)?)?;
            if entry.entry.reason == Some(REMOVE_FROM_CRL) && !is_delta {
                return Err(CrlParseError::RemoveFromCrl);
            }
            // RFC 5280 5.3.3: certificateIssuer applies to the following entries too.
            if let Some(name) = entry.issuer {
                if !is_indirect {
                    return Err(CrlParseError::ForeignEntry);
                }
                let next = number(self.issuers.len())?;
                issuer = *self.issuers.entry(name).or_insert(next);
            }
            let slot = Slot { hash: hash(entry.serial), offset: number(position)?, issuer };
            self.index.push(slot);
        }
        self.index.sort_unstable_by_key(|slot| (slot.hash, slot.offset));
        self.index.shrink_to_fit();
        Ok(())
    }
}

struct EntryReader<'a> {
    serial: &'a [u8],
    entry: Entry,
    issuer: Option<Vec<u8>>,
}

impl<'a> EntryReader<'a> {
    fn read(element: Element<'a>) -> Result<Self, CrlParseError> {
        let mut reader = element.reader();
        let serial = reader.expect(INTEGER)?.content;
        let when = reader.element()?.time()?;
        let (mut reason, mut issuer) = (None, None);
        if let Some(extensions) = reader.optional(SEQUENCE)? {
            for extension in RawExtension::read_all(extensions.reader())? {
                match extension.oid {
                    REASON_CODE => match Element::whole(extension.value, ENUMERATED)?.content {
                        [code] => reason = Some(*code),
                        _ => return Err(CrlParseError::Malformed),
                    },
                    CERTIFICATE_ISSUER => {
                        let names = Element::whole(extension.value, SEQUENCE)?.reader();
                        let name = directory_names(names)?.into_iter().next();
                        issuer = Some(name.ok_or(CrlParseError::Malformed)?);
                    }
                    _ if extension.critical => return Err(CrlParseError::CriticalExtension),
                    _ => {}
                }
            }
        }
        reader.finish()?;
        Ok(Self { serial, entry: Entry { when, reason }, issuer })
    }
}

fn hash(serial: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(serial);
    hasher.finish()
}

/// The offset of `part` within `whole`.
fn offset_of(whole: &[u8], part: &[u8]) -> Result<usize, Malformed> {
    let range = whole.as_ptr_range();
    let offset = part.as_ptr().addr().checked_sub(range.start.addr()).ok_or(Malformed)?;
    if offset <= whole.len() { Ok(offset) } else { Err(Malformed) }
}

pub(super) const REMOVE_FROM_CRL: u8 = 8;
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];
const REASON_CODE: &[u8] = &[0x55, 0x1d, 21];
const DELTA_CRL_INDICATOR: &[u8] = &[0x55, 0x1d, 27];
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 28];
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 29];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 35];
const FRESHEST_CRL: &[u8] = &[0x55, 0x1d, 46];
