//! Injects faults into a whole deployment at random, repairs them, and checks that each batch was
//! created exactly once.
//!
//! `make chaos` runs it for some minutes; docs/CHAOS.md describes the faults and the checks.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first failure")]

mod assigner;
mod audit;
mod batch;
mod case_audit;
mod case_feeder;
mod chronicle;
mod clients;
mod comparisons;
mod contention;
mod deployment;
mod editor;
mod endpoints;
mod envoy;
mod events;
mod faults;
mod feeder;
mod flood;
#[path = "../guardian/mod.rs"]
mod guardian;
mod history;
mod keeper;
mod known;
mod libtest;
mod patience;
mod person;
#[path = "../it/support/port.rs"]
mod port;
mod program;
mod proxy;
mod psql;
mod random;
mod records;
mod report;
mod response;
mod rival;
mod sabotage;
mod shelf;
mod statements;
mod states;
mod task_events;
mod tenants;
mod traces;
mod worker;

use std::{
    path::{Path, PathBuf},
    process::{self, ExitCode},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use tokio::{runtime::Handle, task::spawn_blocking};

use audit::Verdict;
use clients::{Clients, Knowledge};
use deployment::Deployment;
use endpoints::Endpoints;
use events::Acknowledged;
use faults::Actor;
use flood::Flood;
use libtest::Libtest;
use random::Random;
use report::Report;
use sabotage::Sabotage;
use states::Recorded;

/// What must have happened in a run, so that it shows something.
const REQUIRED: [&str; 15] = [
    worker::ACKNOWLEDGED,
    editor::CHANGED,
    rival::COUNTED,
    keeper::CREATED,
    keeper::CHANGED,
    keeper::CASES_DELETED,
    feeder::FED,
    feeder::USERS_ERASED,
    case_feeder::CASES_FED,
    case_feeder::FED_CASE_LISTS,
    comparisons::HISTORIES,
    comparisons::TASK_LISTS,
    comparisons::CASE_LISTS,
    comparisons::USER_LISTS,
    comparisons::RECORDS,
];

/// The most time that a run may take in addition to the time of fault injection.
const MAX_ADDITIONAL_TIME: Duration = Duration::from_secs(180);

/// Injects faults into Postgres, servers, gateways, connections and data, and counts what is lost, doubled
/// or late
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

    /// A program, Envoy, that is put between clients and servers
    #[arg(long)]
    envoy: Option<PathBuf>,

    /// Print each fault when it is injected
    #[arg(long)]
    verbose: bool,

    #[command(flatten)]
    libtest: Libtest,
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
    let missing: Vec<_> = REQUIRED.iter().filter(|what| report.counted(what) == 0).collect();
    let is_good = verdict.is_clean()
        && report.unexpected_count() == 0
        && missing.is_empty()
        && report.fault_count() > 0;
    if !missing.is_empty() {
        println!("nothing of this happened: {missing:?}");
    }
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
    let mut deployment =
        Deployment::start(directory, is_durable, options.envoy.as_deref(), report).await;
    deployment.database.run(chronicle::CREATE);
    deployment.database.run(states::CREATE);
    if let Some(sql) = options.sabotage.and_then(Sabotage::sql) {
        deployment.database.run(sql);
    }
    let duration = Duration::from_secs_f64(options.minutes * 60.0);
    let end = Instant::now() + duration;
    let clients = Clients::start(&deployment, (options.seed, options.sabotage), duration, report);

    let actor = |stream| {
        let random = Random::new(options.seed, stream);
        Actor { random, end, report: Arc::clone(report) }
    };
    let [postgres, programs, connections, data] = [actor(0), actor(1), actor(2), actor(3)];
    let flood = Flood {
        endpoints: Endpoints::new(&deployment.proxied, &deployment.api_keys),
        history: Arc::clone(&clients.knowledge.history),
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

    let knowledge = clients.finish().await;
    let report = Arc::clone(report);
    spawn_blocking(move || judge(&knowledge, deployment, &report)).await.unwrap()
}

/// Compares what the clients know with the database.
fn judge(knowledge: &Knowledge, mut deployment: Deployment, report: &Report) -> Verdict {
    // What clients gave up may still be written, until the programs have stopped.
    for program in &mut deployment.programs {
        program.stop();
        program.check_log();
    }
    let Knowledge { history, chronicle, rivalry, cases, users } = knowledge;
    let (sent, database) = (&deployment.sent, &deployment.database);
    let history = history.take();
    let acknowledged = Acknowledged::of(&history);
    let mut verdict = Verdict::new(history, sent, database, report);
    let of_cases = case_audit::tasks(database);
    let is_of_others = |task| rivalry.has(task) || of_cases.contains(&task);
    chronicle.judge(&mut verdict, sent, database, report, is_of_others);
    rivalry.judge(&mut verdict, database, report);
    case_audit::judge(cases, sent, &mut verdict, database, report);
    users.judge(Recorded::of("users", database), sent, &mut verdict, report);
    traces::judge(users, &mut verdict, database, report);
    records::judge(&mut verdict, database, report);
    let made = chronicle::changes(database);
    events::judge(&acknowledged, &made, &mut verdict, database, report);
    verdict
}
