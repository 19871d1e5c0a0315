//! API keys: the secrets by which callers authenticate.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

use crate::hex;

const PREFIX: &str = "cl_";
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^43 is the first power of 62 that passes 2^256.
const DIGIT_COUNT: usize = 43;

/// An API key: `cl_` and 32 random bytes in base62 (43 digits, most significant first).
///
/// It is a secret: it is never stored, and neither `Debug` nor any error shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Encodes 32 bytes from a cryptographically secure random number generator as a key.
    #[must_use]
    pub fn from_random_bytes(mut bytes: [u8; 32]) -> Self {
        let mut digits = [0; DIGIT_COUNT];
        for digit in digits.iter_mut().rev() {
            *digit = DIGITS[usize::from(divide_by_62(&mut bytes))];
        }
        Self(PREFIX.chars().chain(digits.iter().map(|&digit| char::from(digit))).collect())
    }

    /// Parses a key as a caller sends it.
    ///
    /// # Errors
    /// [`MalformedKey`] if the text has another form, so that no look-up is needed.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        let digits = text.strip_prefix(PREFIX).ok_or(MalformedKey)?;
        if digits.len() != DIGIT_COUNT || !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(MalformedKey);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the hash by which the key is stored and looked up.
    ///
    /// A plain hash is enough: 256 random bits can't be guessed, so there is nothing that a salt or
    /// a slow hash would protect. A look-up by the hash also needs no comparison of secrets, whose
    /// time could reveal something of them.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(Sha256::digest(self.0.as_bytes()).into())
    }

    /// Returns the key itself, to be shown once or sent.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(redacted)")
    }
}

/// The SHA-256 of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// Returns the bytes, as they are stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(redacted)")
    }
}

/// Reads a digest in hexadecimal digits.
impl FromStr for KeyDigest {
    type Err = MalformedDigest;

    fn from_str(digits: &str) -> Result<Self, Self::Err> {
        hex::parse(digits).map(Self).ok_or(MalformedDigest)
    }
}

/// A text that is not the digest of a key in hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest has 64 hexadecimal digits")]
pub struct MalformedDigest;

/// A text that is not of the form of a key. The error does not contain it: it may be a secret of
/// another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is cl_ and 43 letters and digits")]
pub struct MalformedKey;

/// Divides a big-endian number in place, and returns the remainder.
fn divide_by_62(number: &mut [u8; 32]) -> u8 {
    number.iter_mut().fold(0, |remainder, byte| {
        let dividend = u16::from(remainder) << 8 | u16::from(*byte);
        // Both fit: the dividend is below 62 * 256.
        *byte = (dividend / 62) as u8;
        (dividend % 62) as u8
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn has_a_fixed_form() {
        let least = ApiKey::from_random_bytes([0; 32]);
        assert_eq!(least.expose(), format!("cl_{}", "0".repeat(43)));
        let mut one = [0; 32];
        one[31] = 63;
        assert_eq!(ApiKey::from_random_bytes(one).expose(), format!("cl_{}11", "0".repeat(41)));
    }

    #[test]
    fn hides_itself() {
        let key = ApiKey::from_random_bytes([7; 32]);
        assert_eq!(format!("{key:?} {:?}", key.digest()), "ApiKey(redacted) KeyDigest(redacted)");
    }

    #[test]
    fn rejects_other_texts() {
        let digits = "a".repeat(43);
        for text in ["", "cl_", "cl_a", &digits, &format!("CL_{digits}"), &format!("cl_{digits}a")]
        {
            assert_eq!(ApiKey::parse(text), Err(MalformedKey), "{text}");
        }
        assert_eq!(ApiKey::parse(&format!("cl_{}é", "a".repeat(41))), Err(MalformedKey));
    }

    proptest! {
        #[test]
        fn parses_what_it_formats_and_keeps_every_bit(a: [u8; 32], b: [u8; 32]) {
            let (key, other) = (ApiKey::from_random_bytes(a), ApiKey::from_random_bytes(b));
            prop_assert_eq!(ApiKey::parse(key.expose()), Ok(key.clone()));
            prop_assert_eq!(a == b, key == other);
        }
    }
}
