//! Measures the sweep of expired rows beside the full write rate: whether it keeps up, and what it costs those who
//! write.
//!
//! `make bench BENCH=sweep` fills 10 million rows into each of the tables that are swept, a day's worth of which all
//! have expired. It takes half an hour and about 12 GB of disk, which it frees at its end; with `QUICK=1` a tenth.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench stops at the first error"
)]

mod day;
mod drain;
mod fill;
#[expect(dead_code, reason = "the bench of the write path uses the rest of it")]
#[path = "../write_path/grpc.rs"]
mod grpc;
#[expect(dead_code, reason = "other benches use the rest of it")]
#[path = "../load/mod.rs"]
mod load;
mod rounds;
mod table;
mod vacuum;
#[expect(dead_code, reason = "the bench of the write path uses the rest of it")]
#[path = "../write_path/work.rs"]
mod work;
mod world;

use std::{fs, path::PathBuf, time::Duration};

use clap::Parser;
use serde_json::json;

use rounds::Rounds;
use vacuum::Vacuum;
use world::World;

/// Measures the sweep of expired rows beside the full write rate.
#[derive(Parser)]
struct Options {
    /// A tenth of the rows, and fewer and shorter rounds
    #[arg(long)]
    quick: bool,

    /// How many expired rows each table has [default: 10000000]
    #[arg(long)]
    rows: Option<u64>,

    /// How many times the load is measured with and without the sweep [default: 4]
    #[arg(long)]
    rounds: Option<usize>,

    /// How long it is measured each time, in seconds [default: 20]
    #[arg(long)]
    seconds: Option<f64>,

    /// How many callers write at a time
    #[arg(long, default_value_t = 128)]
    callers: usize,

    /// How long the rest is swept at most, without a load, in seconds
    #[arg(long, default_value_t = 3600)]
    drain: u64,

    /// Keep a snapshot open while the rest is swept, as a dump does
    #[arg(long)]
    snapshot: bool,

    /// Additional options for the servers, as on their command line
    #[arg(long, allow_hyphen_values = true, default_value = "")]
    server: String,

    /// The file that the figures are written to, as JSON
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/sweep.json"))]
    out: PathBuf,

    /// Passed by cargo bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let rows = options.rows.unwrap_or(if options.quick { 1_000_000 } else { 10_000_000 });
    let count = options.rounds.unwrap_or(if options.quick { 2 } else { 4 });
    let seconds = options.seconds.unwrap_or(if options.quick { 8.0 } else { 20.0 });
    let server_args: Vec<&str> = options.server.split_whitespace().collect();

    println!("starting Postgres and filling {rows} rows into each table");
    let mut world = World::start(rows, &server_args);
    println!("{}\n", world.settings().join("\n"));
    let filled = world.tables();
    for table in &filled {
        println!("{}", table.sizes());
    }

    let mut rounds = Rounds::default();
    let duration = Duration::from_secs_f64(seconds);
    for round in 1..=count {
        // In turn, so that neither of the two always comes first.
        for is_swept in if round % 2 == 1 { [false, true] } else { [true, false] } {
            let measured = rounds.measure(&world, is_swept, options.callers, duration);
            println!("round {round}  {measured}");
        }
    }
    println!("\n{rounds}");

    world.end_load();
    let snapshot = options.snapshot.then(|| world.hold_snapshot());
    let drained = drain::run(&world, rows, Duration::from_secs(options.drain));
    drop(snapshot);
    println!("\n{drained}");
    let vacuumed: Vec<_> = drained.tables.iter().map(|table| Vacuum::run(&world, table)).collect();
    for vacuum in &vacuumed {
        println!("{vacuum}");
    }
    if drained.is_complete {
        world.check_rows(rounds.created());
    }

    let days = day::of(&filled, &rounds, &drained, &vacuumed);
    println!("\n{days}");
    let figures = json!({
        "settings": world.settings(), "rows": rows, "callers": options.callers,
        "rounds": rounds.to_json(), "drain": drained.to_json(), "day": days.to_json(),
    });
    fs::write(&options.out, figures.to_string()).unwrap();
    println!("figures: {}", options.out.display());
    println!("{}", rounds.summary());
}
