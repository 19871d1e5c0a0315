//! A running `caseload dev` and its directory.

use std::{fs, path::Path, process::Command};

use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{CASELOAD, Program, SAMPLE, Session, http_client, polling::wait_for};

/// A temporary directory for the data and the ready file of `caseload dev`.
pub(super) struct Directory(TempDir);

/// A `caseload dev` that is ready, and its parsed ready file.
pub(super) struct Dev {
    pub(super) program: Program,
    pub(super) ready: Value,
}

impl Directory {
    /// Creates the directory. It is removed on drop.
    pub(super) fn create() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Returns the path of the ready file, which need not exist.
    pub(super) fn ready_file(&self) -> String {
        self.0.path().join("ready.json").display().to_string()
    }

    /// Returns the path of the data, which need not exist.
    pub(super) fn data_dir(&self) -> String {
        self.0.path().join("data").display().to_string()
    }

    /// Starts `caseload dev` on free ports.
    pub(super) fn launch(&self, variables: &[(&str, &str)]) -> Program {
        let (data_dir, ready_file) = (self.data_dir(), self.ready_file());
        let args = ["dev", "--data-dir", &data_dir, "--ready-file", &ready_file];
        let ports = ["--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"];
        Program::start_with_env(CASELOAD, &[&args[..], &ports].concat(), variables)
    }

    /// Starts `caseload dev` and waits until it is ready.
    pub(super) fn start(&self) -> Dev {
        self.wait_until_ready(self.launch(&[]))
    }

    /// Waits until `caseload dev` is ready.
    pub(super) fn wait_until_ready(&self, mut program: Program) -> Dev {
        let ready = wait_for("the ready file", || {
            assert!(!program.has_exited(), "{}", program.stderr());
            // The file appears as a whole, so whatever can be read can be parsed.
            let text = fs::read_to_string(self.ready_file()).ok()?;
            Some(serde_json::from_str(&text).unwrap())
        });
        Dev { program, ready }
    }

    /// Returns the process id of the Postgres that runs on the data, if one does.
    pub(super) fn postgres(&self) -> Option<u32> {
        let data = Path::new(&self.data_dir()).join("postgres/pgdata");
        let pid = fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().next()?.parse();
        pid.ok().filter(|pid| is_alive(*pid))
    }
}

impl Dev {
    /// Returns a member of the ready file.
    pub(super) fn text(&self, member: &str) -> &str {
        self.ready[member].as_str().unwrap()
    }

    /// Returns the URL of batch create for the case of the ready file.
    pub(super) fn batch_url(&self) -> String {
        format!("{}/api/v2/cases/{}/tasks/batch", self.text("rest_url"), self.ready["case_id"])
    }

    /// Sends the sample request of the API document and returns the status of the response.
    pub(super) async fn create(&self) -> StatusCode {
        create(&self.batch_url(), self.text("api_key")).await
    }

    /// Opens a session with the database.
    pub(super) fn session(&self) -> Session {
        Session::open(&self.text("database_url").parse().unwrap())
    }

    /// Returns the number of tasks.
    pub(super) fn task_count(&self) -> String {
        self.session().query("SELECT count(*) FROM tasks")
    }
}

/// Sends the sample request of the API document and returns the status of the response.
pub(super) async fn create(url: &str, key: &str) -> StatusCode {
    let request =
        http_client().post(url).bearer_auth(key).header("content-type", "application/json");
    request.body(SAMPLE).send().await.unwrap().status()
}

/// Returns whether a process runs. A zombie, whose parent has not yet reaped it, doesn't.
pub(super) fn is_alive(pid: u32) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8(output.stdout).unwrap();
    !state.trim().is_empty() && !state.starts_with('Z')
}
