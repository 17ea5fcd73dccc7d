//! Percent-encoding, as in URIs (RFC 3986 section 2.1).

/// The texts that percent-encoding makes of a text: decoded once, twice and more, as long as that makes
/// another text. Readers of URIs differ in how often they decode. Octets that are no UTF-8 become U+FFFD.
pub(super) fn decodings(text: &str) -> impl Iterator<Item = String> {
    std::iter::successors(decoded(text), |text| decoded(text)).take(MAX_DECODINGS)
}

/// The text decoded once; `None` when nothing in it is encoded.
fn decoded(text: &str) -> Option<String> {
    let first = memchr::memchr(b'%', text.as_bytes())?;
    let (before, mut rest) = text.as_bytes().split_at_checked(first)?;
    let (mut bytes, mut is_encoded) = (before.to_vec(), false);
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let octet = behind.split_at_checked(2).filter(|_| byte == b'%');
        match octet.and_then(|(digits, behind)| Some((octet_of(digits)?, behind))) {
            Some((octet, behind)) => {
                bytes.push(octet);
                (rest, is_encoded) = (behind, true);
            }
            None => bytes.push(byte),
        }
    }
    is_encoded.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

fn octet_of(digits: &[u8]) -> Option<u8> {
    let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u8::from_str_radix(digits, 16).ok()
}

/// No reader decodes more often by mistake.
const MAX_DECODINGS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_decoded_as_long_as_something_in_it_is_encoded() {
        for (text, expected) in [
            ("PUMP-7", &[][..]),
            ("50 % O2, 7%", &[]),
            ("%+1%zz%", &[]),
            ("%50UMP%2d7", &["PUMP-7"]),
            ("%2550UMP-7", &["%50UMP-7", "PUMP-7"]),
            ("%252550UMP", &["%2550UMP", "%50UMP", "PUMP"]),
            ("7%E2%80%937", &["7\u{2013}7"]),
            ("7%FF%", &["7\u{FFFD}%"]),
        ] {
            assert_eq!(decodings(text).collect::<Vec<_>>(), expected, "{text}");
        }
        let nested = "%25".repeat(3) + &"25".repeat(50) + "41";
        assert!(decodings(&nested).count() <= MAX_DECODINGS);
    }
}
