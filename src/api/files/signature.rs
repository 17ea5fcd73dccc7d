//! Signatures of requests for files: AWS Signature Version 4 in the header Authorization ("Authenticating
//! Requests: Using the Authorization Header", Amazon S3 API reference).

use aws_lc_rs::hmac;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use subtle::ConstantTimeEq as _;

use crate::model::Fingerprint;

/// The signature of a request, as its headers have it.
#[derive(Debug)]
pub(super) struct Signed<'h> {
    /// The id of the access key.
    pub(super) access_key: &'h str,
    /// When the request was signed.
    pub(super) at: Timestamp,
    date: &'h str,
    amz_date: &'h str,
    scope: &'h str,
    region: &'h str,
    signed_headers: &'h str,
    signature: &'h str,
}

/// A request, as it is signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct SignedRequest<'r> {
    pub(super) method: &'r str,
    /// The path, encoded as it came.
    pub(super) path: &'r str,
    /// The query, encoded as it came.
    pub(super) query: &'r str,
    pub(super) headers: &'r HeaderMap,
}

impl<'h> Signed<'h> {
    /// Reads it. `None`: there is none, or it cannot be read.
    pub(super) fn read(headers: &'h HeaderMap) -> Option<Self> {
        let value = only(headers, AUTHORIZATION.as_str())?.strip_prefix(ALGORITHM)?.trim_start();
        let part = |name: &str| {
            value.split(',').map(str::trim).find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let (access_key, scope) = part("Credential")?.split_once('/')?;
        let mut parts = scope.split('/');
        let (date, region) = (parts.next()?, parts.next()?);
        let is_scope =
            parts.next() == Some("s3") && parts.next() == Some("aws4_request") && parts.next().is_none();
        let amz_date = only(headers, "x-amz-date")?;
        let at = DateTime::strptime("%Y%m%dT%H%M%SZ", amz_date).ok()?;
        let at = TimeZone::UTC.to_timestamp(at).ok()?;
        let signed_headers = part("SignedHeaders")?;
        // In the order of their names, each once: what is hashed is no larger than the head of the request.
        let is_sorted = signed_headers.split(';').is_sorted_by(|one, next| one < next)
            && !signed_headers.bytes().any(|byte| byte.is_ascii_uppercase());
        let is_signed = |name: &str| signed_headers.split(';').any(|signed| signed == name);
        // What decides who asks, for what and when is a part of what is signed: also each `x-amz-` header.
        let mut decisive = headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
        let is_whole = is_signed("host") && decisive.all(is_signed) && amz_date.starts_with(date);
        let signature = part("Signature")?;
        (is_scope && is_whole && is_sorted).then_some(Self {
            access_key,
            at,
            date,
            amz_date,
            scope,
            region,
            signed_headers,
            signature,
        })
    }

    /// Whether it was signed at about this time.
    pub(super) fn is_recent(&self, now: Timestamp) -> bool {
        now.duration_since(self.at).abs() <= MAX_SKEW
    }

    /// Whether it is the signature of the request with this secret access key.
    pub(super) fn is_of(&self, request: SignedRequest<'_>, secret: &str) -> bool {
        let Some(expected) = self.expected(request, secret) else { return false };
        bool::from(expected.as_bytes().ct_eq(self.signature.as_bytes()))
    }

    fn expected(&self, request: SignedRequest<'_>, secret: &str) -> Option<String> {
        let canonical = self.canonical(request)?;
        let digest = Fingerprint::sha256(canonical.as_bytes());
        let text = format!("{ALGORITHM}\n{}\n{}\n{digest}", self.amz_date, self.scope);
        let mut key = mac(format!("AWS4{secret}").as_bytes(), self.date);
        for part in [self.region, "s3", "aws4_request"] {
            key = mac(key.as_ref(), part);
        }
        Some(hexadecimal(mac(key.as_ref(), &text).as_ref()))
    }

    fn canonical(&self, request: SignedRequest<'_>) -> Option<String> {
        let SignedRequest { method, path, query, headers } = request;
        let mut canonical = format!("{method}\n{path}\n{}\n", canonical_query(query));
        for name in self.signed_headers.split(';') {
            let values: Option<Vec<String>> = headers
                .get_all(name)
                .iter()
                .map(|value| Some(value.to_str().ok()?.split_whitespace().collect::<Vec<_>>().join(" ")))
                .collect();
            canonical.push_str(&format!("{name}:{}\n", values?.join(",")));
        }
        let payload = only(headers, "x-amz-content-sha256")?;
        canonical.push_str(&format!("\n{}\n{payload}", self.signed_headers));
        Some(canonical)
    }
}

/// The parameters in the order of their encoded names.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(&str, &str)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The value of a header that is there once.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next()?, values.next());
    first.to_str().ok().filter(|_| second.is_none())
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far the clock of a client may be from that of the platform, as S3 has it.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(15);

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn headers(all: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        all.iter().map(pair).collect()
    }

