//! The parameters of a request.

use std::collections::HashSet;

use axum::body::Body;
use axum::extract::{Form as Parameters, FromRequest as _};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, Request};
use bytes::Bytes;
use zeroize::Zeroize as _;

use crate::oauth::RefusedGrant;

/// The parameters of a request; they may have secrets.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form. A parameter may be there once; one without a value is not there (RFC 6749 section 3.2).
    ///
    /// # Errors
    /// When it is no form, or a parameter is there twice.
    pub(super) async fn read(headers: &HeaderMap, body: Bytes) -> Result<Self, RefusedGrant> {
        let content_type = headers.get(CONTENT_TYPE).ok_or(RefusedGrant::Form)?;
        let request = Request::builder().method(Method::POST).header(CONTENT_TYPE, content_type);
        let request = request.body(Body::from(body)).map_err(|_| RefusedGrant::Form)?;
        let parameters = Parameters::<Vec<(String, String)>>::from_request(request, &()).await;
        let Parameters(mut parameters) = parameters.map_err(|_| RefusedGrant::Form)?;
        parameters.retain(|(_, value)| !value.is_empty());
        let form = Self(parameters);
        let mut names = HashSet::new();
        if !form.0.iter().all(|(name, _)| names.insert(name.as_str())) {
            return Err(RefusedGrant::RepeatedParameter);
        }
        Ok(form)
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that is needed.
    ///
    /// # Errors
    /// When it is missing.
    pub(super) fn require(&self, name: &str) -> Result<&str, RefusedGrant> {
        self.get(name).ok_or(RefusedGrant::MissingParameter)
    }
}

impl Drop for Form {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}
