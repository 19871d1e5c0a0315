//! The figures: a table for people, JSON for programs, and a summary line.

use std::fmt;

use serde_json::{Value, json};

use crate::{
    callers::Protocol,
    cell::{Cell, Contender, Measurement},
    load::{figure::Figure, tally::quantile_ms},
    query::Query,
    world::World,
};

/// The concurrency of the summary line.
const SUMMARIZED: usize = 32;

/// The figures of all cells.
pub(crate) struct Report {
    settings: Vec<String>,
    rows: Vec<Row>,
    memory_mib: [f64; 3],
}

/// A cell's figures over all rounds.
struct Row {
    cell: Cell,
    rate: Figure,
    p50_ms: Figure,
    p99_ms: Figure,
    server_cpu_ms: Figure,
    gateway_cpu_ms: Figure,
    postgres_cpu_ms: Figure,
}

impl Report {
    pub(crate) fn new(world: &World, cells: Vec<Cell>, measurements: &[Vec<Measurement>]) -> Self {
        let rows = cells.into_iter().zip(measurements).map(|(cell, rounds)| Row::new(cell, rounds));
        Self { settings: world.settings(), rows: rows.collect(), memory_mib: world.memory_mib() }
    }

    /// Returns the rate of a cell relative to that of pgbench with as many clients.
    fn ratio(&self, row: &Row) -> Option<f64> {
        let cell = Cell { contender: Contender::Pgbench, ..row.cell };
        let pgbench = self.rows.iter().find(|row| row.cell == cell)?;
        Some(row.rate.median / pgbench.rate.median)
    }

    /// Returns the summary line: ratios to pgbench, and p99 relative to p50.
    pub(crate) fn summary(&self) -> String {
        let mut line = "bench:".to_owned();
        for (name, protocol, query) in [
            ("grpc_get", Protocol::Grpc, Query::Get),
            ("grpc_list", Protocol::Grpc, Query::List),
            ("grpc_update", Protocol::Grpc, Query::Update),
            ("rest_get", Protocol::Rest, Query::Get),
            ("rest_list", Protocol::Rest, Query::CountedList),
            ("rest_update", Protocol::Rest, Query::Update),
        ] {
            let contender = Contender::Caseload(protocol);
            let cell = Cell { contender, query, concurrency: SUMMARIZED };
            if let Some(row) = self.rows.iter().find(|row| row.cell == cell) {
                let ratio = self.ratio(row).map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
                let spread = row.p99_ms.median / row.p50_ms.median;
                line += &format!(" {name}_ratio={ratio} {name}_p99_to_p50={spread:.1}");
            }
        }
        line
    }

    pub(crate) fn to_json(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            json!({
                "contender": row.cell.contender.to_string(),
                "query": row.cell.query.to_string(),
                "concurrency": row.cell.concurrency,
                "calls_per_second": row.rate.to_json(),
                "ratio_to_pgbench": self.ratio(row),
                "p50_ms": row.p50_ms.to_json(),
                "p99_ms": row.p99_ms.to_json(),
                "cpu_ms_per_call": {
                    "server": row.server_cpu_ms.to_json(),
                    "gateway": row.gateway_cpu_ms.to_json(),
                    "postgres": row.postgres_cpu_ms.to_json(),
                },
            })
        });
        let [server, gateway, postgres] = self.memory_mib;
        let report = json!({
            "postgres": self.settings,
            "memory_mib": {"server": server, "gateway": gateway, "postgres": postgres},
            "rows": rows.collect::<Vec<Value>>(),
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
            server_cpu_ms: figure(|round| round.cpu.server / round.tally.created as f64),
            gateway_cpu_ms: figure(|round| round.cpu.gateway / round.tally.created as f64),
            postgres_cpu_ms: figure(|round| round.cpu.postgres / round.tally.created as f64),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<8} {:<12} {:>4}  {:>6} {:>15}  {:>5}  {:>7} {:>7}  {:>6} {:>7} {:>8}",
            "",
            "query",
            "at",
            "rate/s",
            "min…max",
            "ratio",
            "p50 ms",
            "p99 ms",
            "server",
            "gateway",
            "postgres"
        )?;
        for row in &self.rows {
            let Cell { contender, query, concurrency } = row.cell;
            let range = format!("{:.0}…{:.0}", row.rate.min, row.rate.max);
            let ratio = self.ratio(row).map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
            writeln!(
                f,
                "{contender:<8} {query:<12} {concurrency:>4}  {:>6.0} {range:>15}  {ratio:>5}  \
                 {:>7.2} {:>7.2}  {:>6.3} {:>7.3} {:>8.3}",
                row.rate.median,
                row.p50_ms.median,
                row.p99_ms.median,
                row.server_cpu_ms.median,
                row.gateway_cpu_ms.median,
                row.postgres_cpu_ms.median,
            )?;
        }
        let [server, gateway, postgres] = self.memory_mib;
        writeln!(
            f,
            "\nratio: to pgbench's rate with as many clients. server, gateway, postgres: processor \
             time per call in ms.\nmemory: server {server:.1} MiB and gateway {gateway:.1} MiB at \
             their peak, Postgres {postgres:.0} MiB at the end"
        )
    }
}
