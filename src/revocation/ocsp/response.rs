//! OCSP responses, parsed. [`super::verify()`] decides whether a response is accepted.

use jiff::Timestamp;

use super::cert_id::CertId;
use super::nonce::{NONCE, nonce_value};
use crate::revocation::CertStatus;
use crate::x509::der::{
    ENUMERATED, Element, GENERALIZED_TIME, INTEGER, Malformed, OBJECT_IDENTIFIER, OCTET_STRING, Reader,
    SEQUENCE, constructed, context,
};
use crate::x509::{RawExtension, Signed};

/// OCSPResponseStatus, RFC 6960 4.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseStatus {
    /// The request was malformed.
    MalformedRequest,
    /// The responder has an internal error.
    InternalError,
    /// The responder asks for a later retry.
    TryLater,
    /// The responder requires signed requests.
    SigRequired,
    /// The responder is not authoritative, or does not serve this client.
    Unauthorized,
    /// A code that RFC 6960 does not define.
    Other(u8),
}

/// BasicOCSPResponse, RFC 6960 4.2.1.
#[derive(Debug, Clone)]
pub struct BasicResponse<'a> {
    /// The signed bytes, the algorithm and the signature.
    pub signed: Signed<'a>,
    /// The ResponderID.
    pub responder: Responder<'a>,
    /// producedAt.
    pub produced_at: Timestamp,
    /// The statuses of the certificates, parsed by [`BasicResponse::responses`].
    responses: Reader<'a>,
    /// The nonce, if present.
    pub nonce: Option<&'a [u8]>,
    /// Whether an unknown critical extension is present.
    pub unknown_critical: bool,
    /// Certificates for the verification of the signature, in DER.
    pub certificates: Vec<&'a [u8]>,
}

/// ResponderID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Responder<'a> {
    /// By name, in DER.
    Name(&'a [u8]),
    /// By SHA-1 over the key.
    KeyHash(&'a [u8]),
}

/// The status of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleResponse {
    /// The certificate.
    pub id: CertId,
    /// The status.
    pub status: CertStatus,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Option<Timestamp>,
    /// Whether an unknown critical extension is present.
    pub unknown_critical: bool,
}

impl<'a> BasicResponse<'a> {
    /// Parses an OCSPResponse that contains a basic response.
    ///
    /// # Errors
    /// The inner error is the status of an error response. The outer error: the bytes are not exactly one
    /// response of that type.
    pub fn read(der: &'a [u8]) -> Result<Result<Self, ResponseStatus>, Malformed> {
        let mut outer = Element::whole(der, SEQUENCE)?.reader();
        let [status] = outer.expect(ENUMERATED)?.content else { return Err(Malformed) };
        if *status != 0 {
            return Ok(Err(ResponseStatus::from_code(*status)));
        }
        let bytes = outer.expect(constructed(0))?;
        outer.finish()?;
        let mut bytes = Element::whole(bytes.content, SEQUENCE)?.reader();
        if bytes.expect(OBJECT_IDENTIFIER)?.content != BASIC {
            return Err(Malformed);
        }
        let basic = bytes.expect(OCTET_STRING)?.content;
        bytes.finish()?;
        Self::read_basic(basic).map(Ok)
    }

    /// Parses the statuses of the certificates. This costs as much as the responder likes within the size of
    /// the response, so the signature is verified first.
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn responses(&self) -> Result<Vec<SingleResponse>, Malformed> {
        self.responses_where(|_| true)
    }

    /// As [`BasicResponse::responses`], but holds only those that `is_wanted` accepts.
    pub(super) fn responses_where(
        &self,
        is_wanted: impl Fn(&CertId) -> bool,
    ) -> Result<Vec<SingleResponse>, Malformed> {
        let (mut list, mut responses) = (self.responses, Vec::new());
        while !list.is_empty() {
            let single = SingleResponse::read(list.expect(SEQUENCE)?.reader())?;
            if is_wanted(&single.id) {
                responses.push(single);
            }
        }
        Ok(responses)
    }

