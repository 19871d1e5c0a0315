//! Lists of users: the input, checked, and the output.

use sha2::{Digest as _, Sha256};

use crate::{
    DirectoryPageSize, DirectoryUser, Email, ExternalId, FieldPath, ListFilter, PageToken, UserId,
    Violation, Violations,
};

/// Which users to list, as the caller sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserListDraft {
    /// The most users to return; 0 for the default.
    pub page_size: i32,
    /// The token of the page before; empty for the first page.
    pub page_token: String,
    /// Only the user with this email; empty for all.
    pub email: String,
    /// Only the user with this external id; empty for all.
    pub external_id: String,
    /// Only users who are, or are not, active.
    pub is_active: Option<bool>,
}

/// Which users are listed: those that pass all of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Only the user with this email.
    pub email: Option<Email>,
    /// Only the user with this external id.
    pub external_id: Option<ExternalId>,
    /// Only users who are, or are not, active.
    pub is_active: Option<bool>,
}

/// A valid request for a page of a list of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserQuery {
    /// Which users are listed.
    pub filter: UserFilter,
    /// The user after whom the page begins; `None` for the first page.
    pub after: Option<UserId>,
    /// The most users to return.
    pub page_size: DirectoryPageSize,
}

/// A page of a list of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPage {
    /// The users, in the order of their ids.
    pub users: Vec<DirectoryUser>,
    /// Whether there are more behind them.
    pub has_more: bool,
}

impl UserQuery {
    /// The most users of a page. A larger number counts as this.
    pub const MAX_PAGE_SIZE: usize = 500;

    /// Checks a request.
    ///
    /// # Errors
    /// Every violation, in the order of the request's fields.
    pub fn parse(draft: UserListDraft) -> Result<Self, Violations> {
        let mut violations = Vec::new();
        let mut report = |field, rule| {
            violations.push(Violation { path: FieldPath::new(field), rule });
        };
        let page_size = DirectoryPageSize::parse(draft.page_size, Self::MAX_PAGE_SIZE);
        let page_size = page_size.map_err(|rule| report("page_size", rule));
        let email = match draft.email {
            none if none.is_empty() => Ok(None),
            email => Email::parse(email).map(Some),
        };
        let external_id = match draft.external_id {
            none if none.is_empty() => Ok(None),
            id => ExternalId::parse(id).map(Some),
        };
        let filter = UserFilter {
            email: email.as_ref().ok().cloned().flatten(),
            external_id: external_id.as_ref().ok().cloned().flatten(),
            is_active: draft.is_active,
        };
        let after = PageToken::position(&draft.page_token, &filter);
        let after = after.map_err(|rule| report("page_token", rule)).ok().flatten();
        let after = after.and_then(UserId::new);
        if let Err(rule) = email {
            report("email", rule);
        }
        if let Err(rule) = external_id {
            report("external_id", rule);
        }
        match page_size {
            Ok(page_size) if violations.is_empty() => Ok(Self { filter, after, page_size }),
            _ => Err(Violations(violations)),
        }
    }
}

impl UserPage {
    /// Returns the token of the next page of the list with this filter; `None` after the last page.
    #[must_use]
    pub fn next_page_token(&self, filter: &UserFilter) -> Option<String> {
        let last = self.users.last().filter(|_| self.has_more)?;
        Some(PageToken::after(last.id?.get(), filter).to_string())
    }
}

impl ListFilter for UserFilter {
    fn hash(&self, hash: &mut Sha256) {
        hash.update("users");
        hash.update([match self.is_active {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        }]);
        hash.update(self.email.as_ref().map_or("", Email::as_str));
        // Neither text contains it.
        hash.update([0]);
        hash.update(self.external_id.as_ref().map_or("", ExternalId::as_str));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: i64) -> DirectoryUser {
        DirectoryUser {
            id: UserId::new(id),
            external_id: None,
            email: Email::parse("a@b".to_owned()).unwrap(),
            first_name: String::new(),
            last_name: String::new(),
            deactivated_at: None,
            erased_at: None,
        }
    }

    fn position(token: &str, draft: UserListDraft) -> Option<UserId> {
        let draft = UserListDraft { page_token: token.to_owned(), ..draft };
        UserQuery::parse(draft).ok()?.after
    }

    #[test]
    fn a_token_belongs_to_one_list() {
        let page = UserPage { users: vec![user(3), user(7)], has_more: true };
        let token = page.next_page_token(&UserFilter::default()).unwrap();
        assert_eq!(position(&token, UserListDraft::default()), UserId::new(7));
        for other in [
            UserListDraft { email: "a@b".to_owned(), ..Default::default() },
            UserListDraft { external_id: "x".to_owned(), ..Default::default() },
            UserListDraft { is_active: Some(true), ..Default::default() },
        ] {
            assert_eq!(position(&token, other), None);
        }
        let last = UserPage { users: vec![user(3)], has_more: false };
        assert_eq!(last.next_page_token(&UserFilter::default()), None);
    }

    #[test]
    fn reports_every_violation() {
        let draft = UserListDraft {
            page_size: -1,
            page_token: "x".to_owned(),
            email: "a".to_owned(),
            external_id: "x".repeat(201),
            is_active: None,
        };
        let violations = UserQuery::parse(draft).unwrap_err();
        let violations: Vec<_> = violations.as_slice().iter().map(|v| v.path.to_string()).collect();
        assert_eq!(violations, ["page_size", "page_token", "email", "external_id"]);
    }
}
