//! Checks of cases that are not to be created.

use domain::{Error, NewCase, TenantId, User};

use crate::{assignees, database::Database, write_path::idempotency::is_key_reused};

impl Database {
    /// Finds out whether a case could be created. Returns the users of each of its tasks.
    ///
    /// # Errors
    /// [`Error::IdempotencyKeyReused`] if its key was used for another request, then
    /// [`Error::Invalid`] if users do not exist; [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn check_case(
        &self,
        tenant: TenantId,
        case: &NewCase,
    ) -> Result<Vec<Vec<User>>, Error> {
        let checked = case.clone();
        let (is_key_reused, found) = self
            .read_for(tenant, "check_case", move |connection| {
                let is_key_reused = is_key_reused(connection, tenant, &checked)?;
                Ok((is_key_reused, assignees::find(connection, tenant, checked.tasks())?))
            })
            .await?;
        if is_key_reused {
            return Err(Error::IdempotencyKeyReused);
        }
        assignees::of_each_task(case.tasks(), &found)
    }
}