    fn read_basic(der: &'a [u8]) -> Result<Self, Malformed> {
        let mut basic = Element::whole(der, SEQUENCE)?.reader();
        let signed = Signed::take(&mut basic)?;
        let certificates = match basic.optional(constructed(0))? {
            Some(list) => certificates(&list)?,
            None => Vec::new(),
        };
        basic.finish()?;
        let mut data = Element::whole(signed.message, SEQUENCE)?.reader();
        if let Some(version) = data.optional(constructed(0))?
            && Element::whole(version.content, INTEGER)?.integer()? != [0]
        {
            return Err(Malformed);
        }
        let responder = Responder::read(&data.element()?)?;
        let produced_at = data.expect(GENERALIZED_TIME)?.time()?;
        let responses = data.expect(SEQUENCE)?.reader();
        let (mut nonce, mut unknown_critical) = (None, false);
        if let Some(extensions) = data.optional(constructed(1))? {
            for extension in RawExtension::read_all(Element::whole(extensions.content, SEQUENCE)?.reader())? {
                if extension.oid == NONCE {
                    nonce = Some(nonce_value(extension.value));
                } else {
                    unknown_critical |= extension.critical;
                }
            }
        }
        data.finish()?;
        Ok(Self { signed, responder, produced_at, responses, nonce, unknown_critical, certificates })
    }
}

impl<'a> Responder<'a> {
    fn read(element: &Element<'a>) -> Result<Self, Malformed> {
        if element.tag == constructed(1) {
            return Ok(Self::Name(Element::whole(element.content, SEQUENCE)?.raw));
        }
        if element.tag == constructed(2) {
            return Ok(Self::KeyHash(Element::whole(element.content, OCTET_STRING)?.content));
        }
        Err(Malformed)
    }
}

impl SingleResponse {
    fn read(mut reader: Reader<'_>) -> Result<Self, Malformed> {
        let id = CertId::read(&reader.expect(SEQUENCE)?)?;
        let status = read_status(&reader.element()?)?;
        let this_update = reader.expect(GENERALIZED_TIME)?.time()?;
        let next_update = match reader.optional(constructed(0))? {
            Some(time) => Some(Element::whole(time.content, GENERALIZED_TIME)?.time()?),
            None => None,
        };
        let unknown_critical = match reader.optional(constructed(1))? {
            Some(extensions) => {
                RawExtension::read_all(Element::whole(extensions.content, SEQUENCE)?.reader())?
                    .iter()
                    .any(|extension| extension.critical)
            }
            None => false,
        };
        reader.finish()?;
        Ok(Self { id, status, this_update, next_update, unknown_critical })
    }
}

fn read_status(element: &Element<'_>) -> Result<CertStatus, Malformed> {
    let good = context(0);
    let revoked = constructed(1);
    let unknown = context(2);
    match element.tag {
        tag if tag == good && element.content.is_empty() => Ok(CertStatus::Good),
        tag if tag == unknown && element.content.is_empty() => Ok(CertStatus::Unknown),
        tag if tag == revoked => {
            let mut info = element.reader();
            let when = info.expect(GENERALIZED_TIME)?.time()?;
            let reason = match info.optional(constructed(0))? {
                Some(reason) => match Element::whole(reason.content, ENUMERATED)?.content {
                    [code] => Some(*code),
                    _ => return Err(Malformed),
                },
                None => None,
            };
            info.finish()?;
            Ok(CertStatus::Revoked { when, reason })
        }
        _ => Err(Malformed),
    }
}

impl ResponseStatus {
    const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::MalformedRequest,
            2 => Self::InternalError,
            3 => Self::TryLater,
            5 => Self::SigRequired,
            6 => Self::Unauthorized,
            other => Self::Other(other),
        }
    }

    /// Its name in RFC 6960.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformedRequest",
            Self::InternalError => "internalError",
            Self::TryLater => "tryLater",
            Self::SigRequired => "sigRequired",
            Self::Unauthorized => "unauthorized",
            Self::Other(_) => "an unknown status code",
        }
    }
}

fn certificates<'a>(list: &Element<'a>) -> Result<Vec<&'a [u8]>, Malformed> {
    let mut reader = Element::whole(list.content, SEQUENCE)?.reader();
    let mut certificates = Vec::new();
    while !reader.is_empty() {
        let certificate = reader.expect(SEQUENCE)?.raw;
        if certificates.len() == MAX_CERTIFICATES {
            return Err(Malformed);
        }
        certificates.push(certificate);
    }
    Ok(certificates)
}

/// More than any configuration admits.
const MAX_CERTIFICATES: usize = 1000;
/// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1.
pub(crate) const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
