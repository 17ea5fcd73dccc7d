//! Names whose bytes were compared with a directory by every character set.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use super::directory::Directory;
use crate::pcd::{Claim, Claims};

/// The names of one session that no entry of the directory looks like, by whatever character set their bytes
/// are read. They are not compared again: a device names the same few things in each of its messages, and
/// the comparison takes as long as that of many messages.
#[derive(Debug, Default)]
pub struct ComparedNames {
    directory: Weak<Directory>,
    unlike: HashSet<Box<[u8]>>,
    bytes: usize,
}

impl ComparedNames {
    /// How many bytes of these claims have yet to be compared with this directory.
    pub fn missing(&mut self, directory: &Arc<Directory>, claims: &Claims) -> usize {
        if !std::ptr::eq(self.directory.as_ptr(), Arc::as_ptr(directory)) {
            *self = Self { directory: Arc::downgrade(directory), ..Self::default() };
        }
        let encoded = claims.all().filter_map(|claim| claim.encoded.as_ref()).map(|name| &name.bytes);
        encoded.filter(|bytes| !self.unlike.contains(*bytes)).map(|bytes| bytes.len()).sum()
    }

    /// Compares them. Of a claim whose bytes no entry looks like, only its text counts from then on.
    pub fn compare(&mut self, directory: &Arc<Directory>, claims: &mut Claims) {
        self.missing(directory, claims);
        for claim in claims.all_mut() {
            claim.encoded = claim.encoded.take().filter(|name| !self.is_unlike(directory, &name.bytes));
        }
    }

    fn is_unlike(&mut self, directory: &Directory, encoded: &[u8]) -> bool {
        if self.unlike.contains(encoded) {
            return true;
        }
        if directory.has_alike_encoded(encoded) {
            return false;
        }
        // The sender chooses the names, so it must not choose how much is remembered.
        if self.bytes + encoded.len() > MAX_REMEMBERED_BYTES {
            self.unlike.clear();
            self.bytes = 0;
        }
        self.bytes += encoded.len();
        self.unlike.insert(encoded.into());
        true
    }
}

impl Claims {
    fn all(&self) -> impl Iterator<Item = &Claim> {
        self.names.iter().chain(&self.identities).chain(&self.hidden)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Claim> {
        self.names.iter_mut().chain(&mut self.identities).chain(&mut self.hidden)
    }
}

/// Bytes of names that a session remembers: some hundred names of wards and devices.
const MAX_REMEMBERED_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;
    use crate::pcd::Transaction;
    use crate::store::fixtures::gateway;

    fn claims(names: &[&[u8]]) -> Claims {
        let mut bytes = b"MSH|^~\\&|GW||||2026||ORU^R01^ORU_R01|1|P|2.6\r".to_vec();
        for name in names {
            bytes.extend(b"OBX|1|||||||||||||||||GW^");
            bytes.extend(*name);
            bytes.push(b'\r');
        }
        let message = Message::parse(&bytes).unwrap();
        Claims::read(&message, Transaction::of(&message), 64)
    }

    fn directory(names: &[&str]) -> Arc<Directory> {
        Arc::new(names.iter().map(|name| gateway(name)).collect())
    }

    #[test]
    fn a_name_is_compared_once_with_each_directory() {
        let mut compared = ComparedNames::default();
        let first = directory(&["GW", "Süd"]);
        let name: &[u8] = "Станция".as_bytes();
        assert_eq!(compared.missing(&first, &claims(&[name])), name.len());
        let mut message = claims(&[name]);
        compared.compare(&first, &mut message);
        assert!(message.all().all(|claim| claim.encoded.is_none()), "its text is all that counts");
        assert_eq!(compared.missing(&first, &claims(&[name])), 0);
        let changed = directory(&["GW", "Süd", "Станция"]);
        assert_eq!(compared.missing(&changed, &claims(&[name])), name.len());
        let mut message = claims(&[name]);
        compared.compare(&changed, &mut message);
        assert!(message.all().any(|claim| claim.encoded.is_some()), "now an entry looks like it");
        assert_eq!(compared.missing(&changed, &claims(&[name])), name.len());
    }

    #[test]
    fn a_sender_does_not_choose_how_much_is_remembered() {
        let (mut compared, directory) = (ComparedNames::default(), directory(&["GW"]));
        for n in 0..300_u32 {
            let name = [&b"\xC4"[..], format!("{n:0>60}").as_bytes()].concat();
            compared.compare(&directory, &mut claims(&[&name]));
            let remembered: usize = compared.unlike.iter().map(|name| name.len()).sum();
            assert_eq!(remembered, compared.bytes);
            assert!(remembered <= MAX_REMEMBERED_BYTES);
        }
        assert!(!compared.unlike.is_empty());
    }
}
