//! What a day at a constant rate needs, by the figures of the run.

use std::fmt;

use serde_json::{Value, json};

use crate::{
    drain::Drained,
    rounds::Rounds,
    table::{TABLES, Table},
    vacuum::Vacuum,
};

/// The batches of a day, at 4,000 a second.
const BATCHES: f64 = 4000.0 * 86_400.0;

/// What the rows of a day need in one table.
struct Day {
    table: &'static str,
    /// Of disk, with index entries, once for each day that they are kept.
    bytes: f64,
    /// Of sweeping beside the load.
    sweep_hours: f64,
    vacuum_hours: f64,
}

/// What a day needs.
pub(crate) struct Days {
    tables: Vec<Day>,
    /// The write-ahead log of the batches, and that of deleting their rows again.
    written_wal: f64,
    swept_wal: f64,
}

pub(crate) fn of(
    filled: &[Table; 2],
    rounds: &Rounds,
    drained: &Drained,
    vacuumed: &[Vacuum],
) -> Days {
    let tables = (0..2).map(|table| Day {
        table: TABLES[table],
        bytes: BATCHES * filled[table].bytes_per_row(),
        sweep_hours: BATCHES / rounds.swept(table) / 3600.0,
        vacuum_hours: BATCHES * vacuumed[table].seconds_per_row() / 3600.0,
    });
    let vacuum_wal: f64 = vacuumed.iter().map(|vacuum| vacuum.wal / filled[0].rows).sum();
    Days {
        tables: tables.collect(),
        written_wal: BATCHES * rounds.wal_per_batch(),
        swept_wal: BATCHES * (2.0 * drained.wal_per_row + vacuum_wal),
    }
}

impl Days {
    pub(crate) fn to_json(&self) -> Value {
        let tables: Vec<_> = self
            .tables
            .iter()
            .map(|day| {
                json!({
                    "table": day.table, "bytes": day.bytes, "sweep_hours": day.sweep_hours,
                    "vacuum_hours": day.vacuum_hours,
                })
            })
            .collect();
        json!({"tables": tables, "written_wal": self.written_wal, "swept_wal": self.swept_wal})
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gb = |bytes: f64| bytes / 1e9;
        writeln!(f, "a day of 4,000 batches/s, {:.0} million rows in each table:", BATCHES / 1e6)?;
        for Day { table, bytes, sweep_hours, vacuum_hours } in &self.tables {
            writeln!(
                f,
                "{table:<16} {:.0} GB of disk, {sweep_hours:.1} h of sweeping beside the load, {vacuum_hours:.1} h of \
                 vacuum",
                gb(*bytes)
            )?;
        }
        write!(
            f,
            "write-ahead log: {:.0} GB of the batches, {:.0} GB of deleting their rows again",
            gb(self.written_wal),
            gb(self.swept_wal)
        )
    }
}
