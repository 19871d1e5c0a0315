//! The commands of pages of docs/, in a shell, one after the other.

use std::{env, fs, path::Path, process::Command};

use super::{
    has_curl,
    instance::{Directory, create},
};
use crate::{documentation::commands_to_run, support::CASELOAD};

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

    let commands = commands_to_run("docs/TUTORIAL.md", "tutorial").join("\n");
    let mut shell = Command::new("sh");
    shell.args(["-euc", &commands]).current_dir(project.path()).env("no_proxy", "*");
    let stdout = output(&mut shell);

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
    let programs = Path::new(CASELOAD).parent().unwrap().to_str().unwrap();
    let path = format!("{programs}:{}", env::var("PATH").unwrap());

    let commands = commands_to_run("docs/HOWTO.md", "key rotation").join("\n");
    let mut shell = Command::new("sh");
    shell.args(["-euc", &commands]).env("PATH", path).env("CASELOAD_TENANT", "Demo");
    shell.env("CASELOAD_DATABASE_URL", dev.text("database_url"));
    let stdout = output(&mut shell);

    let new_key = stdout.split_whitespace().find(|word| word.starts_with("cl_"));
    let new_key = new_key.unwrap_or_else(|| panic!("no key was printed:\n{stdout}"));
    assert_eq!(create(&dev.batch_url(), new_key).await, 201);
    let last = stdout.lines().rev().take(2).collect::<Vec<_>>();
    for (line, id, state) in [(last[0], "2", "valid"), (last[1], "1", "revoked")] {
        let cells: Vec<_> = line.split_whitespace().collect();
        assert!(cells[0] == id && cells.contains(&state), "{stdout}");
    }
}

/// Runs a command, which must succeed, and returns what it has printed.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    stdout
}
