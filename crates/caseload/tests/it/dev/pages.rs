//! The commands of pages of docs/, in a shell, one after the other.

use std::{fs, process::Command};

use serde_json::Value;

use super::{
    has_curl,
    instance::{Dev, Directory, create},
};
use crate::{
    documentation::PageCommands,
    support::{CASELOAD, Program},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_tutorial_work_one_after_the_other() {
    if !has_curl() || !has_python() {
        eprintln!("docs/TUTORIAL.md is not run: curl, or Python 3.9 or newer, is not installed");
        return;
    }
    let directory = Directory::create();
    let _dev = directory.start();
    let project = tempfile::tempdir().unwrap();
    let target = project.path().join("target");
    fs::create_dir(&target).unwrap();
    fs::copy(directory.ready_file(), target.join("ready.json")).unwrap();

    let commands = PageCommands::of("docs/TUTORIAL.md", "tutorial");
    let stdout = commands.in_directory(project.path()).run();

    // In this order, each once.
    let mut rest = stdout.as_str();
    for expected in [
        r#"{"status":"ready"}"#,
        r#""name": "Phishing mail""#,
        "200 ['Warn the recipients', 'Block the sender']",
        "replayed: None",
        "replayed: true",
        "tasks of the case: 5",
        "Were the tasks created?",
        "looked up: ",
        "repeated: 201",
        "looked up: 200 [",
        "tasks of the case: 8",
        " created by the key",
        " completed by the key",
        " unassigned by the key",
        " assigned by the key",
        "400 2 field violations",
        "/tasks/0/description REQUIRED",
        "/tasks/1/assignee_emails/1 INVALID_EMAIL",
    ] {
        let Some((_, after)) = rest.split_once(expected) else {
            panic!("{expected:?} is missing, or not at its place:\n{stdout}")
        };
        rest = after;
    }
}

fn has_python() -> bool {
    let is_new_enough = "import sys; sys.exit(sys.version_info < (3, 9))";
    let status = Command::new("python3").args(["-c", is_new_enough]).status();
    status.is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_how_to_replace_a_key() {
    let directory = Directory::create();
    let dev = directory.start();
    let commands = PageCommands::of("docs/HOWTO.md", "key rotation").env("CASELOAD_TENANT", "Demo");
    let stdout = commands.env("CASELOAD_DATABASE_URL", dev.text("database_url")).run();

    let new_key = stdout.split_whitespace().find(|word| word.starts_with("cl_"));
    let new_key = new_key.unwrap_or_else(|| panic!("no key was printed:\n{stdout}"));
    assert_eq!(create(&dev.batch_url(), new_key).await, 201);
    let last = stdout.lines().rev().take(2).collect::<Vec<_>>();
    for (line, id, state) in [(last[0], "2", "valid"), (last[1], "1", "revoked")] {
        let cells: Vec<_> = line.split_whitespace().collect();
        assert!(cells[0] == id && cells.contains(&state), "{stdout}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_about_the_command_line_work_one_after_the_other() {
    let directory = Directory::create();
    let dev = directory.start();
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| fs::write(files.path().join(name), content).unwrap();

    // The page has tasks 7 to 9.
    for _ in 0..3 {
        assert_eq!(dev.create().await, 201);
    }
    write("tasks.csv", "description,assignee_emails\nCall,user1@example.com\nWrite,\n");
    let mut commands = PageCommands::of("docs/CLI.md", "command line")
        .replace("http://127.0.0.1:50051", dev.text("grpc_url"))
        .replace("cl_…", dev.text("api_key"))
        .replace("generate |", r#"echo '{"description":"Generated"}' |"#);
    if Command::new("jq").arg("--version").output().is_err() {
        commands = commands.replace(" | jq .description", "");
    }
    commands.in_directory(files.path()).run();
    let session = || dev.session();
    assert_eq!(dev.task_count(), (9 + 1 + 2 + 1).to_string());
    let completed = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM tasks WHERE completed";
    assert_eq!(session().query(completed), "7 8 9");

    write("users.csv", "email,external_id\nada@acme.example,1\n");
    write("cases.csv", "external_id,name\n1,Suspicious sign-ins\n");
    PageCommands::of("docs/CLI.md", "directory imports")
        .env("CASELOAD_SERVER", dev.text("grpc_url"))
        .env("CASELOAD_API_KEY", &admin_key(&dev))
        .in_directory(files.path())
        .run();
    let count = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM cases)";
    assert_eq!(session().query(count), "4|1");
}

/// Creates a key that may feed users and cases.
fn admin_key(dev: &Dev) -> String {
    let args = ["admin", "--json", "key", "create", "--tenant", "Demo", "feed", "--scope", "admin"];
    let database = [("CASELOAD_DATABASE_URL", dev.text("database_url"))];
    let exited = Program::start_with_env(CASELOAD, &args, &database).wait_for_exit();
    let created: Value = serde_json::from_str(&exited.stdout).unwrap();
    created["key"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_that_ask_a_server_without_a_client_of_grpc_work() {
    let directory = Directory::create();
    let program = directory.launch(&[("CASELOAD_CONNECT", "true")]);
    let dev = directory.wait_until_ready(program);
    let (_, grpc_addr) = dev.text("grpc_url").split_once("://").unwrap();
    PageCommands::of("docs/HOWTO.md", "health").replace("server-a.example:50051", grpc_addr).run();
    if !has_curl() {
        return;
    }
    let commands = PageCommands::of("docs/API.md", "connect")
        .replace("http://127.0.0.1:50051", dev.text("grpc_url"))
        .env("CASELOAD_API_KEY", dev.text("api_key"));
    let created: Value = serde_json::from_str(&commands.run()).unwrap();
    assert_eq!(created["tasks"][0]["description"], "Update incident runbook", "{created}");
}
