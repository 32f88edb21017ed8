//! The user-based security model's signatures and ciphers: RFC 3414 (MD5, SHA, DES), RFC 7860 (SHA-2), RFC 3826 (AES).
//!
//! Old ones are here because devices know nothing newer: a management card lives longer than a cipher.

use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit};
use hmac::{Mac, SimpleHmac};
use sha2::Digest;

/// How much of the repeated password makes a key.
const PASSWORD_BYTES: usize = 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signature {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cipher {
    Des,
    Aes,
}

impl Signature {
    pub(crate) fn parse(word: &str) -> Option<Signature> {
        match word {
            "MD5" => Some(Signature::Md5),
            "SHA" => Some(Signature::Sha1),
            "SHA256" => Some(Signature::Sha256),
            "SHA512" => Some(Signature::Sha512),
            _ => None,
        }
    }

    /// How many bytes of the signature are sent.
    pub(super) fn length(self) -> usize {
        match self {
            Signature::Md5 | Signature::Sha1 => 12,
            Signature::Sha256 => 24,
            Signature::Sha512 => 48,
        }
    }

    /// The key that a password stands for at one engine.
    pub(super) fn key(self, password: &[u8], engine: &[u8]) -> Vec<u8> {
        let repeated: Vec<u8> = password.iter().copied().cycle().take(PASSWORD_BYTES).collect();
        let key = self.digest(&repeated);
        self.digest(&[&key, engine, &key].concat())
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Signature::Md5 => md5::Md5::digest(bytes).to_vec(),
            Signature::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
            Signature::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            Signature::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
        }
    }

    pub(super) fn sign(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let mut signature = match self {
            Signature::Md5 => hmac::<md5::Md5>(key, message),
            Signature::Sha1 => hmac::<sha1::Sha1>(key, message),
            Signature::Sha256 => hmac::<sha2::Sha256>(key, message),
            Signature::Sha512 => hmac::<sha2::Sha512>(key, message),
        };
        signature.truncate(self.length());
        signature
    }

    /// In a time that does not depend on where the first difference is.
    pub(super) fn verifies(self, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let expected = self.sign(key, message);
        let difference = expected.iter().zip(signature).fold(0, |sum, (a, b)| sum | (a ^ b));
        signature.len() == expected.len() && difference == 0
    }
}

fn hmac<D: Digest + aes::cipher::BlockSizeUser>(key: &[u8], message: &[u8]) -> Vec<u8> {
    // A key of any length is right.
    <SimpleHmac<D> as Mac>::new_from_slice(key).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        },
    )
}

impl Cipher {
    pub(crate) fn parse(word: &str) -> Option<Cipher> {
        match word {
            "DES" => Some(Cipher::Des),
            "AES" => Some(Cipher::Aes),
            _ => None,
        }
    }

    /// `clock` is the engine's count of boots and its time, which AES makes a part of the initialisation.
    pub(super) fn encrypt(self, key: &[u8], salt: [u8; 8], clock: (u32, u32), plain: &[u8]) -> Option<Vec<u8>> {
        match self {
            Cipher::Aes => aes_cfb(key, salt, clock, plain, |_, out| out),
            Cipher::Des => {
                let (des, mut previous) = des(key, salt)?;
                let mut bytes = plain.to_vec();
                bytes.resize(plain.len().next_multiple_of(8), 0);
                for block in bytes.chunks_mut(8) {
                    xor(block, &previous);
                    des.encrypt_block(GenericArray::from_mut_slice(block));
                    previous.copy_from_slice(block);
                }
                Some(bytes)
            }
        }
    }

    pub(super) fn decrypt(self, key: &[u8], salt: [u8; 8], clock: (u32, u32), secret: &[u8]) -> Option<Vec<u8>> {
        match self {
            Cipher::Aes => aes_cfb(key, salt, clock, secret, |input, _| input),
            Cipher::Des => {
                let (des, mut previous) = des(key, salt)?;
                let mut bytes = secret.to_vec();
                for (block, cipher) in bytes.chunks_exact_mut(8).zip(secret.chunks_exact(8)) {
                    des.decrypt_block(GenericArray::from_mut_slice(block));
                    xor(block, &previous);
                    previous.copy_from_slice(cipher);
                }
                secret.len().is_multiple_of(8).then_some(bytes)
            }
        }
    }
}

