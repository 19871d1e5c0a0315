//! Checks of batches that are not to be created.

use diesel::{dsl::exists, prelude::*, select};
use domain::{Error, Resource, TaskBatch, TenantId, User};

use crate::{assignees, database::Database, schema::cases, write_path::idempotency::is_key_reused};

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
        let (is_key_reused, case_exists, found) = self
            .read_for(tenant, "check_batch", move |connection| {
                let of_case = cases::tenant_id.eq(tenant.get()).and(cases::id.eq(case.get()));
                let case_exists = select(exists(cases::table.filter(of_case)));
                let case_exists = case_exists.get_result::<bool>(connection)?;
                let is_key_reused = is_key_reused(connection, tenant, &checked)?;
                let found = assignees::find(connection, tenant, checked.tasks())?;
                Ok((is_key_reused, case_exists, found))
            })
            .await?;
        if is_key_reused {
            return Err(Error::IdempotencyKeyReused);
        }
        if !case_exists {
            return Err(Error::NotFound(Resource::Case(case)));
        }
        assignees::of_each_task(batch.tasks(), &found)
    }
}
