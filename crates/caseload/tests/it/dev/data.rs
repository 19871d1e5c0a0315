//! The data of `caseload dev`: they stay, whatever happens, and belong to one at a time.

use std::{fs, path::Path};

use super::{CASELOAD, Dev, Place, is_alive};
use crate::support::{Program, TestDatabase, polling::wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn the_key_and_the_tasks_are_the_same_at_the_next_start() {
    let place = Place::create();
    let first = place.start();
    assert_eq!(first.create().await, 201);
    let key = first.text("api_key").to_owned();
    let case_id = first.ready["case_id"].clone();
    first.program.terminate();
    assert_eq!(first.program.ended().code(), Some(0));

    let second = place.start();
    assert_eq!(second.text("api_key"), key);
    assert_eq!(second.ready["case_id"], case_id);
    assert_eq!(second.task_count(), "3");
    assert_eq!(second.create().await, 201);
    assert_eq!(second.task_count(), "6");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_killed_is_recovered_at_the_next_start() {
    let place = Place::create();
    let first = place.start();
    assert_eq!(first.create().await, 201);
    let key = first.text("api_key").to_owned();
    let postgres = place.postgres().unwrap();
    first.program.kill();
    assert!(Path::new(&place.ready_file()).exists(), "nobody was there to remove it");

    // At once, whether Postgres has noticed yet or not.
    let program = place.launch(&[]);
    wait_until("another Postgres", || place.postgres().is_some_and(|pid| pid != postgres));
    let second = place.ready(program);
    assert!(!is_alive(postgres));
    assert_eq!(second.text("api_key"), key);
    assert_eq!(second.task_count(), "3");
    assert_eq!(second.create().await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_are_in_use_are_refused_and_their_owner_is_not_disturbed() {
    let place = Place::create();
    let first = place.start();
    let (data_dir, ports) = (place.data_dir(), ["--grpc-addr", "127.0.0.1:0"]);
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
async fn one_that_is_refused_leaves_the_ready_file_of_the_other() {
    let place = Place::create();
    let first = place.start();
    let second = place.launch(&[]).ended();
    assert_eq!(second.code(), Some(1), "{second:?}");
    assert!(Path::new(&place.ready_file()).exists());
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_named_is_used_and_no_postgres_is_started() {
    let place = Place::create();
    let database = TestDatabase::create_empty();
    let url = database.url().expose();
    let dev: Dev = place.ready(place.launch(&[("CASELOAD_DATABASE_URL", url)]));

    assert_eq!(dev.text("database_url"), url);
    assert_eq!(dev.create().await, 201);
    assert_eq!(database.query("SELECT count(*) FROM tasks"), "3");
    assert!(!Path::new(&place.data_dir()).join("postgres").exists());
    dev.program.terminate();
    assert_eq!(dev.program.ended().code(), Some(0));
    assert_eq!(database.query("SELECT count(*) FROM tasks"), "3", "its Postgres runs on");
}

#[test]
fn a_key_file_that_holds_no_key_is_told_of_and_kept() {
    let place = Place::create();
    let database = TestDatabase::create_empty();
    fs::create_dir(place.data_dir()).unwrap();
    let file = Path::new(&place.data_dir()).join("api-key");
    fs::write(&file, "my shopping list\n").unwrap();

    let ended = place.launch(&[("CASELOAD_DATABASE_URL", database.url().expose())]).ended();

    assert_eq!(ended.code(), Some(1), "{ended:?}");
    let error = ended.stderr.lines().last().unwrap();
    assert!(error.contains("api-key holds no API key; remove it"), "{error}");
    assert_eq!(fs::read_to_string(file).unwrap(), "my shopping list\n");
}

#[test]
fn it_may_be_told_to_end_before_it_is_ready() {
    let place = Place::create();
    let program = place.launch(&[]);
    program.logged("starting a private Postgres");
    program.terminate();
    let ended = program.ended();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert_eq!(place.postgres(), None);
    assert!(!Path::new(&place.ready_file()).exists());
}
