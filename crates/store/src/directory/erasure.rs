//! Erasing users, as privacy laws ask for.
//!
//! Names are in two places: the user's row, and the records of idempotency keys, which have the names of
//! assignees as they were at that time. A transaction that creates tasks may have read a name before the
//! user is erased, and commit its record after. So it goes in steps, each committed for itself:
//!
//! 1. The user is deactivated, and the row erased: no statement that begins from then on finds the name.
//! 2. All transactions that write records, and had begun before, are waited for.
//! 3. The names are removed from the records, some records at a time ([`super::scrubbing`]).
//! 4. The row is marked as scrubbed.
//!
//! If a call ends before that, a repeat goes on where it was, as a tenant may have many records. So does each
//! server by itself, with all such users.

use std::time::Duration;

use diesel::{
    PgConnection, QueryableByName,
    dsl::sql,
    prelude::*,
    sql_query,
    sql_types::{Nullable, Text, Timestamptz},
};
use domain::{
    Agent, AuditEvent, DirectoryUser, Email, Error, NewAuditEntry, Resource, TenantId, UserId,
    UserKey,
};
use tokio::time::sleep;

use super::{
    row::{self, COLUMNS, Row},
    scrubbing::ScrubStep,
    users::find,
};
use crate::{
    audit::audited,
    connections::{lane::Lane, presence::Presence},
    database::Database,
    schema::users::{self, dsl},
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

/// How long to wait before it is looked again whether a transaction is over; at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));

/// A user who is erased, but whose names may still be in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingErasure {
    /// The tenant of the user.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// Whether the removal of the names from records has begun.
    pub has_begun: bool,
}

/// How the ids of prepared transactions begin that Postgres has recovered when it started.
const RECOVERED: &str = "-1/";

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
    pub async fn erase_user(
        &self,
        tenant: TenantId,
        agent: Agent,
        key: UserKey,
    ) -> Result<DirectoryUser, Error> {
        let user = self.deactivate_user(tenant, agent.clone(), key).await?;
        let Some(id) = user.id else { return Err(Error::NotFound(Resource::User)) };
        let erased = match user.erased_at {
            Some(_) => user,
            None => {
                let erase = move |connection: &mut PgConnection, _: &Presence| {
                    let erased = audited(connection, |connection| {
                        let user = erase(connection, tenant, id)?;
                        let entry = NewAuditEntry::now(AuditEvent::UserErased, agent, id.get());
                        let entry = user.as_ref().map(|_: &DirectoryUser| entry);
                        Ok((user, tenant, entry.into_iter().collect()))
                    })?;
                    match erased {
                        Some(user) => Ok(Some(user)),
                        // Another call was first.
                        None => find(connection, tenant, &UserKey::Id(id)),
                    }
                };
                let erased = self.write_for(tenant, Lane::Directory, "erase_user", erase).await?;
                erased.ok_or(Error::NotFound(Resource::User))?
            }
        };
        self.complete_erasure(tenant, id).await?;
        Ok(erased)
    }

    /// Returns up to `most` users who are erased, but whose names may still be in records, in the order of
    /// their tenants and ids: those behind this one.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] and [`crate::Error::Internal`].
    pub async fn pending_erasures(
        &self,
        after: Option<(TenantId, UserId)>,
        most: u32,
    ) -> Result<Vec<PendingErasure>, crate::Error> {
        let (tenant, user) = after.map_or((0, 0), |(tenant, user)| (tenant.get(), user.get()));
        self.read("pending_erasures", move |connection| {
            let is_behind = dsl::id.gt(user).and(dsl::tenant_id.eq(tenant));
            let pending: Vec<(i64, i64, bool)> = users::table
                .filter(dsl::erased_at.is_not_null().and(dsl::scrubbed_at.is_null()))
                .filter(dsl::tenant_id.gt(tenant).or(is_behind))
                .order((dsl::tenant_id, dsl::id))
                .select((dsl::tenant_id, dsl::id, dsl::scrubbed_up_to.is_not_null()))
                .limit(most.into())
                .load(connection)?;
            let pending = pending.into_iter().filter_map(|(tenant, user, has_begun)| {
                let (tenant, user) = (TenantId::new(tenant)?, UserId::new(user)?);
                Some(PendingErasure { tenant, user, has_begun })
            });
            Ok(pending.collect())
        })
        .await
    }

    /// Removes the names of a user, whose row is erased, from all records that still have them.
    async fn complete_erasure(&self, tenant: TenantId, user: UserId) -> Result<(), Error> {
        loop {
            match self.scrub_records(tenant, vec![user], ScrubStep::RECORDS).await? {
                ScrubStep::NotBegun => {
                    self.writers_of_records_to_end(tenant).await?;
                    self.begin_scrubbing(tenant, vec![user]).await?;
                }
                ScrubStep::Made => {}
                ScrubStep::Done => return Ok(()),
            }
        }
    }

    /// Waits until all transactions that write records now, for whatever tenant, are over. It is asked for
    /// on behalf of this one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn writers_of_records_to_end(&self, tenant: TenantId) -> Result<(), Error> {
        let name = "find_writers_of_records";
        let mut pending = None;
        let (mut pause, most) = PAUSES;
        loop {
            let before: Option<Vec<String>> = pending.take();
            let find = move |connection: &mut PgConnection| {
                let writers = sql_query(WRITERS).load::<Name>(connection)?;
                let writers = writers.into_iter().filter_map(|it| it.id);
                Ok(match before {
                    Some(before) => still_pending(&before, writers),
                    None => writers.collect(),
                })
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
}

/// Returns the writers of records that are not over yet, of those before. Others have begun since, and
/// can't have read a name that was erased before.
///
/// A prepared transaction has the id of the session that prepared it. It gets another one, which begins with
/// [`RECOVERED`], if Postgres is started anew: it was there before, whatever its id was.
fn still_pending(before: &[String], now: impl Iterator<Item = String>) -> Vec<String> {
    now.filter(|writer| before.contains(writer) || writer.starts_with(RECOVERED)).collect()
}

/// Erases the row of a user. Returns `None` if it is erased already.
fn erase(
    connection: &mut PgConnection,
    tenant: TenantId,
    id: UserId,
) -> Result<Option<DirectoryUser>, crate::Error> {
    let user = users::table.find((tenant.get(), id.get()));
    let row: Option<Row> = diesel::update(user.filter(dsl::erased_at.is_null()))
        .set((
            dsl::email.eq(format!("erased-{id}@{}", Email::RESERVED_DOMAIN)),
            dsl::first_name.eq(""),
            dsl::last_name.eq(""),
            dsl::external_id.eq(None::<String>),
            // The user may have been reactivated since the step before.
            dsl::deactivated_at.eq(sql::<Nullable<Timestamptz>>("coalesce(deactivated_at, now())")),
            dsl::erased_at.eq(sql::<Nullable<Timestamptz>>("now()")),
        ))
        .returning(COLUMNS)
        .get_result(connection)
        .optional()?;
    row.map(row::to_user).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_from_before_are_waited_for_also_if_postgres_was_started_anew() {
        let ids = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        // The second one was prepared as 4/17 before.
        let now = ids(&["3/12", "-1/801", "5/20"]);
        let pending = still_pending(&ids(&["3/12", "4/17"]), now.into_iter());
        assert_eq!(pending, ids(&["3/12", "-1/801"]));
    }
}
