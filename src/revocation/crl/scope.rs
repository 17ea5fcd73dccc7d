//! The scope of a CRL. Pure.

use crate::revocation::IssuedCertificate;
use crate::x509::der::{Element, Malformed, SEQUENCE, constructed, context, element};
use crate::x509::{ComparableName, CrlDistributionPoint, DistributionPointName, Reasons};

/// issuingDistributionPoint, RFC 5280 5.2.5. The default covers all certificates of the issuer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The name of the distribution point.
    pub name: Option<DistributionPointName>,
    /// Only certificates of end entities.
    pub only_user: bool,
    /// Only certificates of CAs.
    pub only_ca: bool,
    /// Only attribute certificates.
    pub only_attribute: bool,
    /// Only these reasons.
    pub reasons: Option<Reasons>,
    /// Entries may be of other issuers.
    pub indirect: bool,
}

impl Scope {
    /// Parses the value of the extension.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn read(value: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Element::whole(value, SEQUENCE)?.reader();
        let name =
            reader.optional(constructed(0))?.map(|name| DistributionPointName::read(&name)).transpose()?;
        let flag = |element: Option<Element<'_>>| element.map_or(Ok(false), |flag| flag.boolean());
        let only_user = flag(reader.optional(context(1))?)?;
        let only_ca = flag(reader.optional(context(2))?)?;
        let reasons = reader.optional(context(3))?.map(|reasons| Reasons::read(&reasons)).transpose()?;
        let indirect = flag(reader.optional(context(4))?)?;
        let only_attribute = flag(reader.optional(context(5))?)?;
        reader.finish()?;
        // RFC 5280 5.2.5: at most one of the three.
        if u8::from(only_user) + u8::from(only_ca) + u8::from(only_attribute) > 1 {
            return Err(Malformed);
        }
        Ok(Self { name, only_user, only_ca, only_attribute, reasons, indirect })
    }

    /// The reasons for which a CRL with this scope, signed by `issuer`, covers the
    /// certificate: RFC 5280 6.3.3 b for each of its distribution points, and for the implied one of its
    /// issuer.
    #[must_use]
    pub fn covers(&self, issuer: &ComparableName, issued: &IssuedCertificate) -> Reasons {
        let is_ca = issued.certificate.is_ca;
        if self.only_attribute || (self.only_user && is_ca) || (self.only_ca && !is_ca) {
            return Reasons::NONE;
        }
        let own = CrlDistributionPoint {
            name: Some(DistributionPointName::Full(vec![element(
                DIRECTORY_NAME,
                issued.issuer.name().as_der(),
            )])),
            ..CrlDistributionPoint::default()
        };
        let points = issued.certificate.crl_distribution_points.iter().chain(std::iter::once(&own));
        let covered = points.filter(|point| self.is_of(point, issuer, issued)).map(|point| {
            self.reasons.unwrap_or(Reasons::ALL).intersection(point.reasons.unwrap_or(Reasons::ALL))
        });
        covered.fold(Reasons::NONE, Reasons::union)
    }

    fn is_of(
        &self,
        point: &CrlDistributionPoint,
        issuer: &ComparableName,
        issued: &IssuedCertificate,
    ) -> bool {
        let rightly_signed = if point.issuers.is_empty() {
            issuer == issued.issuer.name()
        } else {
            self.indirect && point.issuers.iter().any(|name| issuer.matches(name))
        };
        let rightly_named = match (&self.name, &point.name) {
            (None, _) => true,
            (Some(own), Some(name)) => own.intersects(name, issuer.as_der()),
            (Some(own), None) => point.issuers.iter().any(|name| own.contains(name, issuer.as_der())),
        };
        rightly_signed && rightly_named
    }
}

/// directoryName, \[4\] EXPLICIT Name.
const DIRECTORY_NAME: u8 = 0xa4;
