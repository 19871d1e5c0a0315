//! What is logged when a process ends by a panic.

use std::{
    env,
    process::{Command, Stdio},
    thread,
};

use caseload_telemetry::logs::{self, LogFormat, LogOptions};
use serde_json::Value;

/// Set in the process that panics.
const VARIABLE: &str = "CASELOAD_TEST_PANICS";

/// Panics on two threads, in the process that the other test starts.
#[test]
fn the_process_that_panics() {
    if env::var_os(VARIABLE).is_none() {
        return;
    }
    let options = LogOptions { log_level: "info".to_owned(), log_format: LogFormat::Json };
    let _logs = logs::start(&options).unwrap();
    let named = thread::Builder::new().name("writer-1".to_owned());
    named.spawn(|| panic!("the first panic")).unwrap().join().unwrap_err();
    tracing::info!("still there");
    panic!("the {} panic", "last");
}

#[test]
fn panics_are_lines_of_the_log_which_is_flushed_when_one_ends_the_process() {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_process_that_panics", "--nocapture"])
        .env(VARIABLE, "1")
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    let log: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, still, last] = &log[..] else { panic!("{text}") };
    assert_eq!(
        (&first["message"], &first["level"]),
        (&"a thread panicked".into(), &"ERROR".into())
    );
    assert_eq!(
        (&first["panic"], &first["thread"]),
        (&"the first panic".into(), &"writer-1".into())
    );
    assert!(first["location"].as_str().unwrap().contains("process_end.rs:"), "{first}");
    assert_eq!(first.get("backtrace"), None);
    assert_eq!(still["message"], "still there");
    assert_eq!(last["panic"], "the last panic");
}
