//! `caseload admin` on a database.

use serde_json::Value;

use super::{CASELOAD, Exited, Program, TestDatabase};

/// Runs `caseload admin` on a database.
pub(crate) struct AdminShell {
    pub(crate) database: TestDatabase,
}

impl AdminShell {
    /// Opens a shell on a new database.
    pub(crate) fn open() -> Self {
        Self { database: TestDatabase::create() }
    }

    /// Runs a command.
    pub(crate) fn run(&self, args: &[&str]) -> Exited {
        let args = [&["admin"], args].concat();
        let url = [("CASELOAD_DATABASE_URL", self.database.url().expose())];
        Program::start_with_env(CASELOAD, &args, &url).wait_for_exit()
    }

    /// Runs a command that must succeed, and returns what it prints.
    #[track_caller]
    pub(crate) fn text(&self, args: &[&str]) -> String {
        let exited = self.run(args);
        assert_eq!(exited.code(), Some(0), "{args:?}: {exited:?}");
        exited.stdout
    }

    /// Runs a command that must succeed with `--json`, and returns the parsed output.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[args, &["--json"]].concat())).unwrap()
    }

    /// Runs a command that must fail with this exit code, and returns what it prints to standard
    /// error.
    #[track_caller]
    pub(crate) fn error(&self, code: i32, args: &[&str]) -> String {
        let exited = self.run(args);
        assert_eq!(exited.code(), Some(code), "{args:?}: {exited:?}");
        assert_eq!(exited.stdout, "", "{args:?}");
        exited.stderr
    }
}
