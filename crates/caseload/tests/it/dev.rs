//! `caseload dev`: everything in one process, on data that is kept.

mod data;
mod instance;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use serde_json::Value;

use crate::support::{
    CASELOAD, Program, SAMPLE,
    polling::{wait_for, wait_until},
};
use instance::{Directory, create, is_alive};

#[tokio::test(flavor = "multi_thread")]
async fn the_ready_file_lists_all_addresses_and_is_removed_at_the_end() {
    let directory = Directory::create();
    // A ready file that a killed process left behind is ignored.
    fs::write(directory.ready_file(), "{\"rest_url\":\"http://127.0.0.1:1\"").unwrap();
    let program = directory.launch(&[]);
    wait_until("the removal of the old ready file", || {
        fs::read_to_string(directory.ready_file()).map_or(true, |text| text.contains("grpc_url"))
    });
    let dev = directory.wait_until_ready(program);

    let mut members: Vec<_> = dev.ready.as_object().unwrap().keys().cloned().collect();
    members.sort_unstable();
    assert_eq!(members, ["api_key", "case_id", "database_url", "grpc_url", "rest_url"]);
    let mode = fs::metadata(directory.ready_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(dev.create().await, 201);
    assert_eq!(dev.task_count(), "3");
    let grpc_addr = dev.text("grpc_url").strip_prefix("http://").unwrap();
    let health = Program::run(CASELOAD, &["health", "--grpc-addr", grpc_addr]);
    assert_eq!(health.code(), Some(0));

    let postgres = directory.postgres().unwrap();
    dev.program.terminate();
    let exited = dev.program.wait_for_exit();
    assert_eq!(exited.code(), Some(0), "{exited:?}");
    assert!(!Path::new(&directory.ready_file()).exists());
    assert!(!is_alive(postgres));
    assert!(!exited.stderr.contains(dev.ready["api_key"].as_str().unwrap()), "{}", exited.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_request_works_unchanged() {
    let directory = Directory::create();
    let dev = directory.start();
    // The line that begins with curl, and its continuation lines.
    let printed = wait_for("the printed request", || {
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
async fn a_call_in_flight_at_sigterm_is_completed() {
    let directory = Directory::create();
    let dev = directory.start();
    let mut session = dev.session();
    session.lock("tasks");

    let url = dev.batch_url();
    let key = dev.text("api_key").to_owned();
    let running = tokio::spawn(async move { create(&url, &key).await });
    session.await_blocked(1);
    dev.program.terminate();
    wait_until("the removal of the ready file", || !Path::new(&directory.ready_file()).exists());
    assert!(!running.is_finished());
    session.unlock();

    let status = running.await.unwrap();
    assert_eq!(status, 201);
    assert_eq!(dev.program.wait_for_exit().code(), Some(0));
    assert_eq!(directory.postgres(), None);
}
