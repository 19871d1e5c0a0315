//! A case by its id.

use diesel::prelude::*;
use domain::{Case, CaseId, Error, Resource, TenantId};

use super::row::{COLUMNS, Row, to_case};
use crate::{database::Database, schema::cases};

impl Database {
    /// Returns a case of a tenant.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case; [`Error::Unavailable`] and
    /// [`Error::Internal`].
    pub async fn get_case(&self, tenant: TenantId, case: CaseId) -> Result<Case, Error> {
        let found = self
            .read_for(tenant, "get_case", move |connection| {
                let key = (tenant.get(), case.get());
                let row = cases::table.find(key).select(COLUMNS).first::<Row>(connection);
                row.optional()?.map(to_case).transpose()
            })
            .await?;
        found.ok_or(Error::NotFound(Resource::Case(case)))
    }
}
