//! The figures: a table for people, JSON for programs, and a summary line.

use std::fmt;

use serde_json::{Value, json};

use crate::{
    cell::{Cell, Contender},
    fairness::Fairness,
    load::{figure::Figure, tally::quantile_ms},
    measure::Measurement,
    work::{Spread, Work},
    world::World,
};

/// The figures of all cells.
pub(crate) struct Report {
    settings: Vec<String>,
    rows: Vec<Row>,
    fairness: Option<Fairness>,
    created: (u64, u64, u64),
    memory_mib: [f64; 3],
}

/// A cell's figures over all rounds.
pub(crate) struct Row {
    pub(crate) cell: Cell,
    pub(crate) rate: Figure,
    pub(crate) p50_ms: Figure,
    pub(crate) p99_ms: Figure,
    pub(crate) p999_ms: Figure,
    server_cpu_ms: Figure,
    gateway_cpu_ms: Figure,
    postgres_cpu_ms: Figure,
    /// Requests per second that were refused, and their latency.
    refused: Figure,
    refused_p50_ms: Figure,
    refused_p99_ms: Figure,
}

impl Report {
    pub(crate) fn new(
        world: &World,
        cells: Vec<Cell>,
        measurements: Vec<Vec<Measurement>>,
        fairness: Option<Fairness>,
    ) -> Self {
        let mut created = (0, 0, 0);
        for (cell, rounds) in cells.iter().zip(&measurements) {
            let batches: u64 = rounds.iter().map(|round| round.tally.created).sum();
            created.0 += batches * cell.work.tasks();
            created.1 += batches * cell.work.assignments();
            if cell.contender == Contender::Keyed {
                created.2 += batches;
            }
        }
        if let Some(fairness) = &fairness {
            created.0 += fairness.created() * Work::Sample.tasks();
            created.1 += fairness.created() * Work::Sample.assignments();
        }
        let rows =
            cells.into_iter().zip(&measurements).map(|(cell, rounds)| Row::new(cell, rounds));
        Self {
            settings: world.settings(),
            rows: rows.collect(),
            fairness,
            created,
            memory_mib: world.memory_mib(),
        }
    }

    /// Returns how many tasks, assignments and idempotency keys were acknowledged.
    pub(crate) fn created(&self) -> (u64, u64, u64) {
        self.created
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    fn row(&self, contender: Contender, of: &Cell) -> Option<&Row> {
        self.rows.iter().find(|row| row.cell == Cell { contender, ..*of })
    }

    /// Returns pgbench's best rate for this work: that of 8 or of 32 clients.
    fn pgbench_best(&self, of: &Cell) -> Option<f64> {
        let rate = |concurrency| {
            self.row(Contender::Pgbench, &Cell { concurrency, ..*of }).map(|row| row.rate.median)
        };
        rate(8).into_iter().chain(rate(32)).reduce(f64::max)
    }

    /// Returns the summary line.
    pub(crate) fn summary(&self) -> String {
        let at = |concurrency| Cell {
            contender: Contender::Pgbench,
            work: Work::Sample,
            spread: Spread::Tenants,
            concurrency,
        };
        let ratio = |contender| {
            let rate = self.row(contender, &at(32))?.rate.median;
            Some(rate / self.pgbench_best(&at(32))?)
        };
        let overhead = |contender| {
            let p50 = self.row(contender, &at(1))?.p50_ms.median;
            Some(p50 - self.row(Contender::Pgbench, &at(1))?.p50_ms.median)
        };
        let text = |figure: Option<f64>| figure.map_or("-".to_owned(), |f| format!("{f:.2}"));
        format!(
            "bench: grpc_ratio={} rest_ratio={} grpc_p50_overhead_ms={} \
             rest_p50_overhead_ms={} server_rss_mib={:.1} gateway_rss_mib={:.1}",
            text(ratio(Contender::Grpc)),
            text(ratio(Contender::Rest)),
            text(overhead(Contender::Grpc)),
            text(overhead(Contender::Rest)),
            self.memory_mib[0],
            self.memory_mib[1],
        )
    }

    pub(crate) fn to_json(&self) -> String {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let ratio = self.pgbench_best(&row.cell).map(|best| row.rate.median / best);
                json!({
                    "contender": row.cell.contender.to_string(),
                    "work": row.cell.work.to_string(),
                    "spread": row.cell.spread.to_string(),
                    "concurrency": row.cell.concurrency,
                    "batches_per_second": row.rate.to_json(),
                    "ratio_to_pgbench": ratio,
                    "p50_ms": row.p50_ms.to_json(),
                    "p99_ms": row.p99_ms.to_json(),
                    "p999_ms": row.p999_ms.to_json(),
                    "refused_per_second": row.refused.to_json(),
                    "refused_p50_ms": row.refused_p50_ms.to_json(),
                    "refused_p99_ms": row.refused_p99_ms.to_json(),
                    "cpu_ms_per_batch": {
                        "server": row.server_cpu_ms.to_json(),
                        "gateway": row.gateway_cpu_ms.to_json(),
                        "postgres": row.postgres_cpu_ms.to_json(),
                    },
                })
            })
            .collect();
        let [server, gateway, postgres] = self.memory_mib;
        let report = json!({
            "postgres": self.settings,
            "memory_mib": {"server": server, "gateway": gateway, "postgres": postgres},
            "rows": rows,
        });
        serde_json::to_string_pretty(&report).unwrap()
    }
}

