//! Cases.

use diesel::{pg::data_types::PgTimestamp, prelude::*};
use domain::{Case, CaseId, TenantId};

use crate::{database::Database, error::Error, schema::cases, tenants, time::from_postgres};

type Row = (i64, String, PgTimestamp);

impl Database {
    /// Creates a case.
    ///
    /// # Errors
    /// [`Error::Missing`] if the tenant does not exist, [`Error::Invalid`] if the name is too short or
    /// too long.
    pub async fn create_case(&self, tenant: TenantId, name: String) -> Result<Case, Error> {
        self.write("create_case", move |connection| {
            let row = diesel::insert_into(cases::table)
                .values((cases::tenant_id.eq(tenant.get()), cases::name.eq(&name)))
                .returning((cases::id, cases::name, cases::created_at))
                .get_result::<Row>(connection)
                .map_err(|error| {
                    Error::on_constraint(error, |constraint| match constraint {
                        "cases_tenant_fkey" => Some(tenants::missing(tenant)),
                        "cases_name_check" => {
                            Some(Error::Invalid("a name has 1 to 200 characters".to_owned()))
                        }
                        _ => None,
                    })
                })?;
            to_case(row)
        })
        .await
    }

    /// Returns a tenant's cases, in the order of their ids.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_cases(&self, tenant: TenantId) -> Result<Vec<Case>, Error> {
        self.read("list_cases", move |connection| {
            cases::table
                .filter(cases::tenant_id.eq(tenant.get()))
                .order(cases::id)
                .select((cases::id, cases::name, cases::created_at))
                .load::<Row>(connection)?
                .into_iter()
                .map(to_case)
                .collect()
        })
        .await
    }
}

fn to_case((id, name, created_at): Row) -> Result<Case, Error> {
    let invalid = || Error::internal(format!("case {id} is stored with an invalid id"));
    let created_at = from_postgres(created_at);
    Ok(Case { id: CaseId::new(id).ok_or_else(invalid)?, name, created_at })
}
