//! Name constraints (RFC 5280 4.2.1.10, 6.1.3 (b) and (c)).

use crate::model::Refusal;
use crate::x509::{GeneralName, NameConstraints, PathExtensions};

use super::error::PathError;

/// The constraints of the certificates above, up to the root. A name must satisfy all of them, which is the
/// intersection of section 6.1.4 (g).
#[derive(Debug, Default)]
pub(super) struct ConstraintState<'a> {
    above: Vec<&'a NameConstraints>,
    comparisons: usize,
}

impl<'a> ConstraintState<'a> {
    /// Adds the constraints of a certificate for all below it.
    pub(super) fn add(&mut self, own: &'a PathExtensions) {
        self.above.extend(&own.name_constraints);
    }

    /// Checks every name of a certificate.
    ///
    /// # Errors
    /// When a name is outside the permitted subtrees or inside an excluded one, when it is of a form whose
    /// constraints are not processed, and when there are too many to compare.
    pub(super) fn check(&mut self, own: &PathExtensions) -> Result<(), PathError> {
        let subject = (!own.subject.is_empty()).then(|| GeneralName::Directory(own.subject.clone()));
        let emails = own.subject_emails.iter().map(|email| GeneralName::Email(email.clone()));
        let extra: Vec<GeneralName> = subject.into_iter().chain(emails).collect();
        for constraints in &self.above {
            for name in extra.iter().chain(&own.names) {
                let subtrees = constraints.permitted.len().saturating_add(constraints.excluded.len());
                self.comparisons = self.comparisons.saturating_add(subtrees);
                if self.comparisons > MAX_COMPARISONS {
                    return Err(PathError::rule(Refusal::OversizedChain));
                }
                check_name(name, constraints)?;
            }
        }
        Ok(())
    }
}

