//! Erasing users, as privacy laws ask for.
//!
//! Names are in two places: the user's row, and the records of idempotency keys, which have the names of
//! assignees as they were at that time. A transaction that creates tasks may have read a name before the
//! user is erased, and commit its record after. So it goes in steps, each committed for itself:
//!
//! 1. The user is deactivated, and the row erased: no statement that begins from then on finds the name.
//! 2. All transactions that write records, and had begun before, are waited for.
//! 3. The names are removed from the records, some records at a time.
//! 4. The row is marked as scrubbed.
//!
//! If a call ends before that, a repeat goes on, and so does each server by itself.

use std::{sync::LazyLock, time::Duration};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _,
    dsl::sql,
    pg::Pg,
    prelude::*,
    query_builder::AstPass,
    sql_query,
    sql_types::{BigInt, Nullable, Text, Timestamptz},
};
use domain::{DirectoryUser, Email, Error, Resource, TenantId, UserId, UserKey};
use tokio::time::sleep;

use super::row::{self, COLUMNS, Row};
use crate::{
    connections::pool::{Lane, Presence},
    database::Database,
    schema::users::{self, dsl},
    sql::{Parameters, Sql, Statement, bind},
};

/// The transactions that have locked the table of records to write to it. Statements take this lock before
/// they read anything. A prepared transaction has no process.
const WRITERS: &str = "
    SELECT DISTINCT l.virtualtransaction AS id
    FROM pg_locks AS l
    WHERE l.locktype = 'relation'
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
        AND l.relation = 'idempotency_keys'::regclass
        AND l.mode = 'RowExclusiveLock'
        AND l.pid IS DISTINCT FROM pg_backend_pid()";

/// Removes the names of a user from some records.
pub(super) struct Scrub;

impl Statement for Scrub {
    type Columns = Nullable<Text>;

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| Sql::new(include_str!("scrub.sql")));
        &TEXT
    }
}

/// The parameters, as scrub.sql describes them.
struct Records {
    tenant: i64,
    user: i64,
    after: String,
    most: i64,
}

impl Parameters for &Records {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<BigInt, _>(&self.user),
            3 => out.push_bind_param::<Text, _>(&self.after),
            _ => out.push_bind_param::<BigInt, _>(&self.most),
        }
    }
}

/// The records of one step: it takes some milliseconds.
const RECORDS: i64 = 5000;

/// How long to wait before it is looked again whether a transaction is over; at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Nullable<Text>)]
    id: Option<String>,
}

impl Database {
    /// Erases a user: email, names and external id. Assignments stay. One who is erased already stays as
    /// they are.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such user; [`Error::Unavailable`],
    /// [`Error::OutcomeUnknown`] and [`Error::Internal`]. Unless it is the first, the user may be
    /// deactivated, or erased in part.
    pub async fn erase_user(&self, tenant: TenantId, key: UserKey) -> Result<DirectoryUser, Error> {
        let user = self.deactivate_user(tenant, key).await?;
        let Some(id) = user.id else { return Err(Error::NotFound(Resource::User)) };
        let erased = match user.erased_at {
            Some(_) => user,
            None => {
                let erase = move |connection: &mut PgConnection, _: &Presence| {
                    erase(connection, tenant, id)
                };
                self.write_for(tenant, Lane::Directory, "erase_user", erase).await?
            }
        };
        self.complete_erasure(tenant, id).await?;
        Ok(erased)
    }

    /// Returns up to `most` users who are erased, but whose names may still be in records.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] and [`crate::Error::Internal`].
    pub async fn pending_erasures(
        &self,
        most: u32,
    ) -> Result<Vec<(TenantId, UserId)>, crate::Error> {
        self.read("pending_erasures", move |connection| {
            let pending: Vec<(i64, i64)> = users::table
                .filter(dsl::erased_at.is_not_null().and(dsl::scrubbed_at.is_null()))
                .select((dsl::tenant_id, dsl::id))
                .limit(most.into())
                .load(connection)?;
            let ids = pending.into_iter();
            Ok(ids
                .filter_map(|(tenant, id)| Some((TenantId::new(tenant)?, UserId::new(id)?)))
                .collect())
        })
        .await
    }

