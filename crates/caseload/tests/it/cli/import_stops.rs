//! Imports that are stopped, and run again.

use super::shell::{Shell, interrupt};
use crate::support::{App, Program, Session, polling::wait_until};

const LINES: usize = 3000;

/// A server that takes some time for an import: 100 calls a second, after the first ten.
async fn slow_shell() -> Shell {
    let app = App::builder().server_args(&["--key-rate", "100:10"]).start().await;
    Shell::open_on(app).await
}

fn file(shell: &Shell) -> String {
    let lines: String = (0..LINES).map(|number| format!("Task {number}\n")).collect();
    shell.file("tasks.csv", format!("description\n{lines}"))
}

/// Waits until there are this many tasks.
fn await_tasks(shell: &Shell, program: &mut Program, count: usize) {
    wait_until("the first tasks", || shell.counts().0 >= count);
    assert!(!program.has_exited(), "the import has ended before it could be stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_twice_creates_each_line_once() {
    let shell = slow_shell().await;
    let import = ["import", &file(&shell), "--case", &shell.case];
    for count in [500, 1500] {
        let mut program = shell.start(&import);
        await_tasks(&shell, &mut program, count);
        program.kill();
        assert!(shell.counts().0 < LINES);
    }
    let before = shell.counts().0;
    let summary = &shell.json(&import)[0];
    assert_eq!(shell.counts(), (LINES, LINES));
    assert_eq!(summary["records"], LINES);
    // Calls that the server had not answered may have been carried out since.
    assert!(summary["created_before"].as_u64().unwrap() >= before as u64, "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_created_after_the_kill_is_not_created_again() {
    let shell = Shell::open().await;
    let import = ["import", &file(&shell), "--case", &shell.case];
    let mut session = Session::open(shell.app.database.url());
    session.lock("tasks");
    let program = shell.start(&import);
    session.await_blocked(1);
    program.kill();
    session.unlock();
    shell.text(&import);
    assert_eq!(shell.counts(), (LINES, LINES));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_an_import_between_two_batches() {
    let shell = slow_shell().await;
    let import = ["import", &file(&shell), "--case", &shell.case];
    let mut program = shell.start(&import);
    await_tasks(&shell, &mut program, 500);
    interrupt(&program);
    let exited = program.wait_for_exit();
    assert_eq!(exited.code(), Some(130), "{exited:?}");
    let (count, _) = shell.counts();
    assert!(exited.stdout.contains(&format!("{count} created\n")), "{exited:?}");
    let message = format!(
        "interrupted: everything up to line {} is done; run the same command again to go on\n",
        count + 1
    );
    assert_eq!(exited.stderr, message);
    shell.text(&import);
    assert_eq!(shell.counts(), (LINES, LINES));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_without_a_server_says_how_far_it_got() {
    let shell = Shell::open().await;
    let file = file(&shell);
    let import = ["import", &file, "--case", &shell.case, "--timeout", "500ms"];
    shell.app.shutdown.cancel();
    let exited = shell.run(&import);
    assert_eq!((exited.code(), &*exited.stdout), (Some(69), "0 records: 0 created\n"));
    assert!(exited.stderr.contains("run the same command again"), "{}", exited.stderr);
}
