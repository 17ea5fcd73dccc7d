//! The signature of a notification.

use aws_lc_rs::hmac;

use crate::model::hexadecimal;

/// The value of `X-Pcd-Signature`: HMAC-SHA256 over the timestamp, a full stop and the body. With the
/// timestamp in it, a receiver can refuse a notification that was recorded and is sent again.
pub(super) fn sign(secret: &[u8], timestamp: i64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    context.update(format!("{timestamp}.").as_bytes());
    context.update(body);
    format!("v1={}", hexadecimal::encode(context.sign().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_covers_timestamp_and_body() {
        // printf '%s' '1750000000.{}' | openssl dgst -sha256 -hmac secret
        let expected = "v1=3fdabae93ac0fe8268882d2fd7845e468dd959a74561c9900a0af5b0a1bcc50a";
        assert_eq!(sign(b"secret", 1_750_000_000, b"{}"), expected);
        for (secret, timestamp, body) in [
            (&b"Secret"[..], 1_750_000_000, &b"{}"[..]),
            (b"secret", 1_750_000_001, b"{}"),
            (b"secret", 1_750_000_000, b"[]"),
        ] {
            assert_ne!(sign(secret, timestamp, body), expected);
        }
    }
}
