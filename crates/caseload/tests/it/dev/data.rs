//! The data of `caseload dev`: it is kept between starts, and one process uses it at a time.

use std::{fs, path::Path};

use super::instance::{Dev, Directory, is_alive};
use crate::support::{CASELOAD, Program, TestDatabase, http_client, polling::wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn the_key_and_the_tasks_are_kept_until_the_next_start() {
    let directory = Directory::create();
    let first = directory.start();
    assert_eq!(first.create().await, 201);
    let key = first.text("api_key").to_owned();
    let case_id = first.ready["case_id"].clone();
    first.program.terminate();
    assert_eq!(first.program.wait_for_exit().code(), Some(0));

    let second = directory.start();
    assert_eq!(second.text("api_key"), key);
    assert_eq!(second.ready["case_id"], case_id);
    assert_eq!(second.task_count(), "3");
    assert_eq!(second.create().await, 201);
    assert_eq!(second.task_count(), "6");
}

/// An earlier release has stored the key with the scopes that there were.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_an_earlier_start_gets_the_scopes_that_the_printed_commands_need() {
    let directory = Directory::create();
    let database = TestDatabase::create_empty();
    let variables = [("CASELOAD_DATABASE_URL", database.url().expose())];
    let first = directory.wait_until_ready(directory.launch(&variables));
    database.query("UPDATE api_keys SET scopes = '{tasks:write}'");
    first.program.terminate();
    assert_eq!(first.program.wait_for_exit().code(), Some(0));

    let second = directory.wait_until_ready(directory.launch(&variables));
    let url = format!("{}/api/v2/cases", second.text("rest_url"));
    let list = http_client().get(url).bearer_auth(second.text("api_key"));
    assert_eq!(list.send().await.unwrap().status(), 200);
    assert_eq!(database.query("SELECT count(*) FROM api_keys"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_a_killed_process_is_recovered_at_the_next_start() {
    let directory = Directory::create();
    let first = directory.start();
    assert_eq!(first.create().await, 201);
    let key = first.text("api_key").to_owned();
    let postgres = directory.postgres().unwrap();
    first.program.kill();
    assert!(Path::new(&directory.ready_file()).exists(), "a killed process leaves its ready file");

    // At once, whether or not the old Postgres has noticed yet.
    let program = directory.launch(&[]);
    wait_until("another Postgres", || directory.postgres().is_some_and(|pid| pid != postgres));
    let second = directory.wait_until_ready(program);
    assert!(!is_alive(postgres));
    assert_eq!(second.text("api_key"), key);
    assert_eq!(second.task_count(), "3");
    assert_eq!(second.create().await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_data_exits_and_leaves_the_first_alone() {
    let directory = Directory::create();
    let first = directory.start();
    let (data_dir, ports) = (directory.data_dir(), ["--grpc-addr", "127.0.0.1:0"]);
    let args = ["dev", "--data-dir", &data_dir, "--http-addr", "127.0.0.1:0"];

    let second = Program::run(CASELOAD, &[&args[..], &ports].concat());

    assert_eq!(second.code(), Some(1), "{second:?}");
    let error = second.stderr.lines().last().unwrap();
    let owner = first.program.pid();
    assert!(
        error.starts_with("error: the database in ")
            && error.ends_with(&format!("is in use by process {owner}; stop that one first")),
        "{error}"
    );
    assert_eq!(first.create().await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_data_keeps_the_first_ones_ready_file() {
    let directory = Directory::create();
    let first = directory.start();
    let second = directory.launch(&[]).wait_for_exit();
    assert_eq!(second.code(), Some(1), "{second:?}");
    assert!(Path::new(&directory.ready_file()).exists());
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_database_url_no_postgres_is_started() {
    let directory = Directory::create();
    let database = TestDatabase::create_empty();
    let url = database.url().expose();
    let dev: Dev = directory.wait_until_ready(directory.launch(&[("CASELOAD_DATABASE_URL", url)]));

    assert_eq!(dev.text("database_url"), url);
    assert_eq!(dev.create().await, 201);
    assert_eq!(database.query("SELECT count(*) FROM tasks"), "3");
    assert!(!Path::new(&directory.data_dir()).join("postgres").exists());
    dev.program.terminate();
    assert_eq!(dev.program.wait_for_exit().code(), Some(0));
    assert_eq!(
        database.query("SELECT count(*) FROM tasks"),
        "3",
        "the database is still reachable"
    );
}

#[test]
fn an_invalid_key_file_is_reported_and_kept() {
    let directory = Directory::create();
    let database = TestDatabase::create_empty();
    fs::create_dir(directory.data_dir()).unwrap();
    let file = Path::new(&directory.data_dir()).join("api-key");
    fs::write(&file, "my shopping list\n").unwrap();

    let exited =
        directory.launch(&[("CASELOAD_DATABASE_URL", database.url().expose())]).wait_for_exit();

    assert_eq!(exited.code(), Some(1), "{exited:?}");
    let error = exited.stderr.lines().last().unwrap();
    assert!(error.contains("api-key holds no API key; remove it"), "{error}");
    assert_eq!(fs::read_to_string(file).unwrap(), "my shopping list\n");
}

#[test]
fn sigterm_before_it_is_ready_ends_it_cleanly() {
    let directory = Directory::create();
    let program = directory.launch(&[]);
    program.wait_for_log("starting a private Postgres");
    program.terminate();
    let exited = program.wait_for_exit();
    assert_eq!(exited.code(), Some(0), "{exited:?}");
    assert_eq!(directory.postgres(), None);
    assert!(!Path::new(&directory.ready_file()).exists());
}
