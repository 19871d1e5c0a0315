//! Converts between the messages of the contract and the types of the domain.

use domain::{
    CaseKey, CaseKeyDraft, CaseStatus, CaseUpsertDraft, Change, Choice, DirectoryCase,
    DirectoryUser, Error, Etag, ExternalId, Priority, UserId, UserKey, UserKeyDraft, UserListDraft,
    UserUpsertDraft,
};
use proto::{cases::v1 as cases, directory::v1};

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
    let priority = match cases::Priority::try_from(priority) {
        Ok(cases::Priority::Unspecified) => Choice::Unset,
        Ok(cases::Priority::Low) => Choice::Known(Priority::Low),
        Ok(cases::Priority::Medium) => Choice::Known(Priority::Medium),
        Ok(cases::Priority::High) => Choice::Known(Priority::High),
        Ok(cases::Priority::Critical) => Choice::Known(Priority::Critical),
        Err(_) => Choice::Unknown,
    };
    let status = match cases::CaseStatus::try_from(status) {
        Ok(cases::CaseStatus::Unspecified) => Choice::Unset,
        Ok(cases::CaseStatus::Open) => Choice::Known(CaseStatus::Open),
        Ok(cases::CaseStatus::Closed) => Choice::Known(CaseStatus::Closed),
        Err(_) => Choice::Unknown,
    };
    CaseUpsertDraft { external_id, name, description, priority, status, team_id }
}

/// Converts a request for a list.
pub(crate) fn to_list_draft(request: v1::ListUsersRequest) -> UserListDraft {
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
pub(super) fn from_case(case: DirectoryCase) -> (cases::Case, String) {
    let priority = match case.priority {
        Priority::Low => cases::Priority::Low,
        Priority::Medium => cases::Priority::Medium,
        Priority::High => cases::Priority::High,
        Priority::Critical => cases::Priority::Critical,
    };
    let status = match case.status {
        CaseStatus::Open => cases::CaseStatus::Open,
        CaseStatus::Closed => cases::CaseStatus::Closed,
    };
    let external_id = case.external_id.map(ExternalId::into_string).unwrap_or_default();
    let case = cases::Case {
        id: case.id.map_or(0, |id| id.get()),
        name: case.name,
        description: case.description,
        priority: priority.into(),
        status: status.into(),
        team_id: case.team.map_or(0, |team| team.get()),
        created_at: case.created_at.map(Into::into),
        updated_at: case.updated_at.map(Into::into),
        etag: case.updated_at.map(|time| Etag::of(time).to_string()).unwrap_or_default(),
    };
    (case, external_id)
}

/// Converts what became of a user or a case.
pub(super) fn from_change(change: Change) -> v1::Change {
    match change {
        Change::Created => v1::Change::Created,
        Change::Updated => v1::Change::Updated,
        Change::Unchanged => v1::Change::Unchanged,
    }
}
