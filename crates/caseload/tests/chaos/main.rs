//! Injects faults into a whole deployment at random, repairs them, and checks that each batch was
//! created exactly once.
//!
//! `make chaos` runs it for some minutes; docs/CHAOS.md describes the faults and the checks.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first failure")]

mod audit;
mod batch;
mod chronicle;
mod contention;
mod deployment;
mod editor;
mod endpoints;
mod events;
mod faults;
mod flood;
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
mod rival;
mod statements;
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
use tokio::{
    runtime::Handle,
    task::{JoinSet, spawn_blocking},
};

use audit::Verdict;
use chronicle::Chronicle;
use deployment::Deployment;
use editor::{CHANGED, Editor};
use endpoints::Endpoints;
use events::Acknowledged;
use faults::Actor;
use flood::Flood;
use history::History;
use libtest::Libtest;
use random::Random;
use report::Report;
use rival::{COUNTED, Rival, Rivalry};
use worker::{ACKNOWLEDGED, RepairedAt, Worker};

const WORKERS: usize = 24;

/// The clients that change tasks, each its own, and those that change the same ones.
const EDITORS: usize = 8;
const RIVALS: usize = 4;

/// The number of connections to each endpoint, which the workers share.
const CONNECTIONS: usize = 6;

/// The most batches of a run, which bounds the memory of the history.
const MAX_BATCHES: u32 = 200_000;

/// The most time that a run may take in addition to the time of fault injection.
const MAX_ADDITIONAL_TIME: Duration = Duration::from_secs(180);

/// Injects faults into Postgres, servers, gateways, connections and data, and counts lost, doubled and
/// late batches
#[derive(Parser)]
struct Options {
    /// The seed of the random faults and batches
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How long faults are injected
    #[arg(long, default_value_t = 0.2)]
    minutes: f64,

    /// A deliberate defect, which the test must detect
    #[arg(long)]
    sabotage: Option<Sabotage>,

    /// Print each fault when it is injected
    #[arg(long)]
    verbose: bool,