impl Row {
    fn new(cell: Cell, rounds: &[Measurement]) -> Self {
        let figure = |of: fn(&Measurement) -> f64| Figure::of(rounds.iter().map(of).collect());
        Self {
            cell,
            rate: figure(Measurement::rate),
            p50_ms: figure(|round| quantile_ms(&round.tally.latencies, 0.5)),
            p99_ms: figure(|round| quantile_ms(&round.tally.latencies, 0.99)),
            p999_ms: figure(|round| quantile_ms(&round.tally.latencies, 0.999)),
            server_cpu_ms: figure(|round| round.cpu.server / round.tally.created as f64),
            gateway_cpu_ms: figure(|round| round.cpu.gateway / round.tally.created as f64),
            postgres_cpu_ms: figure(|round| round.cpu.postgres / round.tally.created as f64),
            refused: figure(|round| {
                round.tally.refusals.len() as f64 / round.tally.elapsed.as_secs_f64()
            }),
            refused_p50_ms: figure(|round| quantile_ms(&round.tally.refusals, 0.5)),
            refused_p99_ms: figure(|round| quantile_ms(&round.tally.refusals, 0.99)),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<8} {:<7} {:<11} {:>4}  {:>6} {:>15}  {:>5}  {:>7} {:>7} {:>7}  {:>6} {:>7} {:>8}",
            "",
            "work",
            "tenants",
            "at",
            "rate/s",
            "min…max",
            "ratio",
            "p50 ms",
            "p99 ms",
            "p99.9",
            "server",
            "gateway",
            "postgres"
        )?;
        for row in &self.rows {
            let Cell { contender, work, spread, concurrency } = row.cell;
            let range = format!("{:.0}…{:.0}", row.rate.min, row.rate.max);
            let ratio = self
                .pgbench_best(&row.cell)
                .map_or("-".to_owned(), |best| format!("{:.2}", row.rate.median / best));
            writeln!(
                f,
                "{contender:<8} {work:<7} {spread:<11} {concurrency:>4}  {:>6.0} {range:>15}  \
                 {ratio:>5}  {:>7.2} {:>7.2} {:>7.2}  {:>6.3} {:>7.3} {:>8.3}",
                row.rate.median,
                row.p50_ms.median,
                row.p99_ms.median,
                row.p999_ms.median,
                row.server_cpu_ms.median,
                row.gateway_cpu_ms.median,
                row.postgres_cpu_ms.median,
            )?;
        }
        for row in self.rows.iter().filter(|row| row.refused.median > 0.0) {
            writeln!(
                f,
                "{} at {}: {:.0} more requests per second were refused, with a p50 of {:.2} and a p99 \
                 of {:.2} ms",
                row.cell.contender,
                row.cell.concurrency,
                row.refused.median,
                row.refused_p50_ms.median,
                row.refused_p99_ms.median
            )?;
        }
        if let Some(fairness) = &self.fairness {
            writeln!(f, "{fairness}")?;
        }
        let [server, gateway, postgres] = self.memory_mib;
        writeln!(
            f,
            "\nratio: to pgbench's best rate with 8 or 32 clients. server, gateway, postgres: \
             processor time per batch in ms.\nmemory: server {server:.1} MiB and gateway {gateway:.1} MiB \
             at their peak, Postgres {postgres:.0} MiB at the end"
        )
    }
}
