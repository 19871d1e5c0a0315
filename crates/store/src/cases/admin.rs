//! What the commands of an administrator do with cases.

use diesel::{PgConnection, prelude::*};
use domain::{Agent, AuditEvent, Case, NewAuditEntry, TenantId};

use super::row::{COLUMNS, Row, to_case};
use crate::{audit::audited, database::Database, error::Error, schema::cases, tenants};

impl Database {
    /// Creates a case.
    ///
    /// # Errors
    /// [`Error::Missing`] if the tenant does not exist, [`Error::Invalid`] if the name is too short or
    /// too long.
    pub async fn create_case(&self, tenant: TenantId, name: String) -> Result<Case, Error> {
        self.write("create_case", move |connection| {
            audited(connection, |connection| {
                let case = insert(connection, tenant, &name)?;
                let id = case.id.get();
                let entry = NewAuditEntry::now(AuditEvent::CaseCreated, Agent::Session, id);
                Ok((case, tenant, vec![entry]))
            })
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
                .select(COLUMNS)
                .load::<Row>(connection)?
                .into_iter()
                .map(to_case)
                .collect()
        })
        .await
    }
}

fn insert(connection: &mut PgConnection, tenant: TenantId, name: &str) -> Result<Case, Error> {
    let row = diesel::insert_into(cases::table)
        .values((cases::tenant_id.eq(tenant.get()), cases::name.eq(name)))
        .returning(COLUMNS)
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
}
