//! Every option that takes a duration, a count, a size or a rate has bounds. A value outside ends the
//! program with exit code 64 and a sentence that names them; at its bounds, the program runs.

use crate::support::{CASELOAD, Program, gateway_path};

/// The kinds of values that have bounds, as `--help` writes them.
const KINDS: [&str; 6] =
    ["<BYTES>", "<DURATION>", "<COUNT>", "<MIB>", "<PERCENT>", "<RATE[:BURST]>"];

/// Values that no option takes, except those of [`ZERO`].
const EXTREMES: [&str; 13] = [
    "",
    "0",
    "0s",
    "1ns",
    "-1",
    "1e9",
    "4294967295",
    "18446744073709551615",
    "18446744073709551616",
    "101y",
    "8000y",
    "99999999999y",
    "18446744073709551615y",
];

/// Options that may be zero, and so take durations close to it, but for `--max-lag`.
const ZERO: [&str; 7] = [
    "--drain-delay",
    "--drain-timeout",
    "--key-ttl",
    "--max-lag",
    "--unknown-key-ttl",
    "--expires-in",
    "--hsts-max-age",
];

/// Returns the options of a command that take a value of these kinds.
fn options(path: &str, command: &[&str]) -> Vec<String> {
    let help = Program::run(path, &[command, &["--help"]].concat());
    assert_eq!(help.code(), Some(0), "{help:?}");
    let option = |line: &str| {
        let (flag, kind) = line.trim().split_once(' ')?;
        (flag.starts_with("--") && KINDS.contains(&kind)).then(|| flag.to_owned())
    };
    help.stdout.lines().filter_map(option).collect()
}

/// Returns the least and the greatest value of an option, as its error message names them.
fn bounds(path: &str, command: &[&str], flag: &str) -> [String; 2] {
    let rejected = Program::run(path, &[command, &[&format!("{flag}=-1")]].concat());
    let named = || {
        let (_, least) = rejected.stderr.split_once("at least ")?;
        let (least, greatest) = least.split_once(" and at most ")?;
        Some([least.to_owned(), greatest.split_whitespace().next()?.to_owned()])
    };
    named().unwrap_or_else(|| panic!("{flag}: the message names no bounds: {rejected:?}"))
}

#[test]
fn an_extreme_value_of_any_option_is_rejected_with_a_message_that_names_the_bounds() {
    let gateway = gateway_path();
    let mut wrong = Vec::new();
    for (path, command, least_count) in [
        (CASELOAD, &["serve"][..], 18),
        (CASELOAD, &["dev"], 20),
        (CASELOAD, &["migrate"], 1),
        (CASELOAD, &["admin", "key", "create"], 2),
        (CASELOAD, &["health"], 1),
        (gateway.as_str(), &[], 9),
        (gateway.as_str(), &["health"], 1),
    ] {
        let flags = options(path, command);
        assert!(flags.len() >= least_count, "{command:?}: {flags:?}");
        for flag in &flags {
            for value in EXTREMES {
                // Values are parsed in their order: the help text shows that this one was accepted.
                let argument = format!("{flag}={value}");
                let ended = Program::run(path, &[command, &[&argument, "--help"]].concat());
                let may_be_brief = flag != "--max-lag" || value != "1ns";
                let is_accepted = ZERO.contains(&flag.as_str())
                    && ["0", "0s", "1ns"].contains(&value)
                    && may_be_brief;
                let names_bounds = value.is_empty() || ended.stderr.contains(" and at most ");
                let is_right = match ended.code() {
                    Some(0) => is_accepted,
                    Some(64) => !is_accepted && ended.stderr.contains(flag) && names_bounds,
                    _ => false,
                };
                if !is_right {
                    wrong.push(format!("{command:?} {argument}: {ended:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_program_runs_with_all_options_at_their_least_or_greatest_values() {
    let gateway = gateway_path();
    let server = ["--grpc-addr=127.0.0.1:0", "--database-url=postgresql://127.0.0.1:1/caseload"];
    for (path, command, args, message) in [
        (CASELOAD, &["serve"][..], &server[..], "serving gRPC"),
        (gateway.as_str(), &[], &["--http-addr=127.0.0.1:0"], "serving REST"),
    ] {
        let flags = options(path, command);
        let bounds: Vec<_> = flags.iter().map(|flag| bounds(path, command, flag)).collect();
        for index in [0, 1] {
            let values = flags.iter().zip(&bounds);
            let values: Vec<_> = values
                .map(|(flag, bounds)| match (flag.as_str(), index) {
                    // The least of both contradict each other on the gateway.
                    ("--address-share", 0) => format!("{flag}=100"),
                    ("--body-memory", 0) => format!("{flag}=2"),
                    _ => format!("{flag}={}", bounds[index]),
                })
                .collect();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let program = Program::start(path, &[command, args, &values].concat());
            program.wait_for_log(message);
            program.kill().assert_never_wrote(&["panicked"]);
        }
    }
}

#[test]
fn options_that_contradict_each_other_are_rejected_before_anything_is_opened() {
    for (command, options, message) in [
        ("serve", "--lock-timeout 5s", "--lock-timeout must be less than --max-statement-age"),
        ("serve", "--max-statement-age 1s", "--lock-timeout must be less than --max-statement-age"),
        ("dev", "--max-statement-age 1s", "--lock-timeout must be less than --max-statement-age"),
        ("serve", "--unknown-key-look-ups 4", "--unknown-key-look-ups must be less than --readers"),
        (
            "serve",
            "--readers 1 --unknown-key-look-ups 2",
            "--unknown-key-look-ups must be less than --readers",
        ),
        (
            "dev",
            "--upstream-timeout 60s --idempotency-ttl 60s",
            "--upstream-timeout must be less than --idempotency-ttl",
        ),
        ("dev", "--body-memory 1 --address-share 100", "--body-memory must be larger"),
        ("dev", "--address-share 1", "--body-memory must be larger"),
    ] {
        let options: Vec<_> = options.split(' ').collect();
        let url = ["--database-url", "postgresql://127.0.0.1:1/caseload"];
        let ended = Program::run(CASELOAD, &[&[command], &url[..], &options].concat());
        assert_eq!(ended.code(), Some(64), "{ended:?}");
        assert!(ended.stderr.contains(message), "{ended:?}");
    }
}

#[test]
fn a_private_database_is_not_used_with_row_level_security() {
    let ended = Program::run(CASELOAD, &["dev", "--row-level-security"]);
    assert_eq!(ended.code(), Some(64), "{ended:?}");
    let message = "--row-level-security needs --database-url";
    assert!(ended.stderr.contains(message), "{ended:?}");
}
