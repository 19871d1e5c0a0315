//! Email addresses, by which users are named.

use std::fmt;

use crate::{Reason, Rule};

/// An email address in lower case, which is how addresses are compared, stored and returned.
///
/// The check finds slips of the keyboard, no more: there must be something on each side of an `@`,
/// no white space and no control characters. Whether a user has the address is known to the
/// database only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

impl Email {
    /// The longest address in bytes: the longest path of RFC 5321 (4.5.3.1.3) without its
    /// brackets.
    pub const MAX_BYTES: usize = 254;

    /// Broken past [`Self::MAX_BYTES`].
    pub const TOO_LONG: Rule =
        Rule { reason: Reason::TooLong, description: "an email has at most 254 bytes" };
    /// Broken by a text that is not an address.
    pub const INVALID: Rule =
        Rule { reason: Reason::InvalidEmail, description: "this is not an email address" };
    /// Broken by an address that no user of the tenant has.
    pub const UNKNOWN_USER: Rule =
        Rule { reason: Reason::UnknownUser, description: "no user has this email" };

    /// Broken by an absent address.
    pub const REQUIRED: Rule =
        Rule { reason: Reason::Required, description: "an email is required" };
    /// Broken by the address of a user who was deactivated, and is to be assigned to a task.
    pub const USER_DEACTIVATED: Rule = Rule {
        reason: Reason::UserDeactivated,
        description: "the user with this email is deactivated",
    };
    /// Broken by an address of [`Self::RESERVED_DOMAIN`].
    pub const RESERVED: Rule =
        Rule { reason: Reason::InvalidEmail, description: "the domain of this email is reserved" };

    /// The domain of the addresses that erased users have instead of their own. Nobody can have one
    /// (RFC 2606).
    pub const RESERVED_DOMAIN: &str = "erased.invalid";

    /// Parses an address and converts it to lower case.
    ///
    /// # Errors
    /// [`Self::TOO_LONG`] or [`Self::INVALID`].
    pub fn parse(mut address: String) -> Result<Self, &'static Rule> {
        if address.len() > Self::MAX_BYTES {
            return Err(&Self::TOO_LONG);
        }
        if address.is_ascii() {
            address.make_ascii_lowercase();
        } else {
            address = address.to_lowercase();
        }
        let has_two_sides = address
            .rsplit_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        let has_blanks = address.chars().any(|c| c.is_whitespace() || c.is_control());
        // Lower case can be longer ('İ' becomes two characters), so the length is checked again.
        if !has_two_sides || has_blanks || address.len() > Self::MAX_BYTES {
            return Err(&Self::INVALID);
        }
        Ok(Self(address))
    }

    /// Parses the address of a user who is created or changed: one of [`Self::RESERVED_DOMAIN`] is refused.
    ///
    /// # Errors
    /// [`Self::RESERVED`], and those of [`Self::parse`].
    pub fn parse_of_user(address: String) -> Result<Self, &'static Rule> {
        let email = Self::parse(address)?;
        if email.is_reserved() { Err(&Self::RESERVED) } else { Ok(email) }
    }

    /// Whether the address is of the domain that is reserved for erased users.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.rsplit_once('@').is_some_and(|(_, domain)| domain == Self::RESERVED_DOMAIN)
    }

    /// Returns the address, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the address as an owned string, in lower case.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(address: &str) -> Result<String, Reason> {
        Email::parse(address.to_owned()).map(Email::into_string).map_err(|rule| rule.reason)
    }

    #[test]
    fn folds_case_beyond_ascii() {
        assert_eq!(parse("User1@Example.COM"), Ok("user1@example.com".to_owned()));
        assert_eq!(parse("JÜRGEN@BÜCHER.example"), Ok("jürgen@bücher.example".to_owned()));
    }

    #[test]
    fn tells_a_slip_from_an_address() {
        for slip in ["", "@", "a@", "@b", "a", "a b@c", " a@b", "a@b\n", "a@b\0", "a\u{a0}b@c"] {
            assert_eq!(parse(slip), Err(Reason::InvalidEmail), "{slip:?}");
        }
        for address in ["a@b", "\"a@b\"@c", "a+tag@b.c", "o'hara@example.com"] {
            assert_eq!(parse(address), Ok(address.to_owned()));
        }
    }

    #[test]
    fn no_user_gets_an_address_of_the_reserved_domain() {
        let of_user = |address: &str| Email::parse_of_user(address.to_owned());
        for address in ["erased-1@erased.invalid", "A@Erased.Invalid", "a@b@erased.invalid"] {
            assert_eq!(of_user(address), Err(&Email::RESERVED), "{address}");
        }
        for address in ["a@b.erased.invalid", "a@erased.invalid.b", "erased.invalid@b"] {
            assert!(of_user(address).is_ok(), "{address}");
        }
        assert_eq!(of_user("a"), Err(&Email::INVALID));
    }

    #[test]
    fn is_at_most_254_bytes_long_before_and_after_folding() {
        let local = "a".repeat(Email::MAX_BYTES - 2);
        assert!(parse(&format!("{local}@b")).is_ok());
        assert_eq!(parse(&format!("{local}@bc")), Err(Reason::TooLong));
        let growing = format!("{}İ@b", "a".repeat(Email::MAX_BYTES - 4));
        assert_eq!(growing.len(), Email::MAX_BYTES);
        assert_eq!(parse(&growing), Err(Reason::InvalidEmail));
    }
}