fn check_name(name: &GeneralName, constraints: &NameConstraints) -> Result<(), PathError> {
    let violated = || PathError::rule(Refusal::NameConstraints);
    for base in &constraints.excluded {
        if compare(name, base, Subtree::Excluded)? == Some(true) {
            return Err(violated());
        }
    }
    let mut is_limited = false;
    for base in &constraints.permitted {
        match compare(name, base, Subtree::Permitted)? {
            Some(true) => return Ok(()),
            Some(false) => is_limited = true,
            None => {}
        }
    }
    if is_limited { Err(violated()) } else { Ok(()) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subtree {
    Permitted,
    Excluded,
}

/// Whether the name is in the subtree; `None` if the subtree is for names of another form. A name that cannot
/// be understood is in every excluded subtree of its form and in no permitted one.
fn compare(name: &GeneralName, base: &GeneralName, subtree: Subtree) -> Result<Option<bool>, PathError> {
    use GeneralName::{Directory, Dns, Email, Ip, Other, Uri};
    let unclear = subtree == Subtree::Excluded;
    Ok(Some(match (name, base) {
        (Email(name), Email(base)) => email_matches(name, base).unwrap_or(unclear),
        (Dns(name), Dns(base)) => dns_matches(name, base, subtree),
        (Directory(name), Directory(base)) => name.is_within(base),
        (Uri(name), Uri(base)) => uri_host(name).map_or(unclear, |host| host_matches(host, base)),
        (Ip(name), Ip(base)) => ip_matches(name, base)?,
        (Other(name), Other(base)) if name == base => {
            return Err(PathError::unsupported(NAME_CONSTRAINTS.to_owned()));
        }
        _ => return Ok(None),
    }))
}

/// A mailbox, all mailboxes of a host, or those of all hosts of a domain. `None` if the name is no mailbox.
fn email_matches(name: &str, base: &str) -> Option<bool> {
    let (local, host) =
        name.rsplit_once('@').filter(|(local, host)| !local.is_empty() && !host.is_empty())?;
    Some(match base.rsplit_once('@') {
        // The part before the sign distinguishes case.
        Some((base_local, base_host)) => local == base_local && host.eq_ignore_ascii_case(base_host),
        None => host_matches(host, base),
    })
}

/// A host equal to the base, or below a base with a leading dot.
fn host_matches(host: &str, base: &str) -> bool {
    if base.starts_with('.') { ends_with(host, base) } else { host.eq_ignore_ascii_case(base) }
}

/// A DNS name equal to the base or with more labels before it.
fn dns_matches(name: &str, base: &str, subtree: Subtree) -> bool {
    let (name, base) = (name.trim_end_matches('.'), base.trim_end_matches('.'));
    if base.is_empty() {
        return true;
    }
    let is_below = |name: &str, base: &str| match base.strip_prefix('.') {
        Some(_) => ends_with(name, base),
        None => name.eq_ignore_ascii_case(base) || ends_with(name, &format!(".{base}")),
    };
    // The name stands for hosts inside an excluded subtree too.
    let covers = |domain: &str| subtree == Subtree::Excluded && is_below(base, domain);
    is_below(name, base) || name.strip_prefix('*').is_some_and(covers)
}

/// The host of a URI with an authority (RFC 3986 3.2). `None` without one, and for a literal address, which
/// RFC 5280 does not allow where URIs are constrained.
fn uri_host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    (!host.is_empty() && !is_address).then_some(host)
}

/// An address in the network of an address and a mask (RFC 4632). The two versions of IP never match.
fn ip_matches(name: &[u8], base: &[u8]) -> Result<bool, PathError> {
    let malformed = || PathError::rule(Refusal::MalformedCertificate);
    if !matches!((name.len(), base.len()), (4 | 16, 8 | 32)) {
        return Err(malformed());
    }
    let (network, mask) = base.split_at(base.len() / 2);
    let ones = mask.iter().take_while(|octet| **octet == 0xff).count();
    let mut rest = mask.iter().skip(ones);
    let is_prefix = rest.next().is_none_or(|octet| octet.leading_ones() + octet.trailing_zeros() == 8)
        && rest.all(|octet| *octet == 0);
    if !is_prefix {
        return Err(malformed());
    }
    let is_equal = |((octet, network), mask): ((&u8, &u8), &u8)| octet & mask == network & mask;
    Ok(name.len() == network.len() && name.iter().zip(network).zip(mask).all(is_equal))
}

fn ends_with(text: &str, end: &str) -> bool {
    let start = text.len().checked_sub(end.len());
    start.and_then(|start| text.get(start..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Comparisons of a name with a subtree on one path. Ordinary PKIs need fewer than a hundred.
const MAX_COMPARISONS: usize = 2048;
/// id-ce-nameConstraints.
const NAME_CONSTRAINTS: &str = "2.5.29.30";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        name: GeneralName,
        permitted: Vec<GeneralName>,
        excluded: Vec<GeneralName>,
    ) -> Result<(), Refusal> {
        let name_constraints = Some(NameConstraints { permitted, excluded });
        let above = PathExtensions { name_constraints, ..PathExtensions::default() };
        let own = PathExtensions { names: vec![name], ..PathExtensions::default() };
        let mut state = ConstraintState::default();
        state.add(&above);
        state.check(&own).map_err(|error| error.refusal)
    }

    const VIOLATED: Result<(), Refusal> = Err(Refusal::NameConstraints);

    // RFC 5280 4.2.1.10
    #[test]
    fn mailboxes_are_limited_to_a_mailbox_a_host_or_a_domain() {
        let email = |text: &str| GeneralName::Email(text.to_owned());
        let permitted = |name, base| check(email(name), vec![email(base)], vec![]);
        let excluded = |name, base| check(email(name), vec![], vec![email(base)]);
        for (name, base) in
            [("a@ward.example", "WARD.example"), ("a@x.ward.example", ".ward.example"), ("a@b.c", "a@B.c")]
        {
            assert_eq!((permitted(name, base), excluded(name, base)), (Ok(()), VIOLATED), "{name} {base}");
        }
        for (name, base) in
            [("a@x.ward.example", "ward.example"), ("a@ward.example", ".ward.example"), ("A@b.c", "a@b.c")]
        {
            assert_eq!((permitted(name, base), excluded(name, base)), (VIOLATED, Ok(())), "{name} {base}");
        }
        assert_eq!((permitted("none", "b.c"), excluded("none", "b.c")), (VIOLATED, VIOLATED), "no mailbox");
        let dns = GeneralName::Dns("b.c".to_owned());
        assert_eq!(check(dns, vec![email("b.c")], vec![email("b.c")]), Ok(()), "another form");
    }

    #[test]
    fn hosts_are_limited_to_their_domain() {
        let dns = |text: &str| GeneralName::Dns(text.to_owned());
        let both = |name, base| {
            (check(dns(name), vec![dns(base)], vec![]), check(dns(name), vec![], vec![dns(base)]))
        };
        let (inside, outside) = ((Ok(()), VIOLATED), (VIOLATED, Ok(())));
        for (name, base) in
            [("a.b", "B"), ("b", "b"), ("x.a.b.", "a.b"), ("a.b", ".b"), ("a", ""), ("*.a.b", "b")]
        {
            assert_eq!(both(name, base), inside, "{name} {base}");
        }
        for (name, base) in [("ab", "b"), ("b", ".b"), ("b", "a.b")] {
            assert_eq!(both(name, base), outside, "{name} {base}");
        }
        assert_eq!(both("*.b", "a.b"), (VIOLATED, VIOLATED), "it stands for a.b and for others");
        let uri = |text: &str| GeneralName::Uri(text.to_owned());
        let uris = |name, base| {
            (check(uri(name), vec![uri(base)], vec![]), check(uri(name), vec![], vec![uri(base)]))
        };
        assert_eq!(uris("http://u@Ward.example:80/x@y", "ward.example"), inside);
        assert_eq!(uris("ldap://x.ward.example", ".ward.example"), inside);
        assert_eq!(uris("ldap://x.ward.example", "ward.example"), outside);
        assert_eq!(uris("urn:x", "ward.example"), (VIOLATED, VIOLATED), "no host");
    }

    #[test]
    fn addresses_are_limited_to_a_network() {
        let ip = |octets: &[u8]| GeneralName::Ip(octets.to_vec());
        let network = ip(&[10, 1, 0, 0, 255, 255, 128, 0]);
        let permitted = |name: &[u8]| check(ip(name), vec![network.clone()], vec![]);
        assert_eq!(permitted(&[10, 1, 127, 9]), Ok(()));
        assert_eq!(permitted(&[10, 1, 128, 9]), VIOLATED);
        assert_eq!(permitted(&[0; 16]), VIOLATED);
        let malformed = Err(Refusal::MalformedCertificate);
        assert_eq!(permitted(&[1, 2, 3]), malformed);
        assert_eq!(check(ip(&[10; 4]), vec![ip(&[10, 1, 0, 0, 255, 0, 255, 0])], vec![]), malformed);
    }

    #[test]
    fn a_constraint_on_another_form_is_refused_by_name_and_comparisons_are_bounded() {
        let other = |number| GeneralName::Other(number);
        assert_eq!(check(other(0), vec![other(0)], vec![]), Err(Refusal::UnsupportedExtension));
        assert_eq!(check(other(8), vec![other(0)], vec![]), Ok(()));
        let many = vec![GeneralName::Dns("a".to_owned()); MAX_COMPARISONS + 1];
        assert_eq!(check(other(8), vec![], many), Err(Refusal::OversizedChain));
    }
}
