//! The columns of a task, as the statements that read tasks return them.

use diesel::{
    pg::data_types::PgTimestamp,
    sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz},
};
use domain::{CaseId, Description, Email, Task, TaskId, User, UserId};

use crate::{error::Error, time::from_postgres};

/// The types of the columns: the task's, null if there is none, then its assignees', null if it has
/// none.
pub(super) type Columns = (
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<Text>,
    Nullable<Bool>,
    Nullable<Timestamptz>,
    Nullable<Timestamptz>,
    Nullable<Array<BigInt>>,
    Nullable<Array<Text>>,
    Nullable<Array<Text>>,
    Nullable<Array<Text>>,
);

/// The values of the columns.
pub(super) type Row = (
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<bool>,
    Option<PgTimestamp>,
    Option<PgTimestamp>,
    Option<Vec<i64>>,
    Option<Vec<String>>,
    Option<Vec<String>>,
    Option<Vec<String>>,
);

/// Returns the task in a row; `None` if there is none.
pub(super) fn to_task(row: Row) -> Result<Option<Task>, Error> {
    let (Some(id), case, description, completed, created_at, updated_at, ids, emails, first, last) =
        row
    else {
        return Ok(None);
    };
    let task = || {
        Some(Task {
            id: TaskId::new(id)?,
            case: CaseId::new(case?)?,
            description: Description::parse(description?).ok()?,
            completed: completed?,
            assignees: to_users((ids, emails, first, last))?,
            created_at: from_postgres(created_at?),
            updated_at: from_postgres(updated_at?),
        })
    };
    let invalid = || Error::internal(format!("task {id} is stored with an invalid value"));
    task().map(Some).ok_or_else(invalid)
}

/// The ids, emails, first names and last names of users; null if there are none.
pub(super) type Users =
    (Option<Vec<i64>>, Option<Vec<String>>, Option<Vec<String>>, Option<Vec<String>>);

/// Returns the users; `None` if one is stored with an invalid value.
pub(super) fn to_users((ids, emails, first, last): Users) -> Option<Vec<User>> {
    ids.unwrap_or_default()
        .into_iter()
        .zip(emails.unwrap_or_default())
        .zip(first.unwrap_or_default().into_iter().zip(last.unwrap_or_default()))
        .map(|((id, email), (first_name, last_name))| {
            Some(User {
                id: UserId::new(id)?,
                email: Email::parse(email).ok()?,
                first_name,
                last_name,
            })
        })
        .collect()
}