    #[command(flatten)]
    libtest: Libtest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sabotage {
    /// Postgres acknowledges a commit before it is durable, and is killed
    EarlyAcknowledgement,
    /// Clients repeat a batch with another idempotency key
    NewIds,
    /// Clients write a batch that was given up because its time was over
    LateWrites,
    /// Clients make old changes again
    OldChanges,
    /// The database drops some of the events
    LostEvents,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.libtest.selected(&["chaos"]).is_empty() {
        return ExitCode::SUCCESS;
    }
    println!(
        "chaos: --seed {} --minutes {}{}",
        options.seed,
        options.minutes,
        options.sabotage.map_or(String::new(), |sabotage| format!(" sabotaged: {sabotage:?}"))
    );
    end_after(Duration::from_secs_f64(options.minutes * 60.0) + MAX_ADDITIONAL_TIME);
    let directory = tempfile::tempdir().unwrap();
    let report = Arc::new(Report::new(options.verbose));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let verdict = runtime.block_on(run(&options, directory.path(), &report));
    println!("{report}");
    let is_good = verdict.is_clean()
        && report.unexpected_count() == 0
        && report.counted(ACKNOWLEDGED) > 0
        && report.counted(CHANGED) > 0
        && report.counted(COUNTED) > 0
        && report.fault_count() > 0;
    if !is_good {
        println!("logs of the programs: {}", directory.keep().display());
    }
    println!("{verdict}");
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends a run that hangs. The guardians then end the processes that it started.
fn end_after(limit: Duration) {
    thread::spawn(move || {
        thread::sleep(limit);
        println!("chaos: did not end within {limit:?}");
        process::exit(1);
    });
}

async fn run(options: &Options, directory: &Path, report: &Arc<Report>) -> Verdict {
    let is_durable = options.sabotage != Some(Sabotage::EarlyAcknowledgement);
    let mut deployment = Deployment::start(directory, is_durable, report).await;
    deployment.database.run(chronicle::CREATE);
    if options.sabotage == Some(Sabotage::LostEvents) {
        deployment.database.run(events::SABOTAGE);
    }
    let duration = Duration::from_secs_f64(options.minutes * 60.0);
    let end = Instant::now() + duration;
    let history = Arc::new(History::default());
    let repaired_at = RepairedAt::default();

    let mut workers = JoinSet::new();
    let addresses = [&deployment.proxied, &deployment.proxied, &deployment.direct];
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|number| Endpoints::new(addresses[number % addresses.len()], &deployment.api_keys))
        .collect();
    for number in 0..WORKERS {
        let worker = Worker {
            number,
            endpoints: connections[number % CONNECTIONS].clone(),
            history: Arc::clone(&history),
            report: Arc::clone(report),
            repaired_at: Arc::clone(&repaired_at),
            random: Random::new(options.seed, 10 + u64::try_from(number).unwrap()),
            pause: duration * u32::try_from(WORKERS).unwrap() / MAX_BATCHES,
            new_ids: options.sabotage == Some(Sabotage::NewIds),
            late_writes: options.sabotage == Some(Sabotage::LateWrites),
            acknowledged: VecDeque::new(),
        };
        workers.spawn(worker.run());
    }

    let chronicle = Arc::new(Chronicle::default());
    for number in 0..EDITORS {
        let editor = Editor {
            number,
            endpoints: connections[number % CONNECTIONS].clone(),
            chronicle: Arc::clone(&chronicle),
            report: Arc::clone(report),
            repaired_at: Arc::clone(&repaired_at),
            random: Random::new(options.seed, 1000 + u64::try_from(number).unwrap()),
            repeats_old_changes: options.sabotage == Some(Sabotage::OldChanges),
        };
        workers.spawn(editor.run());
    }

    let rivalry = Arc::new(Rivalry::create(&deployment.database));
    for number in 0..RIVALS {
        let rival = Rival {
            rivalry: Arc::clone(&rivalry),
            endpoints: connections[number % CONNECTIONS].clone(),
            report: Arc::clone(report),
            repaired_at: Arc::clone(&repaired_at),
            random: Random::new(options.seed, 2000 + u64::try_from(number).unwrap()),
        };
        workers.spawn(rival.run());
    }

    let actor = |stream| {
        let random = Random::new(options.seed, stream);
        Actor { random, end, report: Arc::clone(report) }
    };
    let [postgres, programs, connections, data] = [actor(0), actor(1), actor(2), actor(3)];
    let flood = Flood {
        endpoints: Endpoints::new(&deployment.proxied, &deployment.api_keys),
        history: Arc::clone(&history),
        report: Arc::clone(report),
        runtime: Handle::current(),
    };
    let psql = deployment.database.clone();
    let (cluster, targets) = (deployment.cluster, deployment.programs);
    let proxies = deployment.proxies.clone();
    let postgres = spawn_blocking(move || postgres.disrupt_postgres(cluster, !is_durable));
    let programs = spawn_blocking(move || programs.disrupt_programs(targets));
    let data = spawn_blocking(move || data.disrupt_data(&psql, &flood));
    spawn_blocking(move || connections.disrupt_connections(&proxies)).await.unwrap();
    deployment.programs = programs.await.unwrap();
    deployment.cluster = postgres.await.unwrap();
    data.await.unwrap();

    repaired_at.set(Instant::now()).unwrap();
    workers.join_all().await;
    let report = Arc::clone(report);
    let audit = move || {
        // Batches that clients gave up may still be written, until the programs have stopped.
        for program in &mut deployment.programs {
            program.stop();
            program.check_log();
        }
        let (sent, database) = (&deployment.sent, &deployment.database);
        let history = history.take();
        let acknowledged = Acknowledged::of(&history);
        let mut verdict = Verdict::new(history, sent, database, &report);
        let is_shared = |task| rivalry.has(task);
        chronicle.judge(&mut verdict, sent, database, &report, is_shared);
        rivalry.judge(&mut verdict, database, &report);
        let made = chronicle::changes(database);
        events::judge(&acknowledged, &made, &mut verdict, database, &report);
        verdict
    };
    spawn_blocking(audit).await.unwrap()
}
