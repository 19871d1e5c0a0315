//! Vacuums the tables that were swept.

use std::{fmt, time::Instant};

use crate::{
    table::{Table, mib},
    world::World,
};

/// What a vacuum of a table took.
pub(crate) struct Vacuum {
    pub(crate) name: &'static str,
    before: Table,
    seconds: f64,
    /// The bytes that it has written to the write-ahead log.
    pub(crate) wal: f64,
}

impl Vacuum {
    /// Vacuums a table.
    pub(crate) fn run(world: &World, table: &Table) -> Self {
        let (begin, wal) = (Instant::now(), world.wal());
        world.psql(&format!("VACUUM {}", table.name));
        let seconds = begin.elapsed().as_secs_f64();
        Self { name: table.name, before: *table, seconds, wal: world.wal() - wal }
    }

    /// Returns the time for each dead row. Autovacuum may have removed others before; if it has removed all, this is
    /// infinite.
    pub(crate) fn seconds_per_row(&self) -> f64 {
        self.seconds / self.before.dead
    }
}

impl fmt::Display for Vacuum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "VACUUM {:<16} {:.1} s for {:.0} dead rows, {:.0} MiB of write-ahead log",
            self.name,
            self.seconds,
            self.before.dead,
            mib(self.wal)
        )
    }
}