    /// Removes the names of a user, whose row is erased, from all records.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::OutcomeUnknown`] and [`Error::Internal`].
    pub async fn complete_erasure(&self, tenant: TenantId, user: UserId) -> Result<(), Error> {
        let row = (tenant.get(), user.get());
        let is_done = move |connection: &mut PgConnection| {
            let is_done = users::table.find(row).select(dsl::scrubbed_at.is_not_null());
            Ok(is_done.first::<bool>(connection).optional()?.unwrap_or(true))
        };
        if self.read_in(Lane::Directory, tenant, "is_scrubbed", is_done).await? {
            return Ok(());
        }
        self.writers_of_records_to_end(tenant).await?;
        self.scrub_records(tenant, user).await?;
        let mark = move |connection: &mut PgConnection, _: &Presence| {
            let user = users::table.find(row).filter(dsl::erased_at.is_not_null());
            diesel::update(user).set(dsl::scrubbed_at.eq(diesel::dsl::now)).execute(connection)?;
            Ok(())
        };
        self.write_for(tenant, Lane::Directory, "mark_as_scrubbed", mark).await
    }

    /// Waits until all transactions that write records now are over.
    async fn writers_of_records_to_end(&self, tenant: TenantId) -> Result<(), Error> {
        let name = "find_writers_of_records";
        let mut pending = None;
        let (mut pause, most) = PAUSES;
        loop {
            let before: Option<Vec<String>> = pending.take();
            let find = move |connection: &mut PgConnection| {
                let writers = sql_query(WRITERS).load::<Name>(connection)?;
                let mut writers: Vec<String> = writers.into_iter().filter_map(|it| it.id).collect();
                // Those that have begun since can't have read the name.
                if let Some(before) = before {
                    writers.retain(|writer| before.contains(writer));
                }
                Ok(writers)
            };
            let writers = self.read_in(Lane::Directory, tenant, name, find).await?;
            if writers.is_empty() {
                return Ok(());
            }
            pending = Some(writers);
            sleep(pause).await;
            pause = most.min(2 * pause);
        }
    }

    /// Removes a user's names from all records.
    async fn scrub_records(&self, tenant: TenantId, user: UserId) -> Result<(), Error> {
        let mut next = Some(String::new());
        while let Some(after) = next {
            let records = Records { tenant: tenant.get(), user: user.get(), after, most: RECORDS };
            let scrub = move |connection: &mut PgConnection, _: &Presence| {
                Ok(bind(Scrub, &records).get_result::<Option<String>>(connection)?)
            };
            let name = "scrub_idempotency_records";
            next = self.write_for(tenant, Lane::Directory, name, scrub).await?;
        }
        Ok(())
    }
}

/// Erases the row of a user.
fn erase(
    connection: &mut PgConnection,
    tenant: TenantId,
    id: UserId,
) -> Result<DirectoryUser, crate::Error> {
    let row: Row = diesel::update(users::table.find((tenant.get(), id.get())))
        .set((
            dsl::email.eq(format!("erased-{id}@{}", Email::RESERVED_DOMAIN)),
            dsl::first_name.eq(""),
            dsl::last_name.eq(""),
            dsl::external_id.eq(None::<String>),
            // The user may have been reactivated, or erased, since the step before.
            dsl::deactivated_at.eq(sql::<Nullable<Timestamptz>>("coalesce(deactivated_at, now())")),
            dsl::erased_at.eq(sql::<Nullable<Timestamptz>>("coalesce(erased_at, now())")),
        ))
        .returning(COLUMNS)
        .get_result(connection)?;
    row::to_user(row)
}
