//! Loads a whole system for a long time, injects a fault a minute, and judges whether anything grows.
//!
//! `make soak` runs it for half an hour; docs/SOAK.md describes the load, the faults and the verdict.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first failure")]

mod analysis;
mod audit;
mod call;
mod caller;
mod clients;
mod deployment;
mod directory;
mod disk;
mod exposition;
mod failed;
#[path = "../chaos/endpoints/failure.rs"]
#[expect(dead_code, reason = "the chaos test uses the rest")]
mod failure;
mod faultless;
mod faults;
mod figures;
mod grpc;
#[path = "../guardian/mod.rs"]
mod guardian;
mod kind;
mod knowledge;
#[path = "../chaos/libtest.rs"]
mod libtest;
mod load;
mod plot;
#[path = "../it/support/port.rs"]
mod port;
mod proc;
mod processes;
#[path = "../chaos/program.rs"]
mod program;
#[path = "../chaos/proxy.rs"]
#[expect(dead_code, reason = "the chaos test uses the rest")]
mod proxy;
#[path = "../chaos/psql.rs"]
mod psql;
#[path = "../chaos/random.rs"]
#[expect(dead_code, reason = "the chaos test uses the rest")]
mod random;
mod recorder;
#[path = "../chaos/report.rs"]
#[expect(dead_code, reason = "the chaos test uses the rest")]
mod report;
mod request;
mod rest;
mod retry_budget;
mod sabotage;
mod sampler;
mod section;
#[path = "../chaos/statements.rs"]
#[expect(dead_code, reason = "the chaos test uses the rest")]
mod statements;
#[path = "../chaos/tenants.rs"]
mod tenants;
mod text;

use std::{
    fs,
    num::NonZero,
    path::{Path, PathBuf},
    process::{self, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, available_parallelism},
    time::{Duration, Instant},
};

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{runtime::Builder, spawn, task::spawn_blocking};

use analysis::LEAST_SECONDS;
use audit::Audit;
use caller::Callers;
use clients::Clients;
use deployment::Deployment;
use faults::{Faults, Kind};
use figures::Figures;
use knowledge::Knowledge;
use libtest::Libtest;
use psql::Psql;
use random::Random;
use recorder::Recorder;
use report::Report;
use retry_budget::RetryBudget;
use sabotage::Sabotage;
use sampler::Sampler;

/// The part of the highest rate that the load has.
const SHARE: f64 = 0.7;

/// How many requests' tasks each tenant keeps, and in a run of less than a minute.
const KEPT: usize = 1000;
const KEPT_BRIEFLY: usize = 20;

/// How often processes are sampled: in a long run, and in all.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);
const LEAST_SAMPLES: u32 = 20;

/// What the plot shows, for those who can't see it.
const PLOT: &str = "Memory, connections and files, time of calls, and calls a second, by minute";

const PERIOD: Duration = Duration::from_secs(60);

/// The most time that a run may take in addition to that of the load.
const MAX_ADDITIONAL_TIME: Duration = Duration::from_secs(400);

/// Loads a whole system, injects a fault a minute, and judges whether anything grows
#[derive(Parser)]
struct Options {
    /// The seed of calls and faults
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How long the load lasts
    #[arg(long, default_value_t = 0.2)]
    minutes: f64,

    /// The calls a second; by default 70 % of the highest rate, which is measured first
    #[arg(long)]
    rate: Option<f64>,

    /// The directory that the report and the plot are written to
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/../soak"))]
    out: PathBuf,

    /// A directory whose SOAK.md and soak.svg get the figures and the plot of this run, if it passes
    #[arg(long)]
    keep: Option<PathBuf>,

    /// A deliberate defect, which the test must detect
    #[arg(long)]
    sabotage: Option<Sabotage>,

    /// Inject only faults of these kinds, rather than of all
    #[arg(long, value_delimiter = ',')]
    faults: Vec<Kind>,

    /// Have callers repeat what failed without a budget, and without the pauses that the service asks for
    #[arg(long)]
    naive_callers: bool,

    /// Print each fault when it is injected
    #[arg(long)]
    verbose: bool,

    #[command(flatten)]
    libtest: Libtest,
}

