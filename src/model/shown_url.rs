//! A URL as people may see it.

/// A URL without what may be a secret: `***` stands in the place of the user, and of the query with the
/// fragment behind it. Any other text stays as it is.
pub(crate) fn shown_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (rest, query) = match rest.find(['?', '#']) {
        Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at..=at).unwrap_or_default()),
        None => (rest, ""),
    };
    let hidden = if query.is_empty() { "" } else { "***" };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(_, host)| ("***@", host));
    format!("{scheme}://{user}{host}{path}{query}{hidden}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_query_and_fragment_are_hidden() {
        for (url, shown) in [
            ("http://ca.example/ocsp", "http://ca.example/ocsp"),
            ("http://ca.example:8575", "http://ca.example:8575"),
            ("http://ca.example/x?key=s3cret#s3cret", "http://ca.example/x?***"),
            ("http://ca.example?s3cret/x", "http://ca.example?***"),
            ("http://ca.example/x#s3cret?", "http://ca.example/x#***"),
            ("http://u:s3@cret@ca.example/@x", "http://***@ca.example/@x"),
            ("OCSP", "OCSP"),
            ("/etc/pki/crl/ca?.crl", "/etc/pki/crl/ca?.crl"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }
}
