//! A session with a database that stays open: to hold a lock, or to query often at little cost.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use store::DatabaseUrl;

use super::{polling::wait_until, postgres::program};

/// What psql prints after each result.
const END: &str = "-- end of the result --";

/// A running `psql`. Its locks are released when it is dropped.
pub(crate) struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// Starts `psql` on a database.
    pub(crate) fn open(url: &DatabaseUrl) -> Self {
        let mut child = program("psql")
            .args([url.expose(), "-XAtqv", "ON_ERROR_STOP=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// Runs SQL statements and returns what psql prints: unaligned, without headings.
    #[track_caller]
    pub(crate) fn query(&mut self, sql: &str) -> String {
        writeln!(self.input, "{sql};\n\\echo {END}").unwrap();
        let mut result = String::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                let mut errors = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
                panic!("psql ended at {sql}: {errors}");
            }
            if line.trim_end() == END {
                return result.trim_end().to_owned();
            }
            result.push_str(&line);
        }
    }

    /// Runs SQL statements outside a transaction as [`Self::query`] does, and resets what they have set for the
    /// session.
    #[track_caller]
    pub(crate) fn query_and_reset(&mut self, sql: &str) -> String {
        self.query(&format!("{sql}\n;\nDISCARD ALL"))
    }

    /// Blocks writes of other sessions to a table until [`Self::unlock`]. Reads are not blocked.
    pub(crate) fn lock(&mut self, table: &str) {
        self.query(&format!("BEGIN; LOCK TABLE {table} IN SHARE MODE"));
    }

    /// Releases the lock.
    pub(crate) fn unlock(&mut self) {
        self.query("COMMIT");
    }

    /// Returns how many sessions of the database are blocked by a lock.
    #[track_caller]
    pub(crate) fn blocked(&mut self) -> usize {
        const BLOCKED: &str = "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'";
        // Within a transaction, Postgres would otherwise return its first snapshot each time.
        let count = self.query(&format!("SELECT pg_stat_clear_snapshot(); {BLOCKED}"));
        count.trim().parse().unwrap()
    }

    /// Waits until this many sessions of the database are blocked by a lock.
    #[track_caller]
    pub(crate) fn await_blocked(&mut self, count: usize) {
        wait_until("sessions that are blocked by a lock", || self.blocked() == count);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Both fail where it has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// SQL that terminates the sessions that are blocked by a lock, and waits until they are gone.
pub(crate) const TERMINATE_BLOCKED_SESSIONS: &str = "SELECT pg_terminate_backend(pid, 10000) \
    FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
