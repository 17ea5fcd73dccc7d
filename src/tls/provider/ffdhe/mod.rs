//! Ephemeral Diffie-Hellman in the finite fields of RFC 7919. `// A0, A3`
//!
//! `docs/explanation/ffdhe.md` explains the constant time, the length of the exponents and the choice of the
//! groups.

use std::fmt;
use std::sync::LazyLock;

use aws_lc_rs::rand;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion, ffdhe_groups};
use zeroize::Zeroizing;

/// ffdhe2048 (RFC 7919 appendix A.1), with exponents of at least 225 bits.
pub(super) static FFDHE2048: Group = Group {
    name: NamedGroup::FFDHE2048,
    parameters: ffdhe_groups::FFDHE2048,
    exponent_bytes: 29,
    field: &FIELD_2048,
};

/// ffdhe3072 (RFC 7919 appendix A.2), with exponents of at least 275 bits.
pub(super) static FFDHE3072: Group = Group {
    name: NamedGroup::FFDHE3072,
    parameters: ffdhe_groups::FFDHE3072,
    exponent_bytes: 35,
    field: &FIELD_3072,
};

/// ffdhe4096 (RFC 7919 appendix A.3), with exponents of at least 325 bits.
pub(super) static FFDHE4096: Group = Group {
    name: NamedGroup::FFDHE4096,
    parameters: ffdhe_groups::FFDHE4096,
    exponent_bytes: 41,
    field: &FIELD_4096,
};

/// A group for TLS 1.2. TLS 1.3 clients all support curves, at a tenth of the cost.
#[derive(Clone, Copy)]
pub(super) struct Group {
    name: NamedGroup,
    parameters: FfdheGroup<'static>,
    /// Length of a private exponent in bytes. Whole bytes, so that random bytes are used unchanged.
    exponent_bytes: usize,
    field: &'static LazyLock<Field>,
}

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut exponent = Zeroizing::new(vec![0; self.exponent_bytes]);
        rand::fill(&mut exponent).map_err(|_| GetRandomFailed)?;
        Ok(Box::new(self.exchange(&exponent)))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        Some(self.parameters)
    }

    fn name(&self) -> NamedGroup {
        self.name
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_2
    }
}

impl Group {
    fn exchange(self, exponent: &[u8]) -> Exchange {
        let exponent = Exponent::new(exponent);
        let public = self.field.power(&self.field.generator, &exponent);
        Exchange { group: self, exponent, public: public.into_vec() }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// A key pair for one use: `complete` consumes it, and its drop wipes the exponent.
struct Exchange {
    group: Group,
    exponent: Exponent,
    public: Vec<u8>,
}

impl ActiveKeyExchange for Exchange {
    /// The shared secret, as long as the prime, with leading zeros. The premaster secret of TLS 1.2 omits
    /// them (RFC 5246 section 8.1.2): the default `complete_for_tls_version` of rustls strips them.
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let field = self.group.field;
        let peer = field.element(peer).ok_or(PeerMisbehaved::InvalidKeyShare)?;
        Ok(SharedSecret::from(field.power(&peer, &self.exponent).into_vec()))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        Some(self.group.parameters)
    }

    fn group(&self) -> NamedGroup {
        self.group.name
    }
}

/// A private exponent, wiped when dropped. Its length is public, its value is secret.
struct Exponent {
    value: Zeroizing<BoxedUint>,
    bits: u32,
}

impl Exponent {
    /// Reads an exponent, most significant byte first.
    fn new(bytes: &[u8]) -> Self {
        let bits = bits(bytes.len());
        Self { value: Zeroizing::new(BoxedUint::from_be_slice_truncated(bytes, bits)), bits }
    }
}

/// The integers modulo the prime of a group, with precomputed values for Montgomery multiplication.
struct Field {
    montgomery: BoxedMontyParams,
    generator: BoxedMontyForm,
    /// The largest public value: p - 2.
    largest: BoxedUint,
    length: usize,
}

impl Field {
    #[expect(clippy::expect_used, reason = "the primes are constants, and the tests cover each of them")]
    fn new(group: FfdheGroup<'_>) -> Self {
        let length = group.p.len();
        let read = |bytes| BoxedUint::from_be_slice_truncated(bytes, bits(length));
        let prime = Odd::new(read(group.p)).into_option().expect("a prime above 2 is odd");
        let largest = prime.as_ref().wrapping_sub(read(&[2]));
        let montgomery = BoxedMontyParams::new_vartime(prime);
        let generator = BoxedMontyForm::new(read(group.g), &montgomery);
        Self { montgomery, generator, largest, length }
    }

    /// Parses a public value. It may be shorter than the prime, without leading zeros. 0, 1 and p - 1
    /// generate trivial groups and are refused; with a safe prime no other value has to be refused (RFC 7919
    /// section 5.1).
    fn element(&self, bytes: &[u8]) -> Option<BoxedMontyForm> {
        let value = BoxedUint::from_be_slice(bytes, bits(self.length)).ok()?;
        let permitted = value > BoxedUint::one() && value <= self.largest;
        permitted.then(|| BoxedMontyForm::new(value, &self.montgomery))
    }

    /// The power, in as many bytes as the prime. The time depends on the length of the exponent only.
    fn power(&self, base: &BoxedMontyForm, exponent: &Exponent) -> Box<[u8]> {
        let power = Zeroizing::new(base.pow_bounded_exp(&exponent.value, exponent.bits));
        Zeroizing::new(power.retrieve()).to_be_bytes()
    }
}

static FIELD_2048: LazyLock<Field> = LazyLock::new(|| Field::new(ffdhe_groups::FFDHE2048));
static FIELD_3072: LazyLock<Field> = LazyLock::new(|| Field::new(ffdhe_groups::FFDHE3072));
static FIELD_4096: LazyLock<Field> = LazyLock::new(|| Field::new(ffdhe_groups::FFDHE4096));

#[expect(clippy::cast_possible_truncation, reason = "at most 512 bytes: the primes are constants")]
const fn bits(bytes: usize) -> u32 {
    8 * bytes as u32
}

#[cfg(test)]
mod tests;
