//! The rest of what has expired, which is swept without a load.

use std::{fmt, thread, time::Duration};

use serde_json::{Value, json};

use crate::{
    table::{TABLES, Table},
    world::World,
};

/// What became of the tables.
pub(crate) struct Drained {
    pub(crate) is_complete: bool,
    deleted: [f64; 2],
    /// How long each table took.
    seconds: [f64; 2],
    /// The bytes of the write-ahead log, for each row.
    pub(crate) wal_per_row: f64,
    /// The tables at the end.
    pub(crate) tables: [Table; 2],
}

/// Sweeps until all of the rows that were filled are gone, or for a limited time.
pub(crate) fn run(world: &World, rows: u64, limit: Duration) -> Drained {
    // Rounded up to the step of the sweep that was not committed when the server before was killed.
    let left = world.tables().map(|table| rows as f64 - table.deleted);
    let wal = world.wal();
    let sweeping = world.sweep();
    let mut seconds = [limit.as_secs_f64(); 2];
    let mut is_over = [false; 2];
    let mut at = 0.0;
    let mut before = [-1.0; 2];
    while is_over != [true; 2] && at < limit.as_secs_f64() {
        // Postgres counts what a session has done when it is idle, once a second at most.
        thread::sleep(Duration::from_secs(3));
        at += 3.0;
        let deleted = sweeping.deleted();
        for table in 0..2 {
            let has_stopped = deleted[table] == before[table] && deleted[table] > 0.9 * left[table];
            if has_stopped && !is_over[table] {
                (is_over[table], seconds[table]) = (true, at - 3.0);
            }
        }
        before = deleted;
    }
    let (deleted, _) = sweeping.end();
    let wal_per_row = (world.wal() - wal) / deleted.iter().sum::<f64>();
    let is_complete = is_over == [true; 2];
    Drained { is_complete, deleted, seconds, wal_per_row, tables: world.tables() }
}

impl Drained {
    /// Returns the rows of a table that are swept in a second.
    pub(crate) fn rate(&self, table: usize) -> f64 {
        self.deleted[table] / self.seconds[table]
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "is_complete": self.is_complete, "rows": self.deleted, "seconds": self.seconds,
            "wal_bytes_per_row": self.wal_per_row,
        })
    }
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (table, name) in TABLES.into_iter().enumerate() {
            writeln!(
                f,
                "{name}: {:.0} rows were swept without a load in {:.0} s, {:.0} rows/s",
                self.deleted[table],
                self.seconds[table],
                self.rate(table)
            )?;
        }
        writeln!(f, "{:.0} bytes of write-ahead log for each row, with vacuums", self.wal_per_row)?;
        writeln!(f, "{}\n{}", self.tables[0], self.tables[1])
    }
}
