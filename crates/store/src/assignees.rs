//! The users to whom tasks that are only tried would be assigned.

use std::collections::HashMap;

use diesel::prelude::*;
use domain::{Assignment, Email, NewTask, TenantId, User, Violation, Violations};

use crate::{
    error::Error,
    schema::users,
    users::{Row, to_user},
};

/// The users of a tenant that tasks name, by their emails, and whether they are active.
pub(crate) type Found = HashMap<Email, (User, bool)>;

/// Returns those of a tenant's users that the tasks name.
pub(crate) fn find(
    connection: &mut PgConnection,
    tenant: TenantId,
    tasks: &[NewTask],
) -> Result<Found, Error> {
    let assignments = tasks.iter().flat_map(|task| &task.assignments);
    let emails: Vec<&str> = assignments.map(|assignment| assignment.email.as_str()).collect();
    users::table
        .filter(users::tenant_id.eq(tenant.get()).and(users::email.eq_any(emails)))
        .select((
            (users::id, users::email, users::first_name, users::last_name),
            users::deactivated_at.is_null(),
        ))
        .load::<(Row, bool)>(connection)?
        .into_iter()
        .map(|(row, is_active)| to_user(row).map(|user| (user.email.clone(), (user, is_active))))
        .collect()
}

/// Returns the users of each task.
///
/// # Errors
/// A violation for each email of no user, or of a deactivated one.
pub(crate) fn of_each_task(
    tasks: &[NewTask],
    found: &Found,
) -> Result<Vec<Vec<User>>, domain::Error> {
    let mut violations = Vec::new();
    let mut users = Vec::with_capacity(tasks.len());
    for (task, draft) in tasks.iter().enumerate() {
        let mut of_task = Vec::with_capacity(draft.assignments.len());
        for Assignment { email, index } in &draft.assignments {
            let path = Assignment::path(task, *index);
            match found.get(email) {
                Some((user, true)) => of_task.push(user.clone()),
                Some((_, false)) => {
                    violations.push(Violation { path, rule: &Email::USER_DEACTIVATED });
                }
                None => violations.push(Violation { path, rule: &Email::UNKNOWN_USER }),
            }
        }
        users.push(of_task);
    }
    match Violations::new(violations) {
        Some(violations) => Err(domain::Error::Invalid(violations)),
        None => Ok(users),
    }
}
