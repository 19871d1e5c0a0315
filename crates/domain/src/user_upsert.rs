//! Users to be created or changed: the input, checked.

use std::collections::HashSet;

use crate::{Email, ExternalId, FieldPath, PersonName, Reason, Rule, Violation, Violations};

/// A user to be created or changed, as the caller sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserUpsertDraft {
    /// The caller's own id of the user; empty if the email names the user.
    pub external_id: String,
    /// The user's email.
    pub email: String,
    /// The user's first name; `None` leaves it as it is.
    pub first_name: Option<String>,
    /// The user's last name; `None` leaves it as it is.
    pub last_name: Option<String>,
}

/// A valid user to be created or changed. What is `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserUpsert {
    /// The caller's own id of the user; `None` if the email names the user.
    pub external_id: Option<ExternalId>,
    /// The user's email.
    pub email: Email,
    /// The user's first name.
    pub first_name: Option<PersonName>,
    /// The user's last name.
    pub last_name: Option<PersonName>,
}

/// 1 to 500 valid users, with no external id and no email twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserUpserts(Vec<UserUpsert>);

impl UserUpserts {
    /// The most users of a request.
    pub const MAX_USERS: usize = 500;

    /// Broken by an empty list.
    pub const REQUIRED: Rule =
        Rule { reason: Reason::Required, description: "1 to 500 users are required" };

    /// Broken past [`Self::MAX_USERS`].
    pub const TOO_MANY: Rule =
        Rule { reason: Reason::TooMany, description: "at most 500 users can be written at once" };

    /// Broken by a user that is named twice.
    pub const DUPLICATE: Rule =
        Rule { reason: Reason::Duplicate, description: "the user is named twice" };

    /// Broken by an email that another user has when the call begins.
    pub const EMAIL_TAKEN: Rule =
        Rule { reason: Reason::EmailTaken, description: "another user has this email" };

    /// Checks a request.
    ///
    /// # Errors
    /// Every violation, in the order of the request. Of a list that is too long, only the items
    /// within its limit are checked.
    pub fn parse(
        users: impl ExactSizeIterator<Item = UserUpsertDraft>,
    ) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let mut report = |path, rule| violations.push(Violation { path, rule });
        match users.len() {
            0 => report(FieldPath::new("users"), &Self::REQUIRED),
            1..=Self::MAX_USERS => {}
            _ => report(FieldPath::new("users"), &Self::TOO_MANY),
        }
        let (mut external_ids, mut emails) = (HashSet::new(), HashSet::new());
        let mut upserts = Vec::with_capacity(users.len().min(Self::MAX_USERS));
        for (index, draft) in users.take(Self::MAX_USERS).enumerate() {
            let mut at = |pattern, rule| report(FieldPath::at(pattern, index), rule);
            let external_id = match draft.external_id {
                none if none.is_empty() => None,
                id => ExternalId::parse(id).map_err(|rule| at(EXTERNAL_ID, rule)).ok(),
            };
            if external_id.as_ref().is_some_and(|id| !external_ids.insert(id.clone())) {
                at(EXTERNAL_ID, &Self::DUPLICATE);
            }
            let email = match draft.email {
                none if none.is_empty() => Err(&Email::REQUIRED),
                email => Email::parse_of_user(email),
            };
            let email = email.map_err(|rule| at(EMAIL, rule)).ok();
            if email.as_ref().is_some_and(|email| !emails.insert(email.clone())) {
                at(EMAIL, &Self::DUPLICATE);
            }
            let mut name = |pattern, name: Option<String>| {
                PersonName::parse(name?).map_err(|rule| at(pattern, rule)).ok()
            };
            let first_name = name("users[*].first_name", draft.first_name);
            let last_name = name("users[*].last_name", draft.last_name);
            upserts.extend(email.map(|email| UserUpsert {
                external_id,
                email,
                first_name,
                last_name,
            }));
        }
        match Violations::new(violations) {
            None => Ok(Self(upserts)),
            Some(violations) => Err(violations),
        }
    }

    /// Returns the users, in the order of the request.
    #[must_use]
    pub fn as_slice(&self) -> &[UserUpsert] {
        &self.0
    }

    /// Returns the path of the field that names a user.
    #[must_use]
    pub fn path_of_name(&self, index: usize) -> FieldPath {
        let has_external_id = self.0.get(index).is_some_and(|user| user.external_id.is_some());
        FieldPath::at(if has_external_id { EXTERNAL_ID } else { EMAIL }, index)
    }

    /// Returns the path of a user's email.
    #[must_use]
    pub fn path_of_email(index: usize) -> FieldPath {
        FieldPath::at(EMAIL, index)
    }
}

const EXTERNAL_ID: &str = "users[*].external_id";
const EMAIL: &str = "users[*].email";

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(external_id: &str, email: &str) -> UserUpsertDraft {
        let (external_id, email) = (external_id.to_owned(), email.to_owned());
        UserUpsertDraft { external_id, email, ..UserUpsertDraft::default() }
    }

    fn violations(drafts: Vec<UserUpsertDraft>) -> Vec<String> {
        UserUpserts::parse(drafts.into_iter())
            .unwrap_err()
            .as_slice()
            .iter()
            .map(|violation| format!("{} {:?}", violation.path, violation.rule.reason))
            .collect()
    }

    #[test]
    fn takes_1_to_500_users() {
        let users = |n: usize| (0..n).map(|n| draft("", &format!("{n}@b"))).collect::<Vec<_>>();
        assert_eq!(violations(users(0)), ["users Required"]);
        assert_eq!(UserUpserts::parse(users(500).into_iter()).unwrap().as_slice().len(), 500);
        assert_eq!(violations(users(501)), ["users TooMany"]);
    }

    #[test]
    fn what_is_absent_stays_and_what_is_empty_is_set() {
        let named = UserUpsertDraft { first_name: Some(String::new()), ..draft("", "A@b") };
        let users = UserUpserts::parse([named].into_iter()).unwrap();
        let [user] = users.as_slice() else { panic!() };
        assert_eq!((&user.external_id, user.email.as_str()), (&None, "a@b"));
        assert_eq!((&user.first_name, &user.last_name), (&Some(PersonName::default()), &None));
    }

    #[test]
    fn reports_every_violation_in_the_order_of_the_request() {
        let long = || Some("n".repeat(201));
        let drafts = vec![
            draft("x", "a@b"),
            draft("x", "A@B"),
            draft(&"i".repeat(201), ""),
            draft("", "Erased-1@Erased.Invalid"),
            UserUpsertDraft { first_name: long(), last_name: long(), ..draft("", "c") },
        ];
        assert_eq!(
            violations(drafts),
            [
                "users[1].external_id Duplicate",
                "users[1].email Duplicate",
                "users[2].external_id TooLong",
                "users[2].email Required",
                "users[3].email InvalidEmail",
                "users[4].email InvalidEmail",
                "users[4].first_name TooLong",
                "users[4].last_name TooLong",
            ]
        );
    }
}
