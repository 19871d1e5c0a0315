//! Single cases.

use diesel::{
    dsl::sql,
    pg::{Pg, data_types::PgTimestamp},
    prelude::*,
    sql_types::Timestamptz,
};
use domain::{CaseKey, CaseStatus, DirectoryCase, Error, Resource, TenantId};

use super::case_row::to_case;
use crate::{
    connections::pool::{Lane, Presence},
    database::Database,
    schema::cases::{self, dsl},
};

type Row =
    (i64, Option<String>, String, String, String, String, Option<i64>, PgTimestamp, PgTimestamp);

const COLUMNS: (
    cases::id,
    cases::external_id,
    cases::name,
    cases::description,
    cases::priority,
    cases::status,
    cases::team_id,
    cases::created_at,
    cases::updated_at,
) = (
    cases::id,
    cases::external_id,
    cases::name,
    cases::description,
    cases::priority,
    cases::status,
    cases::team_id,
    cases::created_at,
    cases::updated_at,
);

impl Database {
    /// Returns a case, by its id or the caller's own.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case; [`Error::Unavailable`] and
    /// [`Error::Internal`].
    pub async fn find_case(&self, tenant: TenantId, key: CaseKey) -> Result<DirectoryCase, Error> {
        let missing = missing(&key);
        let find = move |connection: &mut PgConnection| find(connection, tenant, &key);
        let found = self.read_for(tenant, "find_case", find).await?;
        found.ok_or(missing)
    }

    /// Closes a case. One that is closed already stays as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case; [`Error::Unavailable`],
    /// [`Error::OutcomeUnknown`] and [`Error::Internal`].
    pub async fn close_case(&self, tenant: TenantId, key: CaseKey) -> Result<DirectoryCase, Error> {
        let missing = missing(&key);
        let closed = CaseStatus::Closed;
        let close = move |connection: &mut PgConnection, _: &Presence| {
            let Some(case) = find(connection, tenant, &key)? else { return Ok(None) };
            let Some(id) = case.id.filter(|_| case.status != closed) else { return Ok(Some(case)) };
            let open = cases::table.find((tenant.get(), id.get()));
            let row: Option<Row> = diesel::update(open.filter(dsl::status.ne(closed.as_str())))
                .set((
                    dsl::status.eq(closed.as_str()),
                    dsl::updated_at.eq(sql::<Timestamptz>(
                        "greatest(now(), updated_at + interval '1 microsecond')",
                    )),
                ))
                .returning(COLUMNS)
                .get_result(connection)
                .optional()?;
            match row {
                Some(row) => read(row).map(Some),
                // Another call was first.
                None => find(connection, tenant, &CaseKey::Id(id)),
            }
        };
        let found = self.write_for(tenant, Lane::Directory, "close_case", close).await?;
        found.ok_or(missing)
    }
}

fn missing(key: &CaseKey) -> Error {
    Error::NotFound(match key {
        CaseKey::Id(id) => Resource::Case(*id),
        CaseKey::ExternalId(_) => Resource::ExternalCase,
    })
}

/// Returns the case with this name, if the tenant has one.
fn find(
    connection: &mut PgConnection,
    tenant: TenantId,
    key: &CaseKey,
) -> Result<Option<DirectoryCase>, crate::Error> {
    let of_tenant: cases::BoxedQuery<'_, Pg> =
        cases::table.filter(dsl::tenant_id.eq(tenant.get())).into_boxed();
    let named = match key {
        CaseKey::Id(id) => of_tenant.filter(dsl::id.eq(id.get())),
        CaseKey::ExternalId(id) => of_tenant.filter(dsl::external_id.eq(id.as_str())),
    };
    let row: Option<Row> = named.select(COLUMNS).first(connection).optional()?;
    row.map(read).transpose()
}

fn read(row: Row) -> Result<DirectoryCase, crate::Error> {
    let (id, external_id, name, description, priority, status, team, created_at, updated_at) = row;
    let times = (Some(created_at), Some(updated_at));
    to_case((Some(id), external_id, name, description, priority, status, team, times.0, times.1))
        .ok_or_else(|| crate::Error::internal(format!("case {id} is stored with an invalid value")))
}
