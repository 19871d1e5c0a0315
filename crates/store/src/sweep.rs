//! Deletes rows that have expired.

use std::time::Duration;

use diesel::{
    Connection as _, RunQueryDsl as _,
    dsl::sql,
    select, sql_query,
    sql_types::{Bool, Double},
};

use crate::{database::Database, error::Error};

/// How the rows of one table expire.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// The name of the query in logs.
    pub(crate) name: &'static str,
    /// The advisory lock by which programs that sweep at the same time exclude each other.
    pub(crate) lock: i64,
    /// The statement that deletes rows that are older than `$1` seconds, `{most}` rows at most. The number
    /// is a part of the text, so that the planner knows it.
    pub(crate) statement: &'static str,
}

impl Database {
    /// Deletes up to `most` rows that are older than `age`. Returns how many it deleted; 0 while
    /// another program sweeps.
    pub(crate) async fn sweep(
        &self,
        sweep: &'static Sweep,
        age: Duration,
        most: u32,
    ) -> Result<usize, Error> {
        self.write(sweep.name, move |connection| {
            connection.transaction(|connection| {
                let lock = format!("pg_try_advisory_xact_lock({})", sweep.lock);
                if !select(sql::<Bool>(&lock)).get_result(connection)? {
                    return Ok(0);
                }
                let statement = sweep.statement.replace("{most}", &most.to_string());
                let age = age.as_secs_f64();
                Ok(sql_query(statement).bind::<Double, _>(age).execute(connection)?)
            })
        })
        .await
    }
}