impl Options {
    fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.libtest.selected(&["soak"]).is_empty() {
        return ExitCode::SUCCESS;
    }
    if !cfg!(target_os = "linux") {
        println!("soak: skipped, as it needs Linux: /proc");
        return ExitCode::SUCCESS;
    }
    if options.keep.is_some() && options.duration().as_secs_f64() <= LEAST_SECONDS {
        println!("soak: --keep takes more than {LEAST_SECONDS:.0} s: a shorter run is no verdict");
        return ExitCode::FAILURE;
    }
    if let Some(keep) = &options.keep
        && kept_page(keep, "").is_none()
    {
        println!("soak: {} has no SOAK.md with a place for figures", keep.display());
        return ExitCode::FAILURE;
    }
    let sabotaged =
        options.sabotage.map_or(String::new(), |sabotage| format!(" sabotaged: {sabotage:?}"));
    println!("soak: --seed {} --minutes {}{sabotaged}", options.seed, options.minutes);
    end_after(options.duration() + MAX_ADDITIONAL_TIME);
    raise_file_limit();
    let directory = tempfile::tempdir().unwrap();
    let report = Arc::new(Report::new(options.verbose));
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let figures = runtime.block_on(run(&options, directory.path(), &report));
    let is_kept = publish(&options, &figures);
    let is_good = figures.is_good() && (is_kept || options.keep.is_none());
    println!("\n{report}");
    if !is_good {
        println!("logs of the programs: {}", directory.keep().display());
    }
    println!("{}", figures.summary());
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ends a run that hangs. The guardians then end the processes that it started.
fn end_after(limit: Duration) {
    thread::spawn(move || {
        thread::sleep(limit);
        println!("soak: did not end within {limit:?}");
        process::exit(1);
    });
}

/// Lets the clients have as many connections as the system allows.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // If this fails, calls fail for lack of files, which shows.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

async fn run(options: &Options, directory: &Path, report: &Arc<Report>) -> Figures {
    let (deployment, keys) = Deployment::start(directory, options.sabotage, report).await;
    let kept = if options.duration() < PERIOD { KEPT_BRIEFLY } else { KEPT };
    let callers = Arc::new(Callers {
        clients: Clients::new(&deployment.addresses),
        knowledge: Knowledge::new(keys, kept),
        recorder: Recorder::new(),
        budget: (!options.naive_callers).then(RetryBudget::full),
        report: Arc::clone(report),
        sabotage: options.sabotage,
    });
    load::fill(&callers, options.seed).await;
    deployment.psql.run("VACUUM ANALYZE");
    let settings = settings(&deployment.psql);
    let highest = match options.rate {
        Some(_) => None,
        None => {
            let measured =
                (options.duration() / 4).clamp(Duration::from_secs(2), Duration::from_secs(30));
            Some(load::highest_rate(&callers, measured, options.seed).await)
        }
    };
    let rate = options.rate.or(highest.map(|highest| highest * SHARE)).unwrap_or(1.0).max(1.0);
    println!("{:.0} calls a second were the most; the load has {rate:.0}", highest.unwrap_or(rate));

    let (start, ended) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    callers.recorder.restart(start);
    let sampler = Sampler {
        processes: Arc::clone(&deployment.processes),
        data: deployment.cluster.data_dir().to_owned(),
        start,
        interval: SAMPLE_INTERVAL.min(options.duration() / LEAST_SAMPLES),
        ended: Arc::clone(&ended),
    };
    let sampler = spawn(sampler.run());
    if let Some(sabotage) = options.sabotage {
        let (server, psql) = (deployment.addresses.grpc[0], deployment.psql.clone());
        spawn(sabotage.run(server, psql, options.duration(), Arc::clone(&ended)));
    }
    let random = Random::new(options.seed, 0);
    let faults = Faults::new(
        deployment,
        Arc::clone(&callers),
        (&options.faults, random),
        (start, Arc::clone(&ended)),
    );
    let period = PERIOD.min(options.duration());
    let periods = (options.minutes * 60.0 / period.as_secs_f64()) as u32;
    let faults = spawn_blocking(move || faults.run(periods, period));
    load::run(&callers, rate, (start, start + options.duration()), &ended, options.seed).await;
    ended.store(true, Ordering::Relaxed);
    let (series, stopped) = sampler.await.unwrap();
    let (mut deployment, faults) = faults.await.unwrap();

    let (callers_of_audit, report_of_audit) = (Arc::clone(&callers), Arc::clone(report));
    let audit = spawn_blocking(move || {
        deployment.stop();
        let expected = callers_of_audit.knowledge.expected();
        Audit::of(expected, &deployment.psql, &report_of_audit)
    });
    let audit = audit.await.unwrap();
    Figures {
        seed: options.seed,
        minutes: options.minutes,
        highest,
        rate,
        windows: callers.recorder.windows(),
        kinds: callers.recorder.kinds(),
        failures: callers.recorder.failures(),
        attempts: callers.recorder.attempts(),
        faults,
        series,
        audit,
        unexpected: report.unexpected_count(),
        stopped,
        settings,
    }
}

/// Returns what the figures depend on, of the machine and of Postgres.
fn settings(psql: &Psql) -> Vec<String> {
    let processors = available_parallelism().map_or(0, NonZero::get);
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let show = |name: &str| format!("{name} = {}", psql.run(&format!("SHOW {name}")));
    let mut settings =
        vec![format!("{processors} processors for all of it"), format!("{build} build")];
    settings.extend(["server_version", "fsync", "shared_buffers", "max_wal_size"].map(show));
    settings
}

/// Prints the figures and writes them into files, with a plot. Returns whether they were kept, too.
fn publish(options: &Options, figures: &Figures) -> bool {
    let text = text::markdown(figures);
    println!("{text}");
    fs::create_dir_all(&options.out).unwrap();
    let out = options.out.canonicalize().unwrap();
    let (page, plot) = (out.join("REPORT.md"), out.join("soak.svg"));
    let illustrated = format!("![{PLOT}](soak.svg)\n\n{text}");
    fs::write(&page, format!("# Soak\n\n{illustrated}")).unwrap();
    plot::draw(figures, &plot);
    println!("report: {}\nplot: {}", page.display(), plot.display());
    let Some(keep) = &options.keep else { return false };
    if !figures.is_good() || !figures.is_long_enough() {
        println!("nothing was kept, as the run failed, or was too short for a verdict on growth");
        return false;
    }
    let Some(kept) = kept_page(keep, &illustrated) else {
        println!("nothing was kept: {} has no place for figures any more", keep.display());
        return false;
    };
    fs::write(keep.join("SOAK.md"), kept).unwrap();
    fs::copy(&plot, keep.join("soak.svg")).unwrap();
    println!("kept in {}", keep.display());
    true
}

/// Returns the page of a directory with these figures; `None` if it has no place for them.
fn kept_page(directory: &Path, figures: &str) -> Option<String> {
    let page = fs::read_to_string(directory.join("SOAK.md")).ok()?;
    section::replaced(&page, figures)
}
