//! Cases.

use std::time::SystemTime;

use diesel::{pg::data_types::PgTimestamp, prelude::*};
use domain::TenantId;

use crate::{Database, Error, schema::cases, tenants, time::from_postgres};

/// A case of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its id.
    pub id: i64,
    /// Its name: 1 to 200 characters.
    pub name: String,
    /// When it was created.
    pub created_at: SystemTime,
}

type Row = (i64, String, PgTimestamp);

impl From<Row> for Case {
    fn from((id, name, created_at): Row) -> Self {
        Self { id, name, created_at: from_postgres(created_at) }
    }
}

impl Database {
    /// Creates a case.
    ///
    /// # Errors
    /// [`Error::Missing`] where the tenant is, [`Error::Invalid`] where the name is too short or
    /// long.
    pub async fn create_case(&self, tenant: TenantId, name: String) -> Result<Case, Error> {
        self.run(move |connection| {
            diesel::insert_into(cases::table)
                .values((cases::tenant_id.eq(tenant.get()), cases::name.eq(&name)))
                .returning((cases::id, cases::name, cases::created_at))
                .get_result::<Row>(connection)
                .map(Case::from)
                .map_err(|error| {
                    Error::on_constraint(error, |constraint| match constraint {
                        "cases_tenant_fkey" => Some(tenants::missing(tenant)),
                        "cases_name_check" => {
                            Some(Error::Invalid("a name has 1 to 200 characters".to_owned()))
                        }
                        _ => None,
                    })
                })
        })
        .await
    }

    /// A tenant's cases, by id.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_cases(&self, tenant: TenantId) -> Result<Vec<Case>, Error> {
        self.run(move |connection| {
            let rows = cases::table
                .filter(cases::tenant_id.eq(tenant.get()))
                .order(cases::id)
                .select((cases::id, cases::name, cases::created_at))
                .load::<Row>(connection)?;
            Ok(rows.into_iter().map(Case::from).collect())
        })
        .await
    }
}
