//! `caseload dev`: everything in one process, on data that stay.

mod data;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    Program, SAMPLE, Session,
    polling::{wait_for, wait_until},
};

const CASELOAD: &str = env!("CARGO_BIN_EXE_caseload");

/// A directory for `caseload dev` and its ready file.
struct Place(TempDir);

/// A `caseload dev` that is ready.
struct Dev {
    program: Program,
    ready: Value,
}

impl Place {
    fn create() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn ready_file(&self) -> String {
        self.0.path().join("ready.json").display().to_string()
    }

    fn data_dir(&self) -> String {
        self.0.path().join("data").display().to_string()
    }

    /// Starts it, on free ports.
    fn launch(&self, variables: &[(&str, &str)]) -> Program {
        let (data_dir, ready_file) = (self.data_dir(), self.ready_file());
        let args = ["dev", "--data-dir", &data_dir, "--ready-file", &ready_file];
        let ports = ["--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"];
        Program::start_with(CASELOAD, &[&args[..], &ports].concat(), variables)
    }

    /// Starts it, and waits until it is ready.
    fn start(&self) -> Dev {
        self.ready(self.launch(&[]))
    }

    /// Waits until it is ready.
    fn ready(&self, mut program: Program) -> Dev {
        let ready = wait_for("the ready file", || {
            assert!(!program.has_ended(), "{}", program.stderr());
            // It appears as a whole, so what can be read can be parsed.
            let text = fs::read_to_string(self.ready_file()).ok()?;
            Some(serde_json::from_str(&text).unwrap())
        });
        Dev { program, ready }
    }

    /// The process id of the Postgres that runs on the data, where one does.
    fn postgres(&self) -> Option<u32> {
        let data = Path::new(&self.data_dir()).join("postgres/pgdata");
        let pid = fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().next()?.parse();
        pid.ok().filter(|pid| is_alive(*pid))
    }
}

impl Dev {
    fn text(&self, member: &str) -> &str {
        self.ready[member].as_str().unwrap()
    }

    fn batch_url(&self) -> String {
        format!("{}/api/v2/cases/{}/tasks/batch", self.text("rest_url"), self.ready["case_id"])
    }

    /// Creates the sample's tasks, and returns the answer's status.
    async fn create(&self) -> StatusCode {
        create(&self.batch_url(), self.text("api_key")).await
    }

    fn session(&self) -> Session {
        Session::open(&self.text("database_url").parse().unwrap())
    }

    fn task_count(&self) -> String {
        self.session().query("SELECT count(*) FROM tasks")
    }
}

async fn create(url: &str, key: &str) -> StatusCode {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(url).bearer_auth(key).header("content-type", "application/json");
    request.body(SAMPLE).send().await.unwrap().status()
}

/// Whether it runs: one that has ended may still wait for its parent to notice.
fn is_alive(pid: u32) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8(output.stdout).unwrap();
    !state.trim().is_empty() && !state.starts_with('Z')
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ready_file_tells_how_to_reach_everything_and_goes_with_it() {
    let place = Place::create();
    // One that a run which was killed left behind says nothing.
    fs::write(place.ready_file(), "{\"rest_url\":\"http://127.0.0.1:1\"").unwrap();
    let program = place.launch(&[]);
    wait_until("the old ready file's end", || {
        fs::read_to_string(place.ready_file()).map_or(true, |text| text.contains("grpc_url"))
    });
    let dev = place.ready(program);

    let mut members: Vec<_> = dev.ready.as_object().unwrap().keys().cloned().collect();
    members.sort_unstable();
    assert_eq!(members, ["api_key", "case_id", "database_url", "grpc_url", "rest_url"]);
    let mode = fs::metadata(place.ready_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(dev.create().await, 201);
    assert_eq!(dev.task_count(), "3");
    let grpc_addr = dev.text("grpc_url").strip_prefix("http://").unwrap();
    let health = Program::run(CASELOAD, &["health", "--grpc-addr", grpc_addr]);
    assert_eq!(health.code(), Some(0));

    let postgres = place.postgres().unwrap();
    dev.program.terminate();
    let ended = dev.program.ended();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(!Path::new(&place.ready_file()).exists());
    assert!(!is_alive(postgres));
    assert!(!ended.stderr.contains(dev.ready["api_key"].as_str().unwrap()), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_that_it_prints_works_as_it_is() {
    let place = Place::create();
    let dev = place.start();
    // The line that begins with curl, and those that belong to it.
    let printed = wait_for("the curl", || {
        let stdout = dev.program.stdout();
        let (_, curl) = stdout.split_once("\n\ncurl ")?;
        curl.split_once("\n\n").map(|(curl, _)| format!("curl {curl}"))
    });

    if Command::new("curl").arg("--version").output().is_ok() {
        let script = format!("{printed} --silent --noproxy '*' --write-out '\\n%{{http_code}}'");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        assert_eq!(status, "201", "{body}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["tasks"].as_array().unwrap().len(), 3);
    } else {
        assert!(printed.contains(&dev.batch_url()), "{printed}");
        assert!(printed.contains(SAMPLE), "{printed}");
        assert_eq!(dev.create().await, 201);
    }
    assert_eq!(dev.task_count(), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_when_it_is_told_to_end_is_finished_and_answered() {
    let place = Place::create();
    let dev = place.start();
    let mut session = dev.session();
    session.lock("tasks");

    let url = dev.batch_url();
    let key = dev.text("api_key").to_owned();
    let running = tokio::spawn(async move { create(&url, &key).await });
    session.await_blocked(1);
    dev.program.terminate();
    wait_until("the ready file's end", || !Path::new(&place.ready_file()).exists());
    assert!(!running.is_finished());
    session.unlock();

    let status = running.await.unwrap();
    assert_eq!(status, 201);
    assert_eq!(dev.program.ended().code(), Some(0));
    assert_eq!(place.postgres(), None);
}
