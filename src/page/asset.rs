//! The style sheet and the script: part of the program, under names that change with their content, so that
//! browsers may keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::model::Fingerprint;

/// A file that pages use.
#[derive(Debug)]
pub(super) struct Asset {
    /// Its path, with the beginning of the SHA-256 of its content.
    pub(super) path: &'static str,
    kind: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(name: &str, extension: &str, kind: &'static str, content: &'static str) -> Self {
        let hash = Fingerprint::sha256(content.as_bytes()).to_string();
        let path = format!("/assets/{name}-{}.{extension}", hash.get(..HASH_LETTERS).unwrap_or_default());
        // Two of them, once for the process.
        Self { path: Box::leak(path.into_boxed_str()), kind, content }
    }
}

pub(super) fn style() -> &'static Asset {
    static STYLE: LazyLock<Asset> =
        LazyLock::new(|| Asset::new("style", "css", "text/css; charset=utf-8", include_str!("style.css")));
    &STYLE
}

pub(super) fn script() -> &'static Asset {
    static SCRIPT: LazyLock<Asset> =
        LazyLock::new(|| Asset::new("live", "js", "text/javascript; charset=utf-8", include_str!("live.js")));
    &SCRIPT
}

/// `GET /assets/{name}`.
pub(super) async fn serve(Path(name): Path<String>) -> Response {
    let found =
        [style(), script()].into_iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(&name));
    let Some(asset) = found else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, asset.content).into_response()
}

/// Letters of the hash in a path.
const HASH_LETTERS: usize = 12;