fn xor(bytes: &mut [u8], others: &[u8]) {
    bytes.iter_mut().zip(others).for_each(|(byte, other)| *byte ^= other);
}

/// The cipher and its first block: one half of the key each.
fn des(key: &[u8], salt: [u8; 8]) -> Option<(des::Des, [u8; 8])> {
    let cipher = des::Des::new_from_slice(key.get(..8)?).ok()?;
    let mut start: [u8; 8] = key.get(8..16)?.try_into().ok()?;
    xor(&mut start, &salt);
    Some((cipher, start))
}

/// Cipher feedback: what is encrypted next is the last block of the secret text, which is the output when encrypting
/// and the input when decrypting; `feedback` chooses.
fn aes_cfb(
    key: &[u8],
    salt: [u8; 8],
    (boots, time): (u32, u32),
    bytes: &[u8],
    feedback: for<'a> fn(&'a [u8], &'a [u8]) -> &'a [u8],
) -> Option<Vec<u8>> {
    let cipher = aes::Aes128::new_from_slice(key.get(..16)?).ok()?;
    let mut register: [u8; 16] = [&boots.to_be_bytes()[..], &time.to_be_bytes(), &salt]
        .concat()
        .try_into()
        .ok()?;
    let mut result = Vec::with_capacity(bytes.len());
    for input in bytes.chunks(16) {
        cipher.encrypt_block(GenericArray::from_mut_slice(&mut register));
        let mut output = input.to_vec();
        xor(&mut output, &register);
        let next = feedback(input, &output);
        register.get_mut(..next.len())?.copy_from_slice(next);
        result.extend(output);
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The samples of RFC 3414, appendix A.3.
    #[test]
    fn passwords_become_the_keys_of_the_standard() {
        let engine = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        let key = |signature: Signature| hex(&signature.key(b"maplesyrup", &engine));
        assert_eq!(key(Signature::Md5), "526f5eed9fcce26f8964c2930787d82b");
        assert_eq!(key(Signature::Sha1), "6695febc9288e36282235fc7151f128497b38f3f");
    }

    #[test]
    fn what_is_encrypted_comes_back() {
        let (key, salt, clock) = ([7; 20], [1, 2, 3, 4, 5, 6, 7, 8], (3, 4711));
        for length in [0, 1, 7, 8, 15, 16, 17, 100] {
            let plain: Vec<u8> = (0..length).collect();
            for cipher in [Cipher::Des, Cipher::Aes] {
                let secret = cipher.encrypt(&key, salt, clock, &plain).unwrap();
                let back = cipher.decrypt(&key, salt, clock, &secret).unwrap();
                assert_eq!(back[..plain.len()], plain[..], "{cipher:?}");
                assert!(plain.is_empty() || secret[..plain.len()] != plain[..], "{cipher:?}");
            }
        }
        assert_eq!(Cipher::Des.decrypt(&key, salt, clock, &[0; 9]), None);
        assert_eq!(Cipher::Aes.encrypt(&[0; 4], salt, clock, b"x"), None, "a key too short");
    }

    #[test]
    fn a_signature_is_right_or_wrong() {
        for signature in [Signature::Md5, Signature::Sha1, Signature::Sha256, Signature::Sha512] {
            let mut sent = signature.sign(b"key", b"message");
            assert_eq!(sent.len(), signature.length());
            assert!(signature.verifies(b"key", b"message", &sent));
            assert!(!signature.verifies(b"yek", b"message", &sent));
            assert!(!signature.verifies(b"key", b"message", &sent[1..]));
            sent[3] ^= 1;
            assert!(!signature.verifies(b"key", b"message", &sent));
        }
    }
}
