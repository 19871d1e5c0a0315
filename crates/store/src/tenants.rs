//! Tenants.

use std::time::SystemTime;

use diesel::{pg::data_types::PgTimestamp, prelude::*};
use domain::TenantId;

use crate::{Database, Error, schema::tenants, time::from_postgres};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: i64,
    /// Its name, unique in the installation: 1 to 200 characters.
    pub name: String,
    /// When it was created.
    pub created_at: SystemTime,
}

type Row = (i64, String, PgTimestamp);

impl From<Row> for Tenant {
    fn from((id, name, created_at): Row) -> Self {
        Self { id, name, created_at: from_postgres(created_at) }
    }
}

impl Database {
    /// Creates a tenant.
    ///
    /// # Errors
    /// [`Error::Exists`] where the name is taken, [`Error::Invalid`] where it is too short or long.
    pub async fn create_tenant(&self, name: String) -> Result<Tenant, Error> {
        self.run(move |connection| {
            diesel::insert_into(tenants::table)
                .values(tenants::name.eq(&name))
                .returning(tenants::all_columns)
                .get_result::<Row>(connection)
                .map(Tenant::from)
                .map_err(|error| {
                    Error::on_constraint(error, |constraint| match constraint {
                        "tenants_name_key" => Some(Error::Exists(format!("tenant {name:?}"))),
                        "tenants_name_check" => {
                            Some(Error::Invalid("a name has 1 to 200 characters".to_owned()))
                        }
                        _ => None,
                    })
                })
        })
        .await
    }

    /// All tenants, by id.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_tenants(&self) -> Result<Vec<Tenant>, Error> {
        self.run(|connection| {
            let rows = tenants::table.order(tenants::id).load::<Row>(connection)?;
            Ok(rows.into_iter().map(Tenant::from).collect())
        })
        .await
    }

    /// The tenant of this name, where there is one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn find_tenant(&self, name: String) -> Result<Option<TenantId>, Error> {
        self.run(move |connection| {
            let id = tenants::table
                .filter(tenants::name.eq(name))
                .select(tenants::id)
                .first(connection)
                .optional()?;
            Ok(id.and_then(TenantId::new))
        })
        .await
    }
}

/// What a foreign key to the tenants that is broken means.
pub(crate) fn missing(tenant: TenantId) -> Error {
    Error::Missing(format!("tenant {tenant}"))
}
