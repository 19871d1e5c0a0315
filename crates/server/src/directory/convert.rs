//! Converts between the messages of the contract and the types of the domain.

use domain::{
    CaseKey, CaseKeyDraft, CaseUpsert, CaseUpsertDraft, Change, DirectoryCase,
    DirectoryCaseListDraft, DirectoryUser, Error, ExternalId, Time, UserId, UserKey, UserKeyDraft,
    UserListDraft, UserUpsertDraft,
};
use proto::{cases::v1::Case, directory::v1};

use crate::cases;

/// Parses what names a user.
///
/// # Errors
/// [`Error::Invalid`] with the one violation.
pub(crate) fn to_user_key(key: Option<v1::UserKey>) -> Result<UserKey, Error> {
    use v1::user_key::Key;
    let draft = match key.and_then(|key| key.key) {
        None => UserKeyDraft::None,
        Some(Key::Id(id)) => UserKeyDraft::Id(id),
        Some(Key::Email(email)) => UserKeyDraft::Email(email),
        Some(Key::ExternalId(id)) => UserKeyDraft::ExternalId(id),
    };
    UserKey::parse(draft).map_err(Error::Invalid)
}

/// Parses what names a case.
///
/// # Errors
/// [`Error::Invalid`] with the one violation.
pub(crate) fn to_case_key(key: Option<v1::CaseKey>) -> Result<CaseKey, Error> {
    use v1::case_key::Key;
    let draft = match key.and_then(|key| key.key) {
        None => CaseKeyDraft::None,
        Some(Key::Id(id)) => CaseKeyDraft::Id(id),
        Some(Key::ExternalId(id)) => CaseKeyDraft::ExternalId(id),
    };
    CaseKey::parse(draft).map_err(Error::Invalid)
}

/// Converts a user to be created or changed.
pub(crate) fn to_user_draft(user: v1::UpsertUser) -> UserUpsertDraft {
    let v1::UpsertUser { external_id, email, first_name, last_name } = user;
    UserUpsertDraft { external_id, email, first_name, last_name }
}

/// Converts a case to be created or changed.
pub(crate) fn to_case_draft(case: v1::UpsertCase) -> CaseUpsertDraft {
    let v1::UpsertCase { external_id, name, description, priority, status, team_id } = case;
    let (priority, status) = (cases::to_priority(priority), cases::to_status(status));
    CaseUpsertDraft { external_id, name, description, priority, status, team_id }
}

/// Converts a request for a list of cases.
pub(crate) fn to_case_list_draft(request: v1::ListCasesRequest) -> DirectoryCaseListDraft {
    let v1::ListCasesRequest { page_size, page_token, status, updated_after } = request;
    let updated_after = updated_after.map(|time| Time { seconds: time.seconds, nanos: time.nanos });
    let status = cases::to_status(status);
    DirectoryCaseListDraft { page_size, page_token, status, updated_after }
}

/// Converts a request for a list of users.
pub(crate) fn to_user_list_draft(request: v1::ListUsersRequest) -> UserListDraft {
    let v1::ListUsersRequest { page_size, page_token, email, external_id, active } = request;
    UserListDraft { page_size, page_token, email, external_id, is_active: active }
}

/// Converts a user for a response.
pub(super) fn from_user(user: DirectoryUser) -> v1::User {
    v1::User {
        id: user.id.as_ref().map(UserId::to_string).unwrap_or_default(),
        external_id: user.external_id.map(ExternalId::into_string).unwrap_or_default(),
        email: user.email.into_string(),
        first_name: user.first_name,
        last_name: user.last_name,
        deactivated_at: user.deactivated_at.map(Into::into),
        erased_at: user.erased_at.map(Into::into),
    }
}

/// Converts a case for a response. Returns it, and its external id.
pub(super) fn from_case(case: DirectoryCase) -> (Case, String) {
    let DirectoryCase { case, external_id } = case;
    (cases::from_case(case), external_id.map(ExternalId::into_string).unwrap_or_default())
}

/// Converts a case that was not created for a response: it has neither id nor times. Returns it, and its
/// external id.
pub(super) fn from_trial(case: &CaseUpsert) -> (Case, String) {
    let description = case.description.clone().unwrap_or_default();
    let (priority, status) = (case.priority.unwrap_or_default(), case.status.unwrap_or_default());
    let team = case.team.flatten();
    let values = cases::from_values(&case.name, &description, priority, status, team);
    (values, case.external_id.as_str().to_owned())
}

/// Converts what became of a user or a case.
pub(super) fn from_change(change: Change) -> v1::Change {
    match change {
        Change::Created => v1::Change::Created,
        Change::Updated => v1::Change::Updated,
        Change::Unchanged => v1::Change::Unchanged,
    }
}
