//! Compares the calls that read and change tasks with pgbench: the same prepared statements, the same
//! Postgres, alternating rounds.
//!
//! `make bench` runs this after the bench of the write path; `make bench QUICK=1` measures less.
//! Postgres, the programs and the load all run on this machine and share its cores.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench stops at the first error"
)]

mod callers;
mod cell;
#[path = "../load/mod.rs"]
mod load;
mod query;
mod random;
mod report;
mod world;

use std::{fs, path::PathBuf, time::Duration};

use clap::Parser;

use cell::{Cell, Measurement};
use report::Report;
use world::World;

/// Measures reads and changes of tasks against pgbench, side by side in one run.
#[derive(Parser)]
struct Options {
    /// Measure for a shorter time
    #[arg(long)]
    quick: bool,

    /// How many times each cell is measured
    #[arg(long)]
    rounds: Option<usize>,

    /// How long each cell is measured, in seconds
    #[arg(long)]
    seconds: Option<f64>,

    /// The file that the figures are written to, as JSON
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/tasks.json"))]
    out: PathBuf,

    /// Additional options for the server, as on its command line
    #[arg(long, allow_hyphen_values = true, default_value = "")]
    server: String,

    /// Measure only the cells whose name contains this
    #[arg(long, default_value = "")]
    only: String,

    /// Passed by cargo bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let rounds = options.rounds.unwrap_or(if options.quick { 2 } else { 3 });
    let seconds = options.seconds.unwrap_or(if options.quick { 2.0 } else { 3.0 });
    let server_args: Vec<&str> = options.server.split_whitespace().collect();

    println!("starting Postgres and loading it");
    let world = World::start(&server_args);
    println!("{}\n", world.settings().join("\n"));

    let mut cells = if options.quick { Cell::quick() } else { Cell::all() };
    cells.retain(|cell| cell.to_string().contains(&options.only));
    let mut measurements: Vec<Vec<Measurement>> = cells.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        for (cell, measured) in cells.iter().zip(&mut measurements) {
            let measurement = cell.measure(&world, Duration::from_secs_f64(seconds));
            println!("round {round}  {cell:<30} {:>8.0} calls/s", measurement.rate());
            measured.push(measurement);
        }
    }

    let report = Report::new(&world, cells, &measurements);
    println!("\n{report}");
    fs::write(&options.out, report.to_json()).unwrap();
    println!("figures: {}", options.out.display());
    println!("{}", report.summary());
}
