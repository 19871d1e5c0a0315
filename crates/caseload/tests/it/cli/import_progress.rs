//! How far an import is: shown on a terminal, and nowhere else.

use super::{
    import_stops::{GATES, Gate, LINES, file},
    shell::Shell,
    terminal::Terminal,
};
use crate::support::polling::wait_for;

/// A bar: the percentage, the records, how many of them a second, and the time that is left.
#[derive(Debug)]
struct Bar {
    percent: u64,
    records: u64,
    rate: u64,
    left: String,
}

/// Returns the bars that were drawn.
fn bars(written: &str) -> Vec<Bar> {
    let bar = |drawn: &str| {
        let (before, after) = drawn.split_once("%  ")?;
        let (records, after) = after.split_once(" records, ")?;
        let (rate, after) = after.split_once("/s, ")?;
        let (left, _) = after.split_once(" left")?;
        Some(Bar {
            percent: before.rsplit(' ').next()?.parse().ok()?,
            records: records.parse().ok()?,
            rate: rate.parse().ok()?,
            left: left.to_owned(),
        })
    };
    written.split('\r').filter_map(bar).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_the_rate_and_the_time_left_and_a_pipe_has_neither() {
    let shell = Shell::open().await;
    shell.app.database.query(GATES);
    let import = ["import", &file(&shell), "--case", &shell.case];
    let terminal = Terminal::open();
    let mut gate = Gate::close(&shell, 700);
    let program = shell.start_on(&terminal, &import);
    gate.await_import();
    let shown = wait_for("a bar with records and a time", || {
        let bar = bars(&terminal.written()).pop()?;
        (bar.records > 0 && bar.left != "0s").then_some(bar)
    });
    gate.open();
    // The batch with task 700 is not reported, nor is anything after it.
    assert!((25..=700).contains(&shown.records) && shown.records.is_multiple_of(25), "{shown:?}");
    assert!((1..=25).contains(&shown.percent) && shown.rate > 0, "{shown:?}");
    let seconds = shown.left.strip_suffix('s').and_then(|number| number.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0), "{shown:?}");
    let exited = program.wait_for_exit();
    let sentence = |created: &str| format!("{LINES} records: {created}\n");
    assert_eq!((exited.code(), exited.stdout), (Some(0), sentence("3000 created")));
    // At the end the line is empty again.
    let written = terminal.end();
    assert!(written.ends_with("\r\u{1b}[2K"), "{:?}", bars(&written));

    // It fails if anything is on standard error.
    let again = shell.text(&[&import[..], &["--import-id", "again"]].concat());
    assert_eq!(again, sentence("3000 created"));
}
