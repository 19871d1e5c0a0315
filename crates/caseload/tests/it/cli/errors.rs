//! What a person is told when a command fails.

use domain::Scope;
use tokio::net::TcpListener;

use super::shell::Shell;
use crate::support::{CASELOAD, Program, ReservedPort, new_key};

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_a_line_and_one_more_for_each_field() {
    let shell = Shell::open().await;
    let case = ["--case", &*shell.case];
    for (args, message) in [
        (
            &["create", "", "Call", "--assignee", "nobody@example.com"][..],
            "error: 1 field violation; nothing was changed (INVALID_BATCH)\n  tasks[0].description: \
             a description is required (REQUIRED)\n",
        ),
        (
            &["create", "Call", "--assignee", "nobody@example.com"],
            "error: 1 field violation; nothing was changed (INVALID_BATCH)\n  \
             tasks[0].assignee_emails[0]: no user has this email (UNKNOWN_USER)\n",
        ),
        (
            &["get", "7", "8"],
            "error: 2 field violations; nothing was changed (TASK_NOT_FOUND)\n  task 7: the \
             case has no such task (TASK_NOT_FOUND)\n  task 8: ",
        ),
        (&["delete", "7"], "(TASK_NOT_FOUND)\n  task 7: the case has"),
        (&["complete", "7"], "(TASK_NOT_FOUND)\n  task 7: the case has"),
        (&["assign", "7", "--nobody"], "(TASK_NOT_FOUND)\n"),
    ] {
        let stderr = shell.error(65, &[args, &case[..]].concat());
        assert!(stderr.contains(message), "{args:?}: {stderr}");
    }
    let stderr = shell.error(65, &["list", "--case", "999"]);
    assert_eq!(stderr, "error: case 999 does not exist (CASE_NOT_FOUND)\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_comes_from_one_place_and_is_never_shown() {
    let shell = Shell::open().await;
    let server = format!("http://{}", shell.app.grpc_addr);
    let key = shell.key.expose();
    let list = ["tasks", "list", "--case", &*shell.case, "--server", &*server];
    let run = |variables: &[(&str, &str)], more: &[&str]| {
        let args = [&list[..], more].concat();
        let exited = Program::start_with_env(CASELOAD, &args, variables).wait_for_exit();
        exited.assert_never_wrote(&[key, "hunter2"]);
        (exited.code(), exited.stderr)
    };
    let file = shell.file("key", format!("{key}\n"));
    let variable = ("CASELOAD_API_KEY", key);
    assert_eq!(run(&[variable], &[]).0, Some(0));
    assert_eq!(run(&[], &["--api-key-file", &file]).0, Some(0));
    assert_eq!(run(&[("CASELOAD_API_KEY_FILE", &file)], &[]).0, Some(0));
    assert_eq!(run(&[variable], &["--log-level", "trace"]).0, Some(0));

    let other = shell.file("other", "hunter2");
    let missing = shell.path("missing");
    for (variables, more, message) in [
        (&[][..], &[][..], "there is no API key: set the variable CASELOAD_API_KEY"),
        (&[variable], &["--api-key-file", &*file], "there are two API keys"),
        (&[("CASELOAD_API_KEY", "hunter2")], &[], "CASELOAD_API_KEY has no API key: a key is cl_"),
        (&[], &["--api-key-file", &*other], "has no API key: a key is cl_"),
        (&[], &["--api-key-file", &*missing], "can't be read"),
        (&[], &["--api-key", key], "unexpected argument '--api-key'"),
        (&[], &[key], "unexpected argument"),
    ] {
        let (code, stderr) = run(variables, more);
        assert_eq!(code, Some(64), "{stderr}");
        assert!(stderr.contains(message), "{message}: {stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_what_kind_of_failure_it_is() {
    let shell = Shell::open().await;
    let server = format!("http://{}", shell.app.grpc_addr);
    let list = |server: &str, key: &str, more: &[&str]| {
        let args = [&["tasks", "list", "--case", &shell.case, "--server", server], more].concat();
        let exited =
            Program::start_with_env(CASELOAD, &args, &[("CASELOAD_API_KEY", key)]).wait_for_exit();
        assert_eq!(exited.stdout, "");
        exited.assert_never_wrote(&[key]);
        (exited.code().unwrap(), exited.stderr)
    };
    let key = shell.key.expose();

    let (code, stderr) = list(&server, new_key().expose(), &[]);
    assert!(code == 77 && stderr.ends_with("(KEY_INVALID)\n"), "{code}: {stderr}");
    let admin = shell.app.key_with(&[Scope::Admin]).await;
    let (code, stderr) = list(&server, admin.expose(), &[]);
    assert!(code == 77 && stderr.ends_with("(SCOPE_REQUIRED)\n"), "{code}: {stderr}");

    let nobody = format!("http://{}", ReservedPort::reserve().addr());
    let (code, stderr) = list(&nobody, key, &["--timeout", "300ms"]);
    assert!(code == 69 && stderr.contains("no server was reached at http://"), "{code}: {stderr}");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let (code, stderr) = list(&silent, key, &["--timeout", "300ms"]);
    assert_eq!((code, &*stderr), (75, "error: there was no response within 300ms\n"));

    let (code, stderr) = list("caseload.example:50051", key, &[]);
    let message = "a server is https://HOST:PORT or http://HOST:PORT";
    assert!(code == 64 && stderr.contains(message), "{code}: {stderr}");
}
