//! The code of an invitation: 120 random bits that a person can type, of which only the hash is stored.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::model::Fingerprint;

/// The code of an invitation.
#[derive(Debug)]
pub struct Code;

/// The machine has no randomness for a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system provides no random bytes")]
pub struct NoRandomness;

impl Code {
    /// A new code in groups of four, which is shown once, and its hash. A code has 120 random bits, so a
    /// slower hash would protect nothing.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn generate() -> Result<(Zeroizing<String>, Fingerprint), NoRandomness> {
        let plain = Zeroizing::new(base32(random::<15>()?.as_slice()));
        let groups: Vec<&str> =
            plain.as_bytes().chunks(GROUP).filter_map(|group| std::str::from_utf8(group).ok()).collect();
        Ok((Zeroizing::new(groups.join("-")), Fingerprint::sha256(plain.as_bytes())))
    }

    /// Whether `given` is the code with this hash. Case, hyphens and blanks do not count. How long it takes
    /// does not depend on where they differ.
    #[must_use]
    pub fn is(hash: &Fingerprint, given: &str) -> bool {
        let letters = given.chars().filter(|letter| *letter != '-' && !letter.is_whitespace());
        let plain = Zeroizing::new(letters.map(|letter| letter.to_ascii_lowercase()).collect::<String>());
        bool::from(Fingerprint::sha256(plain.as_bytes()).as_bytes().ct_eq(hash.as_bytes()))
    }
}

pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, NoRandomness> {
    let mut bytes = Zeroizing::new([0_u8; N]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// Base32 (RFC 4648 section 6) in lower case, without padding: no letter looks like a digit of it.
pub(super) fn base32(bytes: &[u8]) -> String {
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0_u32);
    let mut push = |value: u32| {
        let letter = ALPHABET.get((value & 31) as usize).copied().unwrap_or_default();
        text.push(char::from(letter));
    };
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(held >> bits);
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        push(held << (5 - bits));
    }
    text
}

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Letters of a group of a code.
const GROUP: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n000_4_a_code_is_random_and_can_be_typed() {
        let (code, hash) = Code::generate().unwrap();
        let (other, _) = Code::generate().unwrap();
        assert!(code.len() == 29 && code != other, "{}", code.len());
        assert!(Code::is(&hash, &code) && Code::is(&hash, &code.to_uppercase().replace('-', " ")));
        assert!(!Code::is(&hash, &other) && !Code::is(&hash, ""));
    }

    #[test]
    fn base32_is_that_of_the_rfc() {
        for (plain, text) in
            [("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foobar", "mzxw6ytboi")]
        {
            assert_eq!(base32(plain.as_bytes()), text);
        }
    }
}
