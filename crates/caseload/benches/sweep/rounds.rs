//! The load, in turn without and beside a sweep.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use crate::{
    load::{
        figure::Figure,
        tally::{Tally, quantile_ms},
    },
    table::TABLES,
    world::World,
};

/// One measurement of the load.
#[derive(Clone)]
pub(crate) struct Round {
    tally: Tally,
    /// Processor time of Postgres for each second.
    postgres_cpu_ms: f64,
    wal_per_batch: f64,
    /// The rows that the sweep has deleted in each second, of each table; `None` without a sweep.
    swept: Option<[f64; 2]>,
}

impl Round {
    fn rate(&self) -> f64 {
        self.tally.measured() as f64 / self.tally.elapsed.as_secs_f64()
    }

    fn quantile(&self, quantile: f64) -> f64 {
        quantile_ms(&self.tally.latencies, quantile)
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}  {:>6.0} batches/s, p50 {:.1} ms, p99 {:.1} ms, Postgres {:.0} % of a processor",
            if self.swept.is_some() { "beside the sweep" } else { "alone           " },
            self.rate(),
            self.quantile(0.5),
            self.quantile(0.99),
            self.postgres_cpu_ms / 10.0,
        )?;
        if let Some([keys, events]) = self.swept {
            write!(f, "; swept {keys:.0} keys/s, {events:.0} events/s")?;
        }
        Ok(())
    }
}

/// All measurements, those without and those beside a sweep.
#[derive(Default)]
pub(crate) struct Rounds([Vec<Round>; 2]);

impl Rounds {
    /// Measures the load once.
    pub(crate) fn measure(
        &mut self,
        world: &World,
        is_swept: bool,
        callers: usize,
        duration: Duration,
    ) -> Round {
        let sweeping = is_swept.then(|| world.sweep());
        let (cpu, wal) = (world.postgres_cpu_ms(), world.wal());
        let tally = world.write(callers, duration);
        let (cpu, wal) = (world.postgres_cpu_ms() - cpu, world.wal() - wal);
        let swept = sweeping.map(|sweeping| {
            let (deleted, elapsed) = sweeping.end();
            deleted.map(|rows| rows / elapsed.as_secs_f64())
        });
        let round = Round {
            postgres_cpu_ms: cpu / tally.elapsed.as_secs_f64(),
            wal_per_batch: wal / tally.created as f64,
            tally,
            swept,
        };
        self.0[usize::from(is_swept)].push(round.clone());
        round
    }

    /// Returns the number of batches that were acknowledged.
    pub(crate) fn created(&self) -> u64 {
        self.0.iter().flatten().map(|round| round.tally.created).sum()
    }

    fn figure(&self, is_swept: bool, value: impl Fn(&Round) -> f64) -> Figure {
        Figure::of(self.0[usize::from(is_swept)].iter().map(value).collect())
    }

    /// Returns a median of the rounds beside the sweep, in relation to that without it.
    fn ratio(&self, value: impl Fn(&Round) -> f64) -> f64 {
        self.figure(true, &value).median / self.figure(false, &value).median
    }

    /// Returns the rows of a table that the sweep deletes in a second, beside the load.
    pub(crate) fn swept(&self, table: usize) -> f64 {
        self.figure(true, |round| round.swept.unwrap()[table]).median
    }

    /// Returns the bytes that a batch writes to the write-ahead log.
    pub(crate) fn wal_per_batch(&self) -> f64 {
        self.figure(false, |round| round.wal_per_batch).median
    }

    fn rate(&self) -> f64 {
        self.figure(false, Round::rate).median
    }

    /// Returns the line that others compare.
    pub(crate) fn summary(&self) -> String {
        let written = self.rate();
        format!(
            "sweep: batches_per_s={written:.0} rate_ratio={:.3} p99_ratio={:.2} keys_per_s={:.0} \
             events_per_s={:.0} keys_ratio={:.2} events_ratio={:.2}",
            self.ratio(Round::rate),
            self.ratio(|round| round.quantile(0.99)),
            self.swept(0),
            self.swept(1),
            self.swept(0) / written,
            self.swept(1) / written,
        )
    }

    pub(crate) fn to_json(&self) -> Value {
        let of = |is_swept| {
            json!({
                "batches_per_s": self.figure(is_swept, Round::rate).to_json(),
                "p50_ms": self.figure(is_swept, |round| round.quantile(0.5)).to_json(),
                "p99_ms": self.figure(is_swept, |round| round.quantile(0.99)).to_json(),
            })
        };
        json!({"alone": of(false), "swept": of(true), "rows_per_s": [self.swept(0), self.swept(1)]})
    }
}

impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| | batches/s | p50 ms | p99 ms | Postgres, % of a processor |\n|---|---|---|---|---|"
        )?;
        for (is_swept, name) in [(false, "alone"), (true, "beside the sweep")] {
            let cell = |value: &dyn Fn(&Round) -> f64, digits: usize| {
                let Figure { median, min, max } = self.figure(is_swept, value);
                format!("{median:.digits$} ({min:.digits$} to {max:.digits$})")
            };
            writeln!(
                f,
                "| {name} | {} | {} | {} | {} |",
                cell(&Round::rate, 0),
                cell(&|round| round.quantile(0.5), 1),
                cell(&|round| round.quantile(0.99), 1),
                cell(&|round| round.postgres_cpu_ms / 10.0, 0)
            )?;
        }
        writeln!(
            f,
            "| ratio | {:.3} | {:.2} | {:.2} | {:.2} |",
            self.ratio(Round::rate),
            self.ratio(|round| round.quantile(0.5)),
            self.ratio(|round| round.quantile(0.99)),
            self.ratio(|round| round.postgres_cpu_ms)
        )?;
        for (table, name) in TABLES.into_iter().enumerate() {
            let Figure { median, min, max } =
                self.figure(true, |round| round.swept.unwrap()[table]);
            let ratio = median / self.rate();
            writeln!(
                f,
                "{name}: {median:.0} rows/s ({min:.0} to {max:.0}) are swept beside the load, {ratio:.2} times \
                 as many as are written"
            )?;
        }
        Ok(())
    }
}
