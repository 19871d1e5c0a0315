//! The keys by which callers make their requests safe to repeat.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::{FieldPath, Reason, Rule, Scope};

/// An idempotency key: a caller repeats a request with the same key, and the repeat returns the
/// result of the first request instead of a second effect.
///
/// In the gRPC contract it is the field `request_id` (AIP-155), in the REST API the header
/// `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The longest key, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Broken by an empty text.
    pub const REQUIRED: Rule =
        Rule { reason: Reason::Required, description: "an idempotency key is required" };
    /// Broken past [`Self::MAX_BYTES`].
    pub const TOO_LONG: Rule = Rule {
        reason: Reason::TooLong,
        description: "an idempotency key has at most 255 characters",
    };
    /// Broken by anything but visible ASCII characters.
    pub const INVALID_CHARACTER: Rule = Rule {
        reason: Reason::InvalidCharacter,
        description: "an idempotency key has visible ASCII characters only",
    };

    /// Checks a key: 1 to 255 visible ASCII characters.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: String) -> Result<Self, &'static Rule> {
        if text.is_empty() {
            Err(&Self::REQUIRED)
        } else if text.len() > Self::MAX_BYTES {
            Err(&Self::TOO_LONG)
        } else if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text))
        } else {
            Err(&Self::INVALID_CHARACTER)
        }
    }

    /// Checks the key of a request, of which an empty one counts as none. Reports a violation.
    pub(crate) fn parse_optional(
        text: String,
        report: &mut impl FnMut(FieldPath, &'static Rule),
    ) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        Self::parse(text).map_err(|rule| report(FieldPath::new("request_id"), rule)).ok()
    }

    /// Returns the key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a request with an idempotency key asks for. The same key with another operation is another
/// request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To create a batch of tasks.
    BatchCreateTasks,
    /// To create one task.
    CreateTask,
    /// To create a case.
    CreateCase,
}

impl Operation {
    /// Returns the name by which the operation is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BatchCreateTasks => "batch_create_tasks",
            Self::CreateTask => "create_task",
            Self::CreateCase => "create_case",
        }
    }

    /// Returns the operation that is stored by this name; `None` if this release doesn't know it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::BatchCreateTasks, Self::CreateTask, Self::CreateCase];
        all.into_iter().find(|operation| operation.as_str() == name)
    }

    /// Returns the scopes of which a request for the operation needs one.
    #[must_use]
    pub const fn scopes(self) -> &'static [Scope] {
        match self {
            Self::BatchCreateTasks | Self::CreateTask => &[Scope::TasksWrite],
            Self::CreateCase => &[Scope::CasesWrite],
        }
    }
}

/// A request that may have an idempotency key.
pub trait Idempotent {
    /// Returns the operation that the request asks for.
    fn operation(&self) -> Operation;

    /// Returns the idempotency key, if the caller gave one.
    fn idempotency_key(&self) -> Option<&IdempotencyKey>;

    /// Returns the hash that tells a repeat of this request from another request with the same
    /// idempotency key. It covers the parsed values, so that white space around a text, for
    /// instance, makes no difference.
    fn fingerprint(&self, version: FingerprintVersion) -> Fingerprint;
}

/// The SHA-256 of what a request asks for. Two requests with the same idempotency key are repeats
/// of each other only if their fingerprints of one version are equal.
pub type Fingerprint = [u8; 32];

/// How a fingerprint is made.
///
/// What a version covers, and how, must never change: a repeat is compared with a fingerprint that an
/// earlier release may have made, or another one that runs at the same time. What is to be covered
/// differently is another version. A release must know a version before any release makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FingerprintVersion {
    /// Every value in a fixed order, each text and list after its length.
    V1,
}

impl FingerprintVersion {
    /// The version of the fingerprints that this release stores.
    pub const CURRENT: Self = Self::V1;

    /// Returns the number by which the version is stored.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::V1 => 1,
        }
    }

    /// Returns the version with this number; `None` if this release doesn't know it.
    #[must_use]
    pub const fn from_number(number: i16) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            _ => None,
        }
    }
}

/// A fingerprint of version 1 in the making. Each list and text follows its length, so that no two
/// requests are written alike.
#[derive(Debug, Default)]
pub(crate) struct FingerprintV1(Sha256);

impl FingerprintV1 {
    /// Adds a number.
    pub(crate) fn integer(&mut self, number: i64) {
        self.0.update(number.to_be_bytes());
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.update(text);
    }

    /// Adds the length of a list or a text.
    pub(crate) fn length(&mut self, length: usize) {
        self.0.update(u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
    }

    /// Returns the fingerprint.
    pub(crate) fn finish(self) -> Fingerprint {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_known_by_its_number() {
        let current = FingerprintVersion::CURRENT;
        assert_eq!(FingerprintVersion::from_number(current.number()), Some(current));
        for number in [i16::MIN, -1, 0, 2, i16::MAX] {
            assert_eq!(FingerprintVersion::from_number(number), None);
        }
    }

    #[test]
    fn an_operation_is_known_by_its_name() {
        for operation in [Operation::BatchCreateTasks, Operation::CreateTask, Operation::CreateCase]
        {
            assert_eq!(Operation::from_name(operation.as_str()), Some(operation));
        }
        assert_eq!(Operation::from_name("none"), None);
    }

    #[test]
    fn takes_1_to_255_visible_ascii_characters() {
        for text in ["a", "!~", "0af7651916cd43dd8448eb211c80319c", &"x".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(text.to_owned()).unwrap().as_str(), text);
        }
        for (text, reason) in [
            ("", Reason::Required),
            (&*"x".repeat(256), Reason::TooLong),
            ("a b", Reason::InvalidCharacter),
            ("a\u{7f}", Reason::InvalidCharacter),
            ("é", Reason::InvalidCharacter),
            ("a\0", Reason::InvalidCharacter),
        ] {
            let rule = IdempotencyKey::parse(text.to_owned()).unwrap_err();
            assert_eq!(rule.reason, reason, "{text:?}");
        }
    }
}
