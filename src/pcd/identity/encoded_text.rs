//! A short text that is encoded as data (ED: HL7 table 0299).

/// The bytes of the text, if the encoding is `Hex` or `Base64`, and the data is short.
pub(super) fn encoded_text(encoding: &str, data: &str) -> Option<Vec<u8>> {
    let data: String = data.chars().filter(|character| !character.is_whitespace()).collect();
    if data.is_empty() || data.len() > LONGEST {
        return None;
    }
    let is = |name: &str| encoding.trim().eq_ignore_ascii_case(name);
    let bytes = if is("Hex") {
        hexadecimal(&data)?
    } else if is("Base64") {
        base64(&data)?
    } else {
        return None;
    };
    Some(bytes).filter(|bytes| !bytes.trim_ascii().is_empty())
}

fn hexadecimal(data: &str) -> Option<Vec<u8>> {
    let (pairs, odd) = data.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    if odd.is_empty() { pairs.iter().map(pair).collect() } else { None }
}

/// RFC 4648 section 4, with or without padding, also in the alphabet of section 5.
fn base64(data: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut length) = (Vec::new(), 0_u32, 0_u32);
    for digit in data.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        (bits, length) = (bits << 6 | u32::from(value), length + 6);
        if length >= 8 {
            length -= 8;
            bytes.extend(u8::try_from(bits >> length & 0xFF).ok());
        }
    }
    Some(bytes)
}

/// Characters of the data.
const LONGEST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_decoded() {
        for (encoding, data) in
            [("Hex", "4D4f4E-7"), ("Base64", "TU9O!"), ("A", "MON"), ("", "TU9O"), ("Hex", "")]
        {
            assert_eq!(encoded_text(encoding, data), None, "{encoding} {data}");
        }
        for (encoding, data) in [
            ("Hex", "4D4f4E49544F522d37"),
            ("Base64", "TU9OSVRPUi03"),
            (" base64 ", "TU9O SVRPUi03=="),
            ("BASE64", "TU9OSVRPUi03"),
        ] {
            assert_eq!(encoded_text(encoding, data).as_deref(), Some(&b"MONITOR-7"[..]), "{encoding} {data}");
        }
        assert_eq!(encoded_text("Base64", "TU8=").as_deref(), Some(&b"MO"[..]));
        assert_eq!(encoded_text("Base64", &"A".repeat(600)), None);
    }
}
