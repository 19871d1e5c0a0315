//! A session with a database that stays open: to hold a lock, or to look often at little cost.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use store::DatabaseUrl;

use super::{database::program, polling::wait_until};

/// What psql is told to print after each answer.
const END: &str = "-- end of the answer --";

/// An open `psql`. What it has locked is free again once it is dropped.
pub(crate) struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    pub(crate) fn open(url: &DatabaseUrl) -> Self {
        let mut child = program("psql")
            .args([url.expose(), "-XAtqv", "ON_ERROR_STOP=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// What is printed for these statements, in one line or more.
    #[track_caller]
    pub(crate) fn query(&mut self, sql: &str) -> String {
        writeln!(self.input, "{sql};\n\\echo {END}").unwrap();
        let mut answer = String::new();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "psql ended at {sql}");
            if line.trim_end() == END {
                return answer.trim_end().to_owned();
            }
            answer.push_str(&line);
        }
    }

    /// Keeps others from writing to a table, until [`Self::unlock`]. They may still read it.
    pub(crate) fn lock(&mut self, table: &str) {
        self.query(&format!("BEGIN; LOCK TABLE {table} IN SHARE MODE"));
    }

    pub(crate) fn unlock(&mut self) {
        self.query("COMMIT");
    }

    /// Waits until this many sessions of the database wait for a lock.
    #[track_caller]
    pub(crate) fn await_blocked(&mut self, count: usize) {
        const BLOCKED: &str = "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'";
        // Within a transaction, Postgres would answer from its first look.
        wait_until("a session that waits for a lock", || {
            self.query(&format!("SELECT pg_stat_clear_snapshot(); {BLOCKED}")).trim()
                == count.to_string()
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
