//! The chain of hashes.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

use super::entry::AuditEntry;
use crate::hex;

/// What is hashed first: hashes of another format, or of other things, are others.
const FORMAT: &[u8] = b"caseload audit 1\0";

/// The hash of an entry and of all entries before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// What stands for the hash of the entry before the first one.
    pub const START: Self = Self([0; 32]);

    /// Returns the hash with these bytes, as they are stored; `None` if there are not 32 of them.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the hash of the entry after the one that has this hash.
    ///
    /// Each part says its length, so no two entries have the same bytes.
    #[must_use]
    pub fn then(&self, entry: &AuditEntry) -> Self {
        let AuditEntry {
            tenant,
            number,
            micros,
            event,
            key,
            role,
            address,
            request_id,
            subject,
            details,
        } = entry;
        let mut hash = Sha256::new();
        hash.update(FORMAT);
        hash.update(self.0);
        for number in [tenant.get(), *number, *micros] {
            hash.update(number.to_be_bytes());
        }
        for number in [key, subject] {
            match number {
                None => hash.update([0]),
                Some(number) => {
                    hash.update([1]);
                    hash.update(number.to_be_bytes());
                }
            }
        }
        for text in
            [Some(event), role.as_ref(), address.as_ref(), request_id.as_ref(), Some(details)]
        {
            match text {
                None => hash.update([0]),
                Some(text) => {
                    hash.update([1]);
                    hash.update((text.len() as u64).to_be_bytes());
                    hash.update(text.as_bytes());
                }
            }
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainHash({self})")
    }
}

/// An entry with its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// The entry.
    pub entry: AuditEntry,
    /// The hash of the entry and all before it.
    pub hash: ChainHash,
}

/// An entry's number and its hash, which stand for all entries up to it: written `12:HASH`, with the hash in
/// hexadecimal digits. Who keeps one elsewhere can prove later that these entries are still as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The number; 0 before the first entry.
    pub number: i64,
    /// The hash.
    pub hash: ChainHash,
}

impl Anchor {
    /// What stands before the first entry.
    pub const START: Self = Self { number: 0, hash: ChainHash::START };
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash)
    }
}

/// A text that is not an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an anchor is NUMBER:HASH, with 64 hexadecimal digits")]
pub struct MalformedAnchor;

impl FromStr for Anchor {
    type Err = MalformedAnchor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, digits) = text.split_once(':').ok_or(MalformedAnchor)?;
        let number = number.parse().ok().filter(|number| *number >= 0).ok_or(MalformedAnchor)?;
        let hash = hex::parse(digits).map(ChainHash).ok_or(MalformedAnchor)?;
        Ok(Self { number, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TenantId;

    fn entry() -> AuditEntry {
        AuditEntry {
            tenant: TenantId::new(1).unwrap(),
            number: 1,
            micros: 0,
            event: "key.used".to_owned(),
            key: None,
            role: None,
            address: None,
            request_id: None,
            subject: None,
            details: String::new(),
        }
    }

    /// Logs that are stored must be verified by every release.
    #[test]
    fn the_format_does_not_change() {
        let first = ChainHash::START.then(&entry());
        let full = AuditEntry {
            number: 2,
            micros: 1_764_000_000_000_001,
            key: Some(3),
            role: Some("caseload_admin".to_owned()),
            address: Some("2001:db8::1".to_owned()),
            request_id: Some("r-1".to_owned()),
            subject: Some(4),
            details: "scopes=admin".to_owned(),
            ..entry()
        };
        assert_eq!(
            (first.to_string(), first.then(&full).to_string()),
            (FIRST.to_owned(), SECOND.to_owned())
        );
    }

    const FIRST: &str = "4c4347e9187681e71807aedda590081c7a26bbeb95fa8fffe62785b9aec15875";
    const SECOND: &str = "c92926fa865fb64bcdb326bfe6636d50444b95a13feb490836099aa372b56c58";

    #[test]
    fn parts_are_not_taken_for_each_other() {
        let text = |text: &str| Some(text.to_owned());
        let all = [
            entry(),
            AuditEntry { role: text("a"), ..entry() },
            AuditEntry { address: text("a"), ..entry() },
            AuditEntry { request_id: text("a"), ..entry() },
            AuditEntry { request_id: text(""), ..entry() },
            AuditEntry { details: "a".to_owned(), ..entry() },
            AuditEntry { role: text("a"), address: text("b"), ..entry() },
            AuditEntry { role: text("ab"), address: text(""), ..entry() },
            AuditEntry { key: Some(1), ..entry() },
            AuditEntry { subject: Some(1), ..entry() },
            AuditEntry { number: 2, ..entry() },
            AuditEntry { micros: 1, ..entry() },
            AuditEntry { tenant: TenantId::new(2).unwrap(), ..entry() },
        ];
        let hashes: std::collections::HashSet<_> =
            all.iter().map(|entry| ChainHash::START.then(entry)).collect();
        assert_eq!(hashes.len(), all.len());
    }

    #[test]
    fn an_anchor_is_parsed_as_it_is_written() {
        let anchor = Anchor { number: 12, hash: ChainHash::START.then(&entry()) };
        assert_eq!(anchor.to_string().parse(), Ok(anchor));
        let digits = "0".repeat(64);
        for text in ["", "12", ":", &digits, &format!("-1:{digits}"), &format!("1:{digits}0")] {
            assert_eq!(text.parse::<Anchor>(), Err(MalformedAnchor), "{text}");
        }
        assert_eq!(format!("1:{}é", &digits[2..]).parse::<Anchor>(), Err(MalformedAnchor));
        assert_eq!(format!("0:{digits}").parse(), Ok(Anchor::START));
    }
}