    /// The examples "GET Object" and "Get Bucket (List Objects)" of the Amazon S3 API reference.
    #[test]
    fn n003_3_signatures_are_those_of_the_examples_of_s3() {
        for (path, query, signed, more, signature) in [
            (
                "/test.txt",
                "",
                "host;range;x-amz-content-sha256;x-amz-date",
                Some(("range", "bytes=0-9")),
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                "/",
                "prefix=J&max-keys=2",
                "host;x-amz-content-sha256;x-amz-date",
                None,
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                 SignedHeaders={signed},Signature={signature}"
            );
            let mut all = vec![
                ("authorization", authorization.as_str()),
                ("host", "examplebucket.s3.amazonaws.com"),
                ("x-amz-content-sha256", EMPTY),
                ("x-amz-date", "20130524T000000Z"),
            ];
            all.extend(more);
            let headers = headers(&all);
            let own = Signed::read(&headers).unwrap();
            assert_eq!(
                (own.access_key, own.at.to_string()),
                ("AKIAIOSFODNN7EXAMPLE", "2013-05-24T00:00:00Z".into())
            );
            let request = SignedRequest { method: "GET", path, query, headers: &headers };
            assert!(own.is_of(request, SECRET), "{path}");
            assert!(
                !own.is_of(request, "another")
                    && !own.is_of(SignedRequest { method: "HEAD", ..request }, SECRET)
            );
            assert!(!own.is_of(SignedRequest { path: "/other", ..request }, SECRET));
            assert!(own.is_recent(own.at + SignedDuration::from_mins(15)));
            assert!(!own.is_recent(own.at + SignedDuration::from_mins(16)));
        }
    }

    #[test]
    fn n003_3_each_header_is_signed_once_in_the_order_of_the_names() {
        let many = format!("host;x-amz-date{}", ";a".repeat(7500));
        for signed in
            ["host;x-amz-date;host", "host;host;x-amz-date", "x-amz-date;host", "Host;x-amz-date", &many]
        {
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/s3/aws4_request, SignedHeaders={signed}, Signature=0"
            );
            let headers = headers(&[("authorization", &authorization), ("x-amz-date", "20130524T000000Z")]);
            assert!(Signed::read(&headers).is_none(), "{}", signed.len());
        }
    }

    #[test]
    fn n003_3_a_signature_covers_the_host_the_time_the_token_and_the_digest_of_the_body() {
        let all = ["host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];
        let without = |left_out: &str| all.into_iter().filter(|name| *name != left_out).collect::<Vec<_>>();
        for left_out in all.into_iter().chain([""]) {
            let signed = without(left_out).join(";");
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/s3/aws4_request, SignedHeaders={signed}, Signature=0"
            );
            let headers = headers(&[
                ("authorization", &authorization),
                ("x-amz-content-sha256", EMPTY),
                ("x-amz-date", "20130524T000000Z"),
                ("x-amz-security-token", "token"),
            ]);
            assert_eq!(Signed::read(&headers).is_some(), left_out.is_empty(), "{signed}");
        }
    }
}
