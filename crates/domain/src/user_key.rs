//! The names by which a call finds one user.

use crate::{Email, ExternalId, FieldPath, Reason, Rule, UserId, Violation, Violations};

/// What names a user, as the caller sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserKeyDraft {
    /// Nothing.
    None,
    /// The id, in decimal digits.
    Id(String),
    /// The email.
    Email(String),
    /// The caller's own id.
    ExternalId(String),
}

/// What names a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserKey {
    /// The id.
    Id(UserId),
    /// The email.
    Email(Email),
    /// The caller's own id.
    ExternalId(ExternalId),
}

impl UserKey {
    /// Broken by a key of nothing.
    pub const REQUIRED: Rule = Rule {
        reason: Reason::Required,
        description: "the user is named by id, email or external_id",
    };

    /// Checks a key.
    ///
    /// # Errors
    /// The one violation.
    pub fn parse(draft: UserKeyDraft) -> Result<Self, Violations> {
        let (path, parsed) = match draft {
            UserKeyDraft::None => ("user", Err(&Self::REQUIRED)),
            UserKeyDraft::Id(id) => ("user.id", parse_id(&id).map(Self::Id)),
            UserKeyDraft::Email(email) => ("user.email", Email::parse(email).map(Self::Email)),
            UserKeyDraft::ExternalId(id) => {
                ("user.external_id", ExternalId::parse(id).map(Self::ExternalId))
            }
        };
        parsed.map_err(|rule| Violation { path: FieldPath::new(path), rule }.into())
    }
}

/// Reads an id in its one spelling.
fn parse_id(text: &str) -> Result<UserId, &'static Rule> {
    let id = text.parse().ok().and_then(UserId::new);
    id.filter(|id| id.to_string() == text).ok_or(&UserId::NOT_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_three_names() {
        let id = |text: &str| UserKey::parse(UserKeyDraft::Id(text.to_owned()));
        assert_eq!(id("7"), Ok(UserKey::Id(UserId::new(7).unwrap())));
        for text in ["", "0", "-1", "+7", "07", " 7", "7.0", "9223372036854775808", "x"] {
            let violations = id(text).unwrap_err();
            let [violation] = violations.as_slice() else { panic!("{text}: {violations:?}") };
            assert_eq!(violation.path.to_string(), "user.id");
            assert_eq!(violation.rule.reason, Reason::NotPositive, "{text}");
        }
        let email = UserKey::parse(UserKeyDraft::Email("A@B".to_owned()));
        assert_eq!(email, Ok(UserKey::Email(Email::parse("a@b".to_owned()).unwrap())));
        for (draft, expected) in [
            (UserKeyDraft::None, "user Required"),
            (UserKeyDraft::Email("a".to_owned()), "user.email InvalidEmail"),
            (UserKeyDraft::ExternalId(String::new()), "user.external_id Required"),
        ] {
            let violations = UserKey::parse(draft).unwrap_err();
            let [Violation { path, rule }] = violations.as_slice() else { panic!() };
            assert_eq!(format!("{path} {:?}", rule.reason), expected);
        }
    }
}
