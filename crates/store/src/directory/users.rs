//! Single users, and lists of them.

use diesel::{
    dsl::sql,
    pg::{Pg, data_types::PgTimestamp},
    prelude::*,
    sql_types::{Nullable, Timestamptz},
};
use domain::{
    Agent, AuditEvent, DirectoryUser, Error, NewAuditEntry, Resource, TenantId, UserId, UserKey,
    UserPage, UserQuery,
};

use super::row::{self, COLUMNS, Row};
use crate::{
    audit::audited,
    connections::{lane::Lane, presence::Presence},
    database::Database,
    schema::users::{self, dsl},
};

impl Database {
    /// Returns a user.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such user; [`Error::Unavailable`] and
    /// [`Error::Internal`].
    pub async fn get_user(&self, tenant: TenantId, key: UserKey) -> Result<DirectoryUser, Error> {
        let find = move |connection: &mut PgConnection| find(connection, tenant, &key);
        let found = self.read_for(tenant, "get_user", find).await?;
        found.ok_or(Error::NotFound(Resource::User))
    }

    /// Returns a page of the tenant's users, in the order of their ids.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_directory_users(
        &self,
        tenant: TenantId,
        query: &UserQuery,
    ) -> Result<UserPage, Error> {
        let wanted = query.clone();
        let list = move |connection: &mut PgConnection| {
            let rows: Vec<Row> = listed(tenant, &wanted).select(COLUMNS).load(connection)?;
            rows.into_iter().map(row::to_user).collect::<Result<Vec<_>, _>>()
        };
        let name = "list_directory_users";
        let mut users = self.list_for(tenant, name, list).await?;
        let has_more = query.page_size.cut(&mut users);
        Ok(UserPage { users, has_more })
    }

    /// Deactivates a user, for whom new assignments are refused from then on. One who is deactivated
    /// already stays as they are.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such user; [`Error::Unavailable`],
    /// [`Error::OutcomeUnknown`] and [`Error::Internal`].
    pub async fn deactivate_user(
        &self,
        tenant: TenantId,
        agent: Agent,
        key: UserKey,
    ) -> Result<DirectoryUser, Error> {
        let deactivate = move |connection: &mut PgConnection, _: &Presence| {
            let Some(user) = find(connection, tenant, &key)? else { return Ok(None) };
            let Some(id) = user.id.filter(|_| user.deactivated_at.is_none()) else {
                return Ok(Some(user));
            };
            let user = users::table.find((tenant.get(), id.get()));
            let deactivating = diesel::update(user.filter(dsl::deactivated_at.is_null()))
                .set(dsl::deactivated_at.eq(sql::<Nullable<Timestamptz>>("now()")));
            let entry = NewAuditEntry::now(AuditEvent::UserDeactivated, agent, id.get());
            let row: Option<Row> = audited(connection, |connection| {
                let row = deactivating.returning(COLUMNS).get_result(connection).optional()?;
                let entry = row.as_ref().map(|_: &Row| entry);
                Ok((row, tenant, entry.into_iter().collect()))
            })?;
            match row {
                Some(row) => row::to_user(row).map(Some),
                // Another call was first.
                None => find(connection, tenant, &UserKey::Id(id)),
            }
        };
        let name = "deactivate_user";
        let found = self.write_for(tenant, Lane::Directory, name, deactivate).await?;
        found.ok_or(Error::NotFound(Resource::User))
    }

    /// Makes a deactivated user active again. One who is active stays so.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such user, or the user was erased;
    /// [`Error::Unavailable`], [`Error::OutcomeUnknown`] and [`Error::Internal`].
    pub async fn reactivate_user(
        &self,
        tenant: TenantId,
        agent: Agent,
        key: UserKey,
    ) -> Result<DirectoryUser, Error> {
        let reactivate = move |connection: &mut PgConnection, _: &Presence| {
            let Some(user) = find(connection, tenant, &key)? else { return Ok(None) };
            let Some(id) = user.id.filter(|_| user.deactivated_at.is_some()) else {
                return Ok(Some(user));
            };
            let user = users::table.find((tenant.get(), id.get()));
            let is_deactivated = dsl::erased_at.is_null().and(dsl::deactivated_at.is_not_null());
            let reactivating = diesel::update(user.filter(is_deactivated))
                .set(dsl::deactivated_at.eq(None::<PgTimestamp>));
            let entry = NewAuditEntry::now(AuditEvent::UserReactivated, agent, id.get());
            let row: Option<Row> = audited(connection, |connection| {
                let row = reactivating.returning(COLUMNS).get_result(connection).optional()?;
                let entry = row.as_ref().map(|_: &Row| entry);
                Ok((row, tenant, entry.into_iter().collect()))
            })?;
            match row {
                Some(row) => row::to_user(row).map(Some),
                // Another call was first, or the user is erased.
                None => {
                    let found = find(connection, tenant, &UserKey::Id(id))?;
                    Ok(found.filter(|user| user.erased_at.is_none()))
                }
            }
        };
        let name = "reactivate_user";
        let found = self.write_for(tenant, Lane::Directory, name, reactivate).await?;
        found.ok_or(Error::NotFound(Resource::User))
    }
}

/// Returns the user with this name, if the tenant has one.
pub(super) fn find(
    connection: &mut PgConnection,
    tenant: TenantId,
    key: &UserKey,
) -> Result<Option<DirectoryUser>, crate::Error> {
    let of_tenant = of_tenant(tenant);
    let named = match key {
        UserKey::Id(id) => of_tenant.filter(dsl::id.eq(id.get())),
        UserKey::Email(email) => of_tenant.filter(dsl::email.eq(email.as_str())),
        UserKey::ExternalId(id) => of_tenant.filter(dsl::external_id.eq(id.as_str())),
    };
    let row: Option<Row> = named.select(COLUMNS).first(connection).optional()?;
    row.map(row::to_user).transpose()
}

/// Returns the query for a page, with one user more than it has, to know whether there are more.
fn listed(tenant: TenantId, query: &UserQuery) -> Listed<'_> {
    let UserQuery { filter, after, page_size } = query;
    let mut listed = of_tenant(tenant).filter(dsl::id.gt(after.map_or(0, UserId::get)));
    if let Some(email) = &filter.email {
        listed = listed.filter(dsl::email.eq(email.as_str()));
    }
    if let Some(id) = &filter.external_id {
        listed = listed.filter(dsl::external_id.eq(id.as_str()));
    }
    listed = match filter.is_active {
        None => listed,
        Some(true) => listed.filter(dsl::deactivated_at.is_null()),
        Some(false) => listed.filter(dsl::deactivated_at.is_not_null()),
    };
    listed.order(dsl::id).limit(page_size.limit())
}

type Listed<'a> = users::BoxedQuery<'a, Pg>;

fn of_tenant<'a>(tenant: TenantId) -> Listed<'a> {
    users::table.filter(dsl::tenant_id.eq(tenant.get())).into_boxed()
}
