//! Compares the write path with pgbench: the same batches, the same Postgres, alternating rounds.
//!
//! `make bench` runs all cells; `make bench QUICK=1` takes a minute. Postgres, the programs and the
//! load all run on this machine and share its cores.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench stops at the first error"
)]

mod beside;
mod cell;
mod fairness;
mod grpc;
#[path = "../load/mod.rs"]
mod load;
mod measure;
mod pgbench;
mod plot;
mod probe;
mod report;
mod rest;
mod work;
mod world;

use std::{fs, path::PathBuf};

use clap::Parser;

use cell::Cell;
use fairness::Fairness;
use measure::Measurement;
use report::Report;
use world::World;

/// Measures the write path against pgbench, side by side in one run.
#[derive(Parser)]
struct Options {
    /// Measure only what the summary line needs, which takes about a minute
    #[arg(long)]
    quick: bool,

    /// How many times each cell is measured
    #[arg(long)]
    rounds: Option<usize>,

    /// How long each cell is measured, in seconds
    #[arg(long)]
    seconds: Option<f64>,

    /// The file that the figures are written to, as JSON; a plot is written beside it
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/write_path.json"))]
    out: PathBuf,

    /// Additional options for the server, as on its command line
    #[arg(long, allow_hyphen_values = true, default_value = "")]
    server: String,

    /// Another build of caseload: measures only what both create over gRPC, taking turns, and compares them
    #[arg(long, value_name = "PROGRAM")]
    beside: Option<PathBuf>,

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
    let seconds = options.seconds.unwrap_or(if options.quick { 2.5 } else { 3.0 });
    let server_args: Vec<&str> = options.server.split_whitespace().collect();

    println!("starting Postgres and loading it");
    let beside = options.beside.map(|path| path.canonicalize().expect("the other build"));
    let world = World::start(&server_args, beside.as_deref());
    println!("{}\n", world.settings().join("\n"));

    let mut cells = match (&beside, options.quick) {
        (Some(_), _) => Cell::beside(),
        (None, true) => Cell::quick(),
        (None, false) => Cell::all(),
    };
    cells.retain(|cell| cell.to_string().contains(&options.only));
    let mut measurements: Vec<Vec<Measurement>> = cells.iter().map(|_| Vec::new()).collect();
    let is_fairness_measured = beside.is_none() && "fairness".contains(&options.only);
    let mut fairness = is_fairness_measured.then(Fairness::new);
    for round in 1..=rounds {
        // In turn, each is the first one, so that what changes with time favours none.
        let mut order: Vec<usize> = (0..cells.len()).collect();
        if beside.is_some() && round % 2 == 0 {
            order.reverse();
        }
        for index in order {
            let (cell, measured) = (&cells[index], &mut measurements[index]);
            let measurement = Measurement::of(cell, &world, seconds);
            println!("round {round}  {cell:<40} {:>8.0} batches/s", measurement.rate());
            measured.push(measurement);
        }
        if let Some(fairness) = &mut fairness {
            fairness.measure(&world, seconds);
            println!("round {round}  {fairness}");
        }
    }

    let compared = beside.map(|_| beside::compare(&cells, &measurements));
    let report = Report::new(&world, cells, measurements, fairness);
    println!("\n{report}");
    world.check_rows(report.created());
    fs::write(&options.out, report.to_json()).unwrap();
    let plot = options.out.with_extension("svg");
    plot::draw(&report, &plot);
    println!("figures: {}\nplot: {}", options.out.display(), plot.display());
    println!("{}", compared.unwrap_or_else(|| report.summary()));
}
