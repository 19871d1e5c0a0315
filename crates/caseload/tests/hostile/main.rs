//! Attacks a whole deployment from outside, and counts what that does to honest callers.
//!
//! `make hostile` runs every case; docs/HOSTILE.md describes them and the figures.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first failure")]

mod attack;
mod caller;
mod cases;
mod deployment;
mod fair_siege;
mod figures;
#[path = "../guardian/mod.rs"]
mod guardian;
mod health;
mod latencies;
#[path = "../chaos/libtest.rs"]
mod libtest;
mod neighbours;
#[expect(dead_code, reason = "the chaos test uses the rest")]
#[path = "../chaos/random.rs"]
mod random;
mod siege;
mod stage;
mod support;
mod tap;

use std::{
    net::{IpAddr, Ipv4Addr},
    process::{self, ExitCode},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use cases::{CASES, Case};
use figures::{Figures, MAX_GATEWAY_MIB, MAX_SERVER_MIB};
use guardian::Guardian;
use libtest::Libtest;
use stage::Stage;

/// How long each attack of a full run lasts, and of a short one.
const FULL: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(800);

/// The most time that a run may take.
const LIMIT: Duration = Duration::from_secs(180);

/// Where attackers connect from. Honest callers use 127.0.0.1.
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Attacks a server and a gateway, and counts the honest calls that are stalled, starved or written late
#[derive(Parser)]
struct Options {
    /// Run only this case; repeat it for several
    #[arg(long, value_name = "NAME")]
    case: Vec<String>,

    /// The seed of everything that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Run the full form: longer attacks, and every variant of them
    #[arg(long)]
    full: bool,

    #[command(flatten)]
    libtest: Libtest,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let names: Vec<_> = CASES.iter().map(|case| case.name).collect();
    if let Some(name) = options.case.iter().find(|name| !names.contains(&name.as_str())) {
        println!("hostile: there is no case {name}; the cases are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    let is_named = |case: &&Case| match options.case.is_empty() {
        true => options.full || case.is_short,
        false => is_in(&options.case, case.name),
    };
    let selected = options.libtest.selected(&names);
    let cases = CASES.iter().filter(is_named).filter(|case| selected.contains(&case.name));
    let cases: Vec<_> = cases.collect();
    if cases.is_empty() {
        return ExitCode::SUCCESS;
    }
    if !cfg!(target_os = "linux") {
        println!("hostile: skipped, as it needs Linux: /proc, and all addresses of 127.0.0.0/8");
        return ExitCode::SUCCESS;
    }
    run(&options, &cases)
}

fn is_in(names: &[String], name: &str) -> bool {
    names.iter().any(|other| other == name)
}

fn run(options: &Options, cases: &[&Case]) -> ExitCode {
    end_after(LIMIT);
    let directory = tempfile::tempdir().unwrap();
    let honest = runtime(1);
    let stage = Stage {
        attack: if options.full { FULL } else { SHORT },
        is_full: options.full,
        attacker: ATTACKER,
        seed: options.seed,
        honest: honest.handle().clone(),
        guardian: Arc::new(Guardian::of(directory.path())),
    };
    println!("hostile: {} cases, --seed {}", cases.len(), options.seed);
    let mut total = Figures::default();
    for case in cases {
        let started = Instant::now();
        let figures = run_case(case, stage.clone());
        let seconds = started.elapsed().as_secs_f64();
        println!("{:<16} {figures}\n    {seconds:.1} s", case.name);
        total.add(&figures);
    }
    if total.takes_too_much() {
        println!(
            "hostile: the server may take {MAX_SERVER_MIB} MiB, and the gateway {MAX_GATEWAY_MIB} MiB"
        );
    }
    println!("{}", total.summary());
    if total.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a case on a runtime of its own, which takes its attackers with it.
fn run_case(case: &Case, stage: Stage) -> Figures {
    let runtime = runtime(2);
    let figures = runtime.block_on((case.run)(stage));
    runtime.shutdown_background();
    figures
}

fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
}

/// Ends a run that hangs. The guardians then end the processes that it started.
fn end_after(limit: Duration) {
    thread::spawn(move || {
        thread::sleep(limit);
        println!("hostile: did not end within {limit:?}");
        process::exit(1);
    });
}
