//! The removal of the names of erased users from the records of idempotency keys, some records at a time.
//!
//! How far it has come is in the users' rows, and is written in the transaction of each step. So it goes on there
//! whoever goes on with it, also after a restart of the server, or a failover to a database that lacks the last
//! steps.

use std::sync::LazyLock;

use diesel::{
    Connection as _, PgConnection,
    connection::SimpleConnection as _,
    pg::Pg,
    prelude::*,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Nullable, Text},
};
use domain::{Error, TenantId, UserId};

use crate::{
    connections::{lane::Lane, presence::Presence},
    database::Database,
    schema::users::{self, dsl},
    sql::{Parameters, Sql, Statement, bind},
};

/// Removes the names of users from some records.
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
    users: Vec<i64>,
    after: String,
    most: i64,
}

impl Parameters for &Records {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<Array<BigInt>, _>(&self.users),
            3 => out.push_bind_param::<Text, _>(&self.after),
            _ => out.push_bind_param::<BigInt, _>(&self.most),
        }
    }
}

/// What a step has found of some users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrubStep {
    /// The removal has not begun for any whose names are not gone.
    NotBegun,
    /// Names were removed from some records, or a user was marked as scrubbed: there may be more to do.
    Made,
    /// The names of all of them are gone.
    Done,
}

impl ScrubStep {
    /// The usual number of records of one step: it takes some milliseconds.
    pub const RECORDS: u32 = 5000;
}

impl Database {
    /// Begins the removal of the names of users from records. Their rows are erased, and the transactions are over
    /// that had begun before.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::OutcomeUnknown`] and [`Error::Internal`].
    pub async fn begin_scrubbing(&self, tenant: TenantId, users: Vec<UserId>) -> Result<(), Error> {
        let begin = move |connection: &mut PgConnection, _: &Presence| {
            connection.transaction(|connection| {
                let pending = lock_pending(connection, tenant, &users)?;
                let new = pending.into_iter().filter(|(_, up_to)| up_to.is_none());
                diesel::update(of_tenant(tenant, new.map(|(id, _)| id).collect()))
                    .set(dsl::scrubbed_up_to.eq(""))
                    .execute(connection)?;
                Ok(())
            })
        };
        self.write_for(tenant, Lane::Directory, "begin_scrubbing", begin).await
    }

    /// Removes names from the next records, at most so many: those of the users who have come furthest. Once there
    /// are no more records, their rows are marked as scrubbed instead.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::OutcomeUnknown`] and [`Error::Internal`]. The step can be repeated.
    pub async fn scrub_records(
        &self,
        tenant: TenantId,
        users: Vec<UserId>,
        most: u32,
    ) -> Result<ScrubStep, Error> {
        let step = move |connection: &mut PgConnection, _: &Presence| {
            connection.transaction(|connection| {
                // One that waits for records is itself a writer, for whom other erasures wait.
                connection.batch_execute("SET LOCAL lock_timeout = '1s'")?;
                Ok(step(connection, tenant, &users, most)?)
            })
        };
        self.write_for(tenant, Lane::Directory, "scrub_idempotency_records", step).await
    }
}

fn step(
    connection: &mut PgConnection,
    tenant: TenantId,
    users: &[UserId],
    most: u32,
) -> QueryResult<ScrubStep> {
    let pending = lock_pending(connection, tenant, users)?;
    if pending.is_empty() {
        return Ok(ScrubStep::Done);
    }
    let begun = pending.into_iter().filter_map(|(id, up_to)| Some((id, up_to?)));
    let mut begun: Vec<_> = begun.collect();
    // Keys are compared byte by byte, here and there.
    let Some(after) = begun.iter().map(|(_, up_to)| up_to).max().cloned() else {
        return Ok(ScrubStep::NotBegun);
    };
    begun.retain(|(_, up_to)| *up_to == after);
    let users: Vec<_> = begun.into_iter().map(|(id, _)| id).collect();
    let scrubbed = of_tenant(tenant, users.clone());
    let records = Records { tenant: tenant.get(), users, after, most: most.into() };
    match bind(Scrub, &records).get_result::<Option<String>>(connection)? {
        Some(last) => {
            diesel::update(scrubbed).set(dsl::scrubbed_up_to.eq(last)).execute(connection)?
        }
        None => diesel::update(scrubbed)
            .set((dsl::scrubbed_at.eq(diesel::dsl::now), dsl::scrubbed_up_to.eq(None::<String>)))
            .execute(connection)?,
    };
    Ok(ScrubStep::Made)
}

/// Locks the rows of those of the users who are erased, but not scrubbed. Returns their ids, and the keys of the last
/// records.
fn lock_pending(
    connection: &mut PgConnection,
    tenant: TenantId,
    users: &[UserId],
) -> QueryResult<Vec<(i64, Option<String>)>> {
    let ids = users.iter().copied().map(UserId::get).collect();
    of_tenant(tenant, ids)
        .filter(dsl::erased_at.is_not_null().and(dsl::scrubbed_at.is_null()))
        .order(dsl::id)
        .select((dsl::id, dsl::scrubbed_up_to))
        .for_no_key_update()
        .load(connection)
}

/// Returns the users of the tenant with these ids.
#[diesel::dsl::auto_type]
fn of_tenant(tenant: TenantId, ids: Vec<i64>) -> _ {
    let tenant: i64 = tenant.get();
    users::table.filter(dsl::tenant_id.eq(tenant).and(dsl::id.eq_any(ids)))
}
