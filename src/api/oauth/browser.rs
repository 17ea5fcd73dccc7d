//! What a browser says of a request (Fetch Metadata Request Headers, W3C).

use axum::http::HeaderMap;

/// Whether another page asks without the person: an image, a frame or a script of any site sends the
/// certificate of the person too. Programs, and browsers that say nothing, are taken for a person who opens
/// the page.
pub(super) fn is_embedded(headers: &HeaderMap) -> bool {
    is_other(headers, "sec-fetch-mode", "navigate") || is_other(headers, "sec-fetch-dest", "document")
}

/// Whether the page of another site decides.
pub(super) fn is_of_another_site(headers: &HeaderMap) -> bool {
    is_other(headers, "sec-fetch-site", "same-origin")
}

fn is_other(headers: &HeaderMap, name: &str, allowed: &str) -> bool {
    headers.get_all(name).iter().any(|value| value != allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n001_6_only_a_page_that_a_person_opens_asks() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            headers
        };
        let asks = |pairs: &[_]| is_embedded(&headers(pairs));
        assert!(!asks(&[]) && !asks(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]));
        for dest in ["image", "iframe", "frame", "script", "empty", "object"] {
            assert!(asks(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", dest)]), "{dest}");
        }
        assert!(asks(&[("sec-fetch-mode", "no-cors")]) && asks(&[("sec-fetch-mode", "cors")]));
        assert!(asks(&[("sec-fetch-dest", "document"), ("sec-fetch-dest", "image")]));
        let decides = |site| is_of_another_site(&headers(&[("sec-fetch-site", site)]));
        assert!(!decides("same-origin") && decides("cross-site") && decides("same-site") && decides("none"));
    }
}
