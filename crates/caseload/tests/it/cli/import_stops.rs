//! Imports that are stopped, and run again.

use super::{
    full_server::FullServer,
    shell::{Shell, interrupt},
};
use crate::support::{Program, Session, polling::wait_until};

pub(super) const LINES: usize = 3000;

/// SQL that has some tasks wait, before they are created, for an advisory lock with their number. Until
/// then an import that has come to them gets no further.
pub(super) const GATES: &str = "CREATE FUNCTION await_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     PERFORM pg_advisory_xact_lock_shared(replace(NEW.description, 'Task ', '')::bigint); \
     RETURN NEW; END $$; \
     CREATE TRIGGER gates BEFORE INSERT ON tasks FOR EACH ROW \
     WHEN (NEW.description IN ('Task 700', 'Task 1900')) EXECUTE FUNCTION await_gate()";

/// Holds imports up at the task with a number, as long as it is closed.
pub(super) struct Gate {
    session: Session,
    number: usize,
}

impl Gate {
    pub(super) fn close(shell: &Shell, number: usize) -> Self {
        let mut session = Session::open(shell.app.database.url());
        session.query(&format!("SELECT pg_advisory_lock({number})"));
        Self { session, number }
    }

    /// Waits until an import has come to the task.
    pub(super) fn await_import(&mut self) {
        let waiting = format!(
            "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
             AND objid = {} AND database = (SELECT oid FROM pg_database WHERE datname = \
             current_database())",
            self.number
        );
        wait_until("an import at the gate", || self.session.query(&waiting) == "t");
    }

    pub(super) fn open(mut self) {
        self.session.query(&format!("SELECT pg_advisory_unlock({})", self.number));
    }
}

pub(super) fn file(shell: &Shell) -> String {
    let lines: String = (0..LINES).map(|number| format!("Task {number}\n")).collect();
    shell.file("tasks.csv", format!("description\n{lines}"))
}

/// Waits until a program says that it was interrupted: it begins no further batch from then on.
fn await_interruption(program: &Program) {
    wait_until("the interruption", || program.stderr().starts_with("interrupted: waiting up to"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_twice_creates_each_line_once() {
    let shell = Shell::open().await;
    shell.app.database.query(GATES);
    let import = ["import", &file(&shell), "--case", &shell.case];
    for number in [700, 1900] {
        let mut gate = Gate::close(&shell, number);
        let program = shell.start(&import);
        gate.await_import();
        let exited = program.kill();
        assert_eq!((exited.code(), &*exited.stderr), (None, ""), "it had ended before");
        assert!(shell.counts().0 < LINES);
        gate.open();
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
    let shell = Shell::open().await;
    shell.app.database.query(GATES);
    let import = ["import", &file(&shell), "--case", &shell.case];
    let mut gate = Gate::close(&shell, 700);
    let program = shell.start(&import);
    gate.await_import();
    interrupt(&program);
    await_interruption(&program);
    gate.open();
    let exited = program.wait_for_exit();
    assert_eq!(exited.code(), Some(130), "{exited:?}");
    let (count, _) = shell.counts();
    assert!((701..LINES).contains(&count), "{count}");
    assert_eq!(exited.stdout, format!("{count} records: {count} created\n"));
    let message = format!(
        "interrupted: waiting up to 30s for the calls under way; Ctrl-C again ends it at once\n\
         interrupted: everything up to line {} is done; run the same command again to go on\n",
        count + 1
    );
    assert_eq!(exited.stderr, message);
    shell.text(&import);
    assert_eq!(shell.counts(), (LINES, LINES));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_gives_up_what_is_throttled_once_the_timeout_is_over() {
    let shell = Shell::open().await;
    let server = FullServer::start().await;
    let one_batch = shell.file("short.csv", "description\nTask 1\n");
    // The end of a short file has been read when the signal comes, that of a long one has not.
    for file in [one_batch, file(&shell)] {
        let import = ["import", &file, "--case", "1", "--server", server.url()];
        let program = shell.start(&[&import[..], &["--timeout", "4s"]].concat());
        server.await_refusals(3).await;
        interrupt(&program);
        let exited = program.wait_for_exit();
        assert_eq!(exited.code(), Some(130), "{exited:?}");
        assert_eq!(exited.stdout, "0 records: 0 created\n");
        let message = "interrupted: waiting up to 4s for the calls under way; Ctrl-C again ends it \
                       at once\ninterrupted: everything up to line 0 is done; run the same command \
                       again to go on\n";
        assert_eq!(exited.stderr, message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ctrl_c_ends_an_import_at_once() {
    let shell = Shell::open().await;
    let server = FullServer::start().await;
    let import = ["import", &file(&shell), "--case", "1", "--server", server.url()];
    let program = shell.start(&[&import[..], &["--timeout", "1d"]].concat());
    server.await_refusals(1).await;
    interrupt(&program);
    await_interruption(&program);
    interrupt(&program);
    assert_eq!(program.wait_for_exit().code(), Some(130));
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
