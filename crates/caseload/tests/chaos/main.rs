//! Breaks everything at random, mends it, and looks whether each batch was created exactly once.
//!
//! `make chaos` runs it for minutes; docs/CHAOS.md tells what it does.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod audit;
mod batch;
mod deployment;
mod endpoints;
mod faults;
#[path = "../guardian/mod.rs"]
mod guardian;
mod history;
mod libtest;
#[path = "../it/support/port.rs"]
mod port;
mod program;
mod proxy;
mod random;
mod report;
mod response;
mod worker;

use std::{
    collections::VecDeque,
    path::Path,
    process::{self, ExitCode},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use tokio::task::{JoinSet, spawn_blocking};

use audit::Verdict;
use deployment::World;
use endpoints::Doors;
use faults::Hand;
use history::Ledger;
use libtest::Libtest;
use random::Random;
use report::Tally;
use worker::{ACKNOWLEDGED, Healed, Worker};

const WORKERS: usize = 24;

/// The workers share so many connections to each door.
const CONNECTIONS: usize = 6;

/// The most batches of a run, which bounds the ledger.
const MOST_BATCHES: u32 = 200_000;

/// The most that a run may take beside the time in which things are broken.
const MOST_BESIDES: Duration = Duration::from_secs(180);

/// Breaks Postgres, servers, gateways and connections, and looks for what was lost or doubled
#[derive(Parser)]
struct Options {
    /// What the faults and the batches are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// For how long things are broken
    #[arg(long, default_value_t = 0.2)]
    minutes: f64,

    /// A fault of the test's own making, which must be found
    #[arg(long)]
    sabotage: Option<Sabotage>,

    /// Tell each fault when it is injected
    #[arg(long)]
    verbose: bool,

    #[command(flatten)]
    libtest: Libtest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sabotage {
    /// Postgres acknowledges a commit before it is durable, and is killed
    EarlyAcknowledgement,
    /// Clients send a batch again under another id
    NewIds,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.libtest.asks_for_it() {
        return ExitCode::SUCCESS;
    }
    println!(
        "chaos: --seed {} --minutes {}{}",
        options.seed,
        options.minutes,
        options.sabotage.map_or(String::new(), |sabotage| format!(" sabotaged: {sabotage:?}"))
    );
    end_after(Duration::from_secs_f64(options.minutes * 60.0) + MOST_BESIDES);
    let directory = tempfile::tempdir().unwrap();
    let tally = Arc::new(Tally::new(options.verbose));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let verdict = runtime.block_on(run(&options, directory.path(), &tally));
    println!("{tally}");
    let is_good = verdict.is_clean()
        && tally.wrongs() == 0
        && tally.counted(ACKNOWLEDGED) > 0
        && tally.faults() > 0;
    if !is_good {
        println!("the programs' logs: {}", directory.keep().display());
    }
    println!("{verdict}");
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends a run that hangs. What it started is ended by its guardians.
fn end_after(limit: Duration) {
    thread::spawn(move || {
        thread::sleep(limit);
        println!("chaos: did not end within {limit:?}");
        process::exit(1);
    });
}

async fn run(options: &Options, directory: &Path, tally: &Arc<Tally>) -> Verdict {
    let is_durable = options.sabotage != Some(Sabotage::EarlyAcknowledgement);
    let mut world = World::start(directory, is_durable, tally).await;
    let duration = Duration::from_secs_f64(options.minutes * 60.0);
    let end = Instant::now() + duration;
    let ledger = Arc::new(Ledger::default());
    let healed = Healed::default();

    let mut workers = JoinSet::new();
    let addresses = [&world.linked, &world.linked, &world.direct];
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|number| Doors::new(addresses[number % addresses.len()], &world.keys))
        .collect();
    for number in 0..WORKERS {
        let worker = Worker {
            number,
            doors: connections[number % CONNECTIONS].clone(),
            ledger: Arc::clone(&ledger),
            tally: Arc::clone(tally),
            healed: Arc::clone(&healed),
            random: Random::new(options.seed, 10 + u64::try_from(number).unwrap()),
            pause: duration * u32::try_from(WORKERS).unwrap() / MOST_BATCHES,
            new_ids: options.sabotage == Some(Sabotage::NewIds),
            told: VecDeque::new(),
        };
        workers.spawn(worker.run());
    }

    let hand =
        |stream| Hand { random: Random::new(options.seed, stream), end, tally: Arc::clone(tally) };
    let (at_postgres, at_programs, at_links) = (hand(0), hand(1), hand(2));
    let (cluster, programs, links) = (world.cluster, world.programs, world.links.clone());
    let postgres = spawn_blocking(move || at_postgres.at_postgres(cluster, !is_durable));
    let programs = spawn_blocking(move || at_programs.at_programs(programs));
    spawn_blocking(move || at_links.at_links(&links)).await.unwrap();
    world.programs = programs.await.unwrap();
    world.cluster = postgres.await.unwrap();

    healed.set(Instant::now()).unwrap();
    workers.join_all().await;
    // What clients gave up may still be written. After this, nothing is.
    let tally = Arc::clone(tally);
    let audit = move || {
        for program in &mut world.programs {
            program.stop();
            program.check_log();
        }
        Verdict::of(ledger.close(), &world.database, &tally)
    };
    spawn_blocking(audit).await.unwrap()
}
