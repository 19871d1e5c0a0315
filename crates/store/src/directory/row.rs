//! Rows of users.

use diesel::pg::data_types::PgTimestamp;
use domain::{Change, DirectoryUser, Email, ExternalId, UserId};

use crate::{error::Error, schema::users, time::from_postgres};

/// The id, the external id, the email, the names, and since when the user is deactivated and erased.
pub(crate) type Row =
    (i64, Option<String>, String, String, String, Option<PgTimestamp>, Option<PgTimestamp>);

/// The columns of a [`Row`].
pub(crate) const COLUMNS: (
    users::id,
    users::external_id,
    users::email,
    users::first_name,
    users::last_name,
    users::deactivated_at,
    users::erased_at,
) = (
    users::id,
    users::external_id,
    users::email,
    users::first_name,
    users::last_name,
    users::deactivated_at,
    users::erased_at,
);

/// Returns the user in a row.
pub(crate) fn to_user(row: Row) -> Result<DirectoryUser, Error> {
    let (id, external_id, email, first_name, last_name, deactivated_at, erased_at) = row;
    let user = || {
        Some(DirectoryUser {
            id: Some(UserId::new(id)?),
            external_id: external_id.map(ExternalId::parse).transpose().ok()?,
            email: Email::parse(email).ok()?,
            first_name,
            last_name,
            deactivated_at: deactivated_at.map(from_postgres),
            erased_at: erased_at.map(from_postgres),
        })
    };
    user().ok_or_else(|| Error::internal(format!("user {id} is stored with an invalid value")))
}

/// Returns what an upsert did, or would do.
pub(super) fn change(is_new: bool, is_changed: bool) -> Change {
    match (is_new, is_changed) {
        (true, _) => Change::Created,
        (false, true) => Change::Updated,
        (false, false) => Change::Unchanged,
    }
}

/// The error that what an upsert returned is invalid. The change is made by then; only its result can't
/// be read.
pub(super) fn unreadable(is_trial: bool) -> domain::Error {
    let cause = "a row of the result is invalid".into();
    if is_trial { domain::Error::Internal(cause) } else { domain::Error::OutcomeUnknown(cause) }
}
