//! The tables that are swept, as Postgres sees them.

use std::fmt;

/// The tables that are swept.
pub(crate) const TABLES: [&str; 2] = ["idempotency_keys", "creation_events"];

/// A table at one time. Sizes are in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) rows: f64,
    pub(crate) heap: f64,
    pub(crate) indexes: f64,
    pub(crate) deleted: f64,
    pub(crate) dead: f64,
    autovacuums: f64,
}

impl Table {
    /// Returns the statement that reads a table.
    pub(crate) fn statement(name: &str) -> String {
        format!(
            "SELECT c.reltuples, pg_table_size(c.oid), pg_indexes_size(c.oid), s.n_tup_del, s.n_dead_tup,
                 s.autovacuum_count
             FROM pg_class AS c JOIN pg_stat_user_tables AS s ON s.relid = c.oid
             WHERE c.oid = '{name}'::regclass"
        )
    }

    /// Takes what the statement returned.
    pub(crate) fn of(name: &'static str, line: &str) -> Self {
        let numbers: Vec<f64> = line.split('|').map(|number| number.parse().unwrap()).collect();
        let [rows, heap, indexes, deleted, dead, autovacuums] = numbers[..] else {
            panic!("{line}")
        };
        Self { name, rows, heap, indexes, deleted, dead, autovacuums }
    }

    /// Returns the bytes of a row, with its entries in indexes.
    pub(crate) fn bytes_per_row(&self) -> f64 {
        (self.heap + self.indexes) / self.rows
    }

    /// Returns a line about its sizes.
    pub(crate) fn sizes(&self) -> String {
        format!(
            "{:<16} {:>9.0} rows, {:>5.0} MiB, indexes {:>5.0} MiB, {:.0} bytes a row with its index entries",
            self.name,
            self.rows,
            mib(self.heap),
            mib(self.indexes),
            self.bytes_per_row()
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<16} {:.0} MiB, indexes {:.0} MiB, {:.0} dead rows, {} vacuums by autovacuum so far",
            self.name,
            mib(self.heap),
            mib(self.indexes),
            self.dead,
            self.autovacuums
        )
    }
}

pub(crate) fn mib(bytes: f64) -> f64 {
    bytes / 1024.0 / 1024.0
}
