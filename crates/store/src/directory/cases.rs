//! Single cases, and lists of them.

use diesel::{dsl::sql, pg::Pg, prelude::*, sql_types::Timestamptz};
use domain::{
    Agent, AuditEvent, CaseId, CaseKey, CaseStatus, DirectoryCase, DirectoryCasePage,
    DirectoryCaseQuery, DirectoryCaseStart, Error, NewAuditEntry, Resource, TenantId,
};

use super::{
    case_row::{COLUMNS, Row, to_case},
    list_changed::list_changed,
};
use crate::{
    audit::audited,
    connections::{lane::Lane, presence::Presence},
    database::Database,
    schema::cases::{self, dsl},
    time::to_postgres,
};

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

    /// Returns a page of the tenant's cases, in the order that the query says.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_directory_cases(
        &self,
        tenant: TenantId,
        query: &DirectoryCaseQuery,
    ) -> Result<DirectoryCasePage, Error> {
        let wanted = query.clone();
        let list = move |connection: &mut PgConnection| match wanted.start {
            DirectoryCaseStart::Id(after) => {
                let listed = listed(tenant, &wanted, after).select(COLUMNS);
                let rows: Vec<Row> = listed.load(connection)?;
                rows.into_iter().map(to_case).collect::<Result<Vec<_>, _>>()
            }
            DirectoryCaseStart::Change(time, case) => {
                list_changed(connection, tenant, &wanted, (time, case))
            }
        };
        let name = "list_directory_cases";
        let mut cases = self.list_for(tenant, name, list).await?;
        let has_more = query.page_size.cut(&mut cases);
        Ok(DirectoryCasePage { cases, has_more })
    }

    /// Closes a case. One that is closed already stays as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case; [`Error::Unavailable`],
    /// [`Error::OutcomeUnknown`] and [`Error::Internal`].
    pub async fn close_case(
        &self,
        tenant: TenantId,
        agent: Agent,
        key: CaseKey,
    ) -> Result<DirectoryCase, Error> {
        let missing = missing(&key);
        let closed = CaseStatus::Closed;
        let close = move |connection: &mut PgConnection, caller: &Presence| {
            let Some(found) = find(connection, tenant, &key)? else { return Ok(None) };
            if found.case.status == closed {
                return Ok(Some(found));
            }
            if caller.is_gone() {
                return Err(crate::Error::DeadlineExceeded);
            }
            let id = found.case.id;
            let open = cases::table.find((tenant.get(), id.get()));
            let closing = diesel::update(open.filter(dsl::status.ne(closed.as_str()))).set((
                dsl::status.eq(closed.as_str()),
                dsl::updated_at.eq(sql::<Timestamptz>(
                    "greatest(now(), updated_at + interval '1 microsecond')",
                )),
            ));
            let row: Option<Row> = audited(connection, |connection| {
                let row = closing.returning(COLUMNS).get_result(connection).optional()?;
                let entry = NewAuditEntry::now(AuditEvent::CaseClosed, agent, id.get());
                let entry = row.as_ref().map(|_: &Row| entry);
                Ok((row, tenant, entry.into_iter().collect()))
            })?;
            match row {
                Some(row) => to_case(row).map(Some),
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
    let of_tenant = of_tenant(tenant);
    let named = match key {
        CaseKey::Id(id) => of_tenant.filter(dsl::id.eq(id.get())),
        CaseKey::ExternalId(id) => of_tenant.filter(dsl::external_id.eq(id.as_str())),
    };
    let row: Option<Row> = named.select(COLUMNS).first(connection).optional()?;
    row.map(to_case).transpose()
}

/// Returns the query for a page in the order of ids, with one case more than it has.
fn listed(tenant: TenantId, query: &DirectoryCaseQuery, after: Option<CaseId>) -> Cases<'_> {
    let mut listed = of_tenant(tenant).filter(dsl::id.gt(after.map_or(0, CaseId::get)));
    if let Some(status) = query.filter.status {
        listed = listed.filter(dsl::status.eq(status.as_str()));
    }
    if let Some(time) = query.filter.updated_after {
        listed = listed.filter(dsl::updated_at.gt(to_postgres(time)));
    }
    listed.order(dsl::id).limit(query.page_size.limit())
}

type Cases<'a> = cases::BoxedQuery<'a, Pg>;

fn of_tenant<'a>(tenant: TenantId) -> Cases<'a> {
    cases::table.filter(dsl::tenant_id.eq(tenant.get())).into_boxed()
}
