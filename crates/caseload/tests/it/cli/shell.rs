//! A shell in which `caseload tasks` reaches a server.

use std::{fs, process::Command};

use domain::{ApiKey, Scope};
use serde_json::Value;
use tempfile::TempDir;

use super::terminal::Terminal;
use crate::support::{App, CASELOAD, Exited, Program};

/// A server, and a key that may read and write tasks.
pub(super) struct Shell {
    pub(super) app: App,
    pub(super) key: ApiKey,
    pub(super) case: String,
    directory: TempDir,
}

impl Shell {
    pub(super) async fn open() -> Self {
        Self::open_on(App::start().await).await
    }

    pub(super) async fn open_on(app: App) -> Self {
        let key = app.key_with(&[Scope::TasksRead, Scope::TasksWrite]).await;
        let case = app.case_id.to_string();
        Self { app, key, case, directory: tempfile::tempdir().unwrap() }
    }

    /// Writes a file, and returns its path.
    pub(super) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Returns the path of a file, which need not exist.
    pub(super) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Starts `caseload tasks` with these arguments.
    pub(super) fn start(&self, args: &[&str]) -> Program {
        self.start_with(&self.key, &[&["tasks"], args].concat())
    }

    /// Starts `caseload` with these arguments and an API key.
    pub(super) fn start_with(&self, key: &ApiKey, args: &[&str]) -> Program {
        let server = format!("http://{}", self.app.grpc_addr);
        let variables = [("CASELOAD_SERVER", &*server), ("CASELOAD_API_KEY", key.expose())];
        Program::start_with_env(CASELOAD, args, &variables)
    }

    /// Starts `caseload tasks` with these arguments, and with its standard error on a terminal.
    pub(super) fn start_on(&self, terminal: &Terminal, args: &[&str]) -> Program {
        let server = format!("http://{}", self.app.grpc_addr);
        let variables = [
            ("caseload", CASELOAD),
            ("terminal", terminal.path()),
            ("TERM", "xterm"),
            ("CASELOAD_SERVER", &*server),
            ("CASELOAD_API_KEY", self.key.expose()),
        ];
        let script = r#"exec "$caseload" tasks "$@" 2>"$terminal""#;
        Program::start_with_env("/bin/sh", &[&["-c", script, "sh"], args].concat(), &variables)
    }

    /// Runs `caseload tasks` with these arguments.
    pub(super) fn run(&self, args: &[&str]) -> Exited {
        let exited = self.start(args).wait_for_exit();
        exited.assert_never_wrote(&[self.key.expose()]);
        exited
    }

    /// Runs a command that must succeed without a message, and returns what it prints.
    #[track_caller]
    pub(super) fn text(&self, args: &[&str]) -> String {
        let exited = self.run(args);
        assert_eq!((exited.code(), &*exited.stderr), (Some(0), ""), "{args:?}: {exited:?}");
        exited.stdout
    }

    /// Runs a command that must succeed with `--json`, and returns the object of each line.
    #[track_caller]
    pub(super) fn json(&self, args: &[&str]) -> Vec<Value> {
        let text = self.text(&[args, &["--json"]].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Runs a command that must fail with this exit code and print no result. Returns its message.
    #[track_caller]
    pub(super) fn error(&self, code: i32, args: &[&str]) -> String {
        let exited = self.run(args);
        assert_eq!((exited.code(), &*exited.stdout), (Some(code), ""), "{args:?}: {exited:?}");
        exited.stderr
    }

    /// Runs a script of `sh`, in which `$caseload` is the program.
    pub(super) fn script(&self, script: &str) -> Exited {
        let server = format!("http://{}", self.app.grpc_addr);
        let variables = [
            ("caseload", CASELOAD),
            ("CASELOAD_SERVER", &*server),
            ("CASELOAD_API_KEY", self.key.expose()),
        ];
        Program::start_with_env("/bin/sh", &["-c", script], &variables).wait_for_exit()
    }

    /// Returns the number of tasks, and of different descriptions among them.
    pub(super) fn counts(&self) -> (usize, usize) {
        let counts = "SELECT count(*), count(DISTINCT description) FROM tasks";
        let text = self.app.database.query(counts);
        let (all, different) = text.split_once('|').unwrap();
        (all.parse().unwrap(), different.parse().unwrap())
    }
}

/// Sends SIGINT, as Ctrl-C does.
pub(super) fn interrupt(program: &Program) {
    let pid = program.pid().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
}
