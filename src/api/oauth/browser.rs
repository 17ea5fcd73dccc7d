//! What a browser says of a request (Fetch Metadata Request Headers, W3C).

use axum::http::HeaderMap;

use super::Endpoint;

/// Whether another page asks without the person: an image, a frame or a script of any site sends the
/// certificate of the person too. Programs, and browsers that say nothing, are taken for a person who opens
/// the page.
pub(super) fn is_hidden(endpoint: Endpoint, headers: &HeaderMap) -> bool {
    let is_other = |name: &str, allowed: &str| headers.get_all(name).iter().any(|value| value != allowed);
    match endpoint {
        Endpoint::Authorization => {
            is_other("sec-fetch-mode", "navigate") || is_other("sec-fetch-dest", "document")
        }
        Endpoint::Decision => is_other("sec-fetch-site", "same-origin"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n001_6_only_a_page_that_a_person_opens_asks() {
        let hidden = |endpoint, pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            is_hidden(endpoint, &headers)
        };
        let asks = |pairs: &[_]| hidden(Endpoint::Authorization, pairs);
        assert!(!asks(&[]) && !asks(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]));
        for dest in ["image", "iframe", "frame", "script", "empty", "object"] {
            assert!(asks(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", dest)]), "{dest}");
        }
        assert!(asks(&[("sec-fetch-mode", "no-cors")]) && asks(&[("sec-fetch-mode", "cors")]));
        assert!(asks(&[("sec-fetch-dest", "document"), ("sec-fetch-dest", "image")]));
        let decides = |site| hidden(Endpoint::Decision, &[("sec-fetch-site", site)]);
        assert!(!decides("same-origin") && decides("cross-site") && decides("same-site") && decides("none"));
        assert!(!hidden(Endpoint::Token, &[("sec-fetch-mode", "cors")]));
    }
}
