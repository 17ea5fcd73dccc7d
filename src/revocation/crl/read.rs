//! A CRL in memory: its DER, and an index over its entries.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use jiff::Timestamp;

use super::scope::Scope;
use crate::x509::der::{
    ENUMERATED, Element, GENERALIZED_TIME, INTEGER, Malformed, Reader, SEQUENCE, UTC_TIME, constructed,
};
use crate::x509::{
    ComparableName, CrlDistributionPoint, RawExtension, Serial, Signed, directory_names, prepared_name,
};

/// A parsed CRL. Not verified.
///
/// It holds the DER, and once its entries are indexed 16 bytes per entry. A lookup is a binary search.
#[derive(Debug)]
pub struct Crl {
    der: Bytes,
    /// The name of its issuer.
    pub issuer: ComparableName,
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
    /// revokedCertificates: the positions of its content in the DER.
    entries: Range<usize>,
    index: OnceLock<Result<Index, CrlParseError>>,
}

/// The entries by serial number.
#[derive(Debug)]
struct Index {
    slots: Vec<Slot>,
    /// The issuers that entries of an indirect CRL name, in the form that is compared; first the CRL's own.
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
    /// Parses one CRL in DER, with its entries.
    ///
    /// # Errors
    /// When the bytes are not exactly one CRL, or contain something unsupported.
    pub fn read(der: impl Into<Bytes>) -> Result<Self, CrlParseError> {
        let crl = Self::read_head(der)?;
        crl.parse_entries()?;
        Ok(crl)
    }

    /// Parses one CRL in DER without its entries. Anyone may have written them: the signature is verified
    /// first, and [`Crl::parse_entries`] follows.
    ///
    /// # Errors
    /// As [`Crl::read`].
    pub fn read_head(der: impl Into<Bytes>) -> Result<Self, CrlParseError> {
        let der = der.into();
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
        let issuer = list.expect(SEQUENCE)?.raw;
        if issuer.len() > MAX_HEAD_BYTES {
            return Err(CrlParseError::Malformed);
        }
        let issuer = ComparableName::new(issuer);
        let this_update = list.element()?.time()?;
        let next_update = match [list.optional(UTC_TIME)?, list.optional(GENERALIZED_TIME)?] {
            [Some(time), None] | [None, Some(time)] => time.time()?,
            _ => return Err(CrlParseError::NoNextUpdate),
        };
        let entries = match list.optional(SEQUENCE)? {
            Some(entries) => {
                let start = offset_of(&der, entries.content)?;
                start..start.saturating_add(entries.content.len())
            }
            None => 0..0,
        };
        let mut head = Head::default();
        if let Some(extensions) = list.optional(constructed(0))? {
            if version == 1 || extensions.content.len() > MAX_HEAD_BYTES {
                return Err(CrlParseError::Malformed);
            }
            head.read(Element::whole(extensions.content, SEQUENCE)?.reader())?;
        }
        list.finish()?;
        let Head { number, base, scope, scope_der, freshest } = head;
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
            entries,
            index: OnceLock::new(),
        })
    }

    /// Parses and indexes the entries, once.
    ///
    /// # Errors
    /// When an entry is malformed or contains something unsupported.
    pub fn parse_entries(&self) -> Result<(), CrlParseError> {
        self.index().map(|_| ())
    }

    fn index(&self) -> Result<&Index, CrlParseError> {
        let build = || {
            let content = self.der.get(self.entries.clone()).ok_or(CrlParseError::Malformed)?;
            let mut entries =
                Entries { slots: Vec::new(), issuers: HashMap::from([(self.issuer.prepared().to_vec(), 0)]) };
            entries.read(content, self.entries.start, self.base.is_some(), self.scope.indirect)?;
            let Entries { slots, issuers } = entries;
            let mut issuers: Vec<(Vec<u8>, u32)> = issuers.into_iter().collect();
            issuers.sort_unstable_by_key(|(_, position)| *position);
            Ok(Index { slots, issuers: issuers.into_iter().map(|(name, _)| name).collect() })
        };
        self.index.get_or_init(build).as_ref().map_err(|error| *error)
    }

    /// The entry of the certificate with this serial number and issuer; none if it is not listed.
    #[must_use]
    pub fn entry(&self, serial: &[u8], issuer: &ComparableName) -> Option<Entry> {
        let serial = Serial::shortest(serial);
        let Index { slots, issuers } = self.index().ok()?;
        // In a direct CRL every entry belongs to the CRL's issuer. The caller checks that the CRL covers the
        // certificate.
        let wanted = hash(serial);
        let start = slots.partition_point(|slot| slot.hash < wanted);
        let slots = slots.get(start..).unwrap_or_default().iter().take_while(|slot| slot.hash == wanted);
        let mut found = slots.filter_map(|slot| {
            let named = issuers.get(usize::try_from(slot.issuer).ok()?)?;
            let mut reader = Reader::new(self.der.get(usize::try_from(slot.offset).ok()?..)?);
            let entry = EntryReader::read(reader.expect(SEQUENCE).ok()?).ok()?;
            (named == issuer.prepared() && entry.serial == serial).then_some(entry.entry)
        });
        found.next()
    }

    fn slots(&self) -> &[Slot] {
        self.index.get().and_then(|index| index.as_ref().ok()).map_or(&[], |index| &index.slots)
    }

    /// The number of entries; zero before they are parsed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots().len()
    }

    /// Whether it has no entries, or they are not parsed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots().is_empty()
    }

    /// Its DER.
    #[must_use]
    pub const fn as_der(&self) -> &Bytes {
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
    pub fn memory(&self) -> usize {
        self.der.len() + size_of_val(self.slots())
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
    slots: Vec<Slot>,
    /// Names and their positions. A list of a million entries may name as many issuers.
    issuers: HashMap<Vec<u8>, u32>,
}

impl Entries {
    fn read(
        &mut self,
        entries: &[u8],
        start: usize,
        is_delta: bool,
        is_indirect: bool,
    ) -> Result<(), CrlParseError> {
        let mut reader = Reader::new(entries);
        // An entry takes about 37 bytes and seldom fewer.
        self.slots.reserve_exact(entries.len() / 36);
        let mut issuer = 0_u32;
        let number = |value: usize| u32::try_from(value).map_err(|_| CrlParseError::Malformed);
        while !reader.is_empty() {
            let position = start.saturating_add(entries.len().saturating_sub(reader.remaining()));
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
                issuer = *self.issuers.entry(prepared_name(&name)).or_insert(next);
            }
            let slot = Slot { hash: hash(entry.serial), offset: number(position)?, issuer };
            self.slots.push(slot);
        }
        self.slots.sort_unstable_by_key(|slot| (slot.hash, slot.offset));
        self.slots.shrink_to_fit();
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
        let serial = Serial::shortest(reader.expect(INTEGER)?.content);
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

/// The issuer's name, and the extensions together. Both are parsed before the signature is verified.
const MAX_HEAD_BYTES: usize = 64 << 10;
pub(super) const REMOVE_FROM_CRL: u8 = 8;
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];
const REASON_CODE: &[u8] = &[0x55, 0x1d, 21];
const DELTA_CRL_INDICATOR: &[u8] = &[0x55, 0x1d, 27];
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 28];
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 29];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 35];
const FRESHEST_CRL: &[u8] = &[0x55, 0x1d, 46];
