//! Checks of batches that are not to be created.

use std::collections::HashMap;

use diesel::{dsl::exists, prelude::*, select};
use domain::{
    Assignment, Email, Error, Resource, TaskBatch, TenantId, User, Violation, Violations,
};

use crate::{
    database::Database,
    schema::{cases, users},
    users::to_user,
    write_path::is_key_reused,
};

impl Database {
    /// Finds out whether a batch could be created. Returns the users of each task.
    ///
    /// # Errors
    /// [`Error::IdempotencyKeyReused`] if its key was used for another request, then
    /// [`Error::NotFound`] if the case does not exist, then [`Error::Invalid`] if users do not;
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn check_batch(
        &self,
        tenant: TenantId,
        batch: &TaskBatch,
    ) -> Result<Vec<Vec<User>>, Error> {
        let (case, checked) = (batch.case(), batch.clone());
        let assignments = batch.tasks().iter().flat_map(|task| &task.assignments);
        let emails: Vec<String> = assignments.map(|a| a.email.as_str().to_owned()).collect();
        let (is_key_reused, case_exists, found) = self
            .read_for(tenant, "check_batch", move |connection| {
                let of_case = cases::tenant_id.eq(tenant.get()).and(cases::id.eq(case.get()));
                let case_exists = select(exists(cases::table.filter(of_case)));
                let case_exists = case_exists.get_result::<bool>(connection)?;
                let is_key_reused = is_key_reused(connection, tenant, &checked)?;
                let found = users::table
                    .filter(users::tenant_id.eq(tenant.get()).and(users::email.eq_any(emails)))
                    .select((users::id, users::email, users::first_name, users::last_name))
                    .load(connection)?
                    .into_iter()
                    .map(|row| to_user(row).map(|user| (user.email.clone(), user)))
                    .collect::<Result<HashMap<_, _>, _>>()?;
                Ok((is_key_reused, case_exists, found))
            })
            .await?;
        if is_key_reused {
            return Err(Error::IdempotencyKeyReused);
        }
        if !case_exists {
            return Err(Error::NotFound(Resource::Case(case)));
        }
        users_of(batch, &found)
    }
}

/// Returns the users of each task.
fn users_of(batch: &TaskBatch, found: &HashMap<Email, User>) -> Result<Vec<Vec<User>>, Error> {
    let mut violations = Vec::new();
    let mut users = Vec::with_capacity(batch.tasks().len());
    for (task, draft) in batch.tasks().iter().enumerate() {
        let mut of_task = Vec::with_capacity(draft.assignments.len());
        for Assignment { email, index } in &draft.assignments {
            match found.get(email) {
                Some(user) => of_task.push(user.clone()),
                None => violations.push(Violation {
                    path: Assignment::path(task, *index),
                    rule: &Email::UNKNOWN_USER,
                }),
            }
        }
        users.push(of_task);
    }
    match Violations::new(violations) {
        Some(violations) => Err(Error::Invalid(violations)),
        None => Ok(users),
    }
}
