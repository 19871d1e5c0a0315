//! `caseload dev`: everything in one process, on data that is kept.

mod data;
mod instance;
mod pages;
mod tls;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use serde_json::Value;

use crate::{
    documentation::PageCommands,
    support::{
        CASELOAD, Program, SAMPLE,
        polling::{wait_for, wait_until},
    },
};
use instance::{Dev, Directory, create, is_alive};

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
async fn the_printed_commands_work_unchanged_one_after_the_other() {
    let directory = Directory::create();
    let dev = directory.start();
    let printed = printed(&dev);
    // Commands stand in paragraphs of their own.
    let is_command = |text: &&str| {
        ["export ", "curl ", "created=", "case="].iter().any(|it| text.starts_with(it))
    };
    let commands: Vec<_> = printed.split("\n\n").filter(is_command).collect();
    assert_eq!(commands.len(), 5, "{printed}");

    if !has_curl() {
        assert!(printed.contains(&dev.batch_url()), "{printed}");
        assert!(printed.contains(SAMPLE), "{printed}");
        return;
    }
    assert_walk(&run(&commands.join("; echo\n")));
    assert_eq!(dev.task_count(), "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_readme_work_after_the_printed_line_with_the_key() {
    if !has_curl() {
        return;
    }
    let directory = Directory::create();
    let dev = directory.start();
    let printed = printed(&dev);
    let lines: Vec<_> =
        printed.lines().filter(|line| line.starts_with("export CASELOAD_API_KEY=")).collect();
    let [line] = lines[..] else { panic!("{printed}") };
    let commands = PageCommands::of("README.md", "readme").replace("\n\n", "; echo\n");
    let commands = commands.replace("http://127.0.0.1:8080", dev.text("rest_url"));
    assert_walk(&commands.after(line).run());
    assert_eq!(dev.task_count(), "5");
}

/// Returns what `caseload dev` prints once it is ready.
fn printed(dev: &Dev) -> String {
    wait_for("the printed commands", || {
        let stdout = dev.program.stdout();
        stdout.split_once("\n\nPress ").map(|(printed, _)| printed.to_owned())
    })
}

fn has_curl() -> bool {
    Command::new("curl").arg("--version").output().is_ok()
}

/// Runs commands in a shell. Returns what they print.
fn run(commands: &str) -> String {
    let output = Command::new("sh").args(["-euc", commands]).env("no_proxy", "*").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Checks the responses: to the documented request, to the creation of a case, to the completion of its
/// first task, and to the question what was done to that.
#[track_caller]
fn assert_walk(responses: &str) {
    let responses: Vec<Value> = responses
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line:?}")))
        .collect();
    let [tasks, case, task, events] = &responses[..] else { panic!("{responses:?}") };
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 3, "{tasks}");
    assert_eq!(case["tasks"].as_array().unwrap().len(), 2, "{case}");
    assert_eq!(task["task"]["completed"], true, "{task}");
    assert_eq!(task["task"]["id"], case["tasks"][0]["id"], "{task}");
    let events = events["task_events"].as_array().unwrap_or_else(|| panic!("{events}"));
    let kinds: Vec<_> = events.iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["created", "completed"]);
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
