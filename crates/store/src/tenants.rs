//! Tenants.

use diesel::{PgConnection, pg::data_types::PgTimestamp, prelude::*};
use domain::{Agent, AuditEvent, NewAuditEntry, Tenant, TenantId};

use crate::{
    audit::audited, database::Database, error::Error, schema::tenants, time::from_postgres,
};

type Row = (i64, String, PgTimestamp);

impl Database {
    /// Creates a tenant.
    ///
    /// # Errors
    /// [`Error::Exists`] if another tenant has the name, [`Error::Invalid`] if it is too short or too
    /// long.
    pub async fn create_tenant(&self, name: String) -> Result<Tenant, Error> {
        self.write("create_tenant", move |connection| {
            audited(connection, |connection| {
                let tenant = insert(connection, &name)?;
                let (id, event) = (tenant.id, AuditEvent::TenantCreated);
                let entry = NewAuditEntry::now(event, Agent::Session, id.get());
                Ok((tenant, id, vec![entry]))
            })
        })
        .await
    }

    /// Returns all tenants, in the order of their ids.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_tenants(&self) -> Result<Vec<Tenant>, Error> {
        self.read("list_tenants", |connection| {
            let rows = tenants::table.order(tenants::id).load::<Row>(connection)?;
            rows.into_iter().map(to_tenant).collect()
        })
        .await
    }

    /// Returns the id of the tenant with this name; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn find_tenant(&self, name: String) -> Result<Option<TenantId>, Error> {
        self.read("find_tenant", move |connection| {
            let id: Option<i64> = tenants::table
                .filter(tenants::name.eq(name))
                .select(tenants::id)
                .first(connection)
                .optional()?;
            id.map(to_id).transpose()
        })
        .await
    }
}

fn insert(connection: &mut PgConnection, name: &str) -> Result<Tenant, Error> {
    let row = diesel::insert_into(tenants::table)
        .values(tenants::name.eq(name))
        .returning(tenants::all_columns)
        .get_result::<Row>(connection)
        .map_err(|error| {
            Error::on_constraint(error, |constraint| match constraint {
                "tenants_name_key" => Some(Error::Exists(format!("tenant {name:?}"))),
                "tenants_name_check" => {
                    Some(Error::Invalid("a name has 1 to 200 characters".to_owned()))
                }
                _ => None,
            })
        })?;
    to_tenant(row)
}

fn to_tenant((id, name, created_at): Row) -> Result<Tenant, Error> {
    Ok(Tenant { id: to_id(id)?, name, created_at: from_postgres(created_at) })
}

fn to_id(id: i64) -> Result<TenantId, Error> {
    TenantId::new(id)
        .ok_or_else(|| Error::internal(format!("tenant {id} is stored with an invalid id")))
}

/// Returns the error that a violated foreign key to the tenants means.
pub(crate) fn missing(tenant: TenantId) -> Error {
    Error::Missing(format!("tenant {tenant}"))
}
