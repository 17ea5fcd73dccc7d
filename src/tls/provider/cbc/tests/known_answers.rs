//! A3: records sealed and opened by OpenSSL's primitives alone.

use super::openssl::OpenSsl;
use super::reference::Primitives;
use super::{CONTEXT, SUITES, noise, open, seal};

const LENGTHS: [usize; 9] = [0, 1, 15, 16, 17, 255, 256, 1000, 16_384];

#[test]
fn records_sealed_by_openssl_open_with_any_padding() {
    for suite in &SUITES {
        let mut decrypter = suite.decrypter();
        for len in LENGTHS {
            let plaintext = noise(len);
            // The shortest, one that crosses a hash block, one in the middle, and the longest.
            let paddings: Vec<u8> = suite.paddings(len).collect();
            for padding in [paddings[0], paddings[1], paddings[8], paddings[15]] {
                let record = OpenSsl.seal(suite, CONTEXT, &plaintext, padding);
                let opened = open(&mut *decrypter, CONTEXT, &record);
                assert_eq!(opened, Ok(plaintext.clone()), "{len} bytes, padding {padding}");
            }
        }
    }
}

#[test]
fn our_records_open_in_openssl_with_the_shortest_padding() {
    for suite in &SUITES {
        let mut encrypter = suite.encrypter();
        for len in LENGTHS {
            let plaintext = noise(len);
            let record = seal(&mut *encrypter, CONTEXT, &plaintext);
            let padding = suite.paddings(len).next().expect("one at least");
            assert_eq!(OpenSsl.open(suite, CONTEXT, &record), Some((plaintext, padding)), "{len} bytes");
        }
    }
}
