//! Single tasks and lists.

use serde_json::{Value, json};

use super::shell::Shell;

/// Returns the values of a member of all objects.
fn all<'a>(objects: &'a [Value], member: &str) -> Vec<&'a Value> {
    objects.iter().map(|object| &object[member]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_created_changed_and_deleted() {
    let shell = Shell::open().await;
    let case = ["--case", &shell.case];
    let created = shell.json(
        &[&["create"], &case[..], &["Call", "Write", "--assignee", "USER2@example.com"]].concat(),
    );
    assert_eq!(all(&created, "description"), [&json!("Call"), &json!("Write")]);
    let assignee = json!({
        "id": "2", "email": "user2@example.com", "first_name": "Jane", "last_name": "Smith"
    });
    assert_eq!(created[1]["assignees"], json!([assignee]));
    let mut members: Vec<&String> = created[0].as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(
        members,
        ["assignees", "completed", "created_at", "description", "id", "updated_at"],
        "those of the REST documents"
    );
    let ids: Vec<String> = created.iter().map(|task| task["id"].to_string()).collect();
    assert!(ids.iter().all(|id| id.parse::<u64>().is_ok()), "ids of tasks are numbers: {ids:?}");
    let both = [&case[..], &[&ids[0], &ids[1]]].concat();

    let completed = shell.json(&[&["complete"], &both[..]].concat());
    assert_eq!(all(&completed, "completed"), [&json!(true); 2]);
    let reopened = shell.json(&[&["reopen"], &case[..], &[&ids[1]]].concat());
    assert_eq!(all(&reopened, "completed"), [&json!(false)]);
    let found = shell.json(&[&["get"], &both[..]].concat());
    assert_eq!(found, [completed[0].clone(), reopened[0].clone()]);

    let deleted = shell.json(&[&["delete"], &both[..]].concat());
    assert_eq!(deleted, [json!({"destroyed_id": ids[0]}), json!({"destroyed_id": ids[1]})]);
    assert_eq!(shell.app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_assigned_to_others_to_more_to_fewer_or_to_nobody() {
    let shell = Shell::open().await;
    let case = ["--case", &shell.case];
    let task = &shell.json(&[&["create"], &case[..], &["Call"]].concat())[0];
    let id = task["id"].to_string();
    for (args, emails) in [
        (&["user1@example.com", "user2@example.com"][..], &["user1", "user2"][..]),
        (&["--add", "user3@example.com", "--remove", "user1@example.com"], &["user2", "user3"]),
        (&["--add", "user2@example.com"], &["user2", "user3"]),
        (&["user1@example.com"], &["user1"]),
        (&["--nobody"], &[]),
    ] {
        let assigned = shell.json(&[&["assign"], &case[..], &[&id], args].concat());
        let found = assigned[0]["assignees"].as_array().unwrap();
        let expected: Vec<String> =
            emails.iter().map(|name| format!("{name}@example.com")).collect();
        assert_eq!(all(found, "email"), expected.iter().collect::<Vec<_>>(), "{args:?}");
    }
    for args in [&[][..], &["user1@example.com", "--nobody"], &["a@b", "--add", "c@d"], &["x"]] {
        shell.error(64, &[&["assign"], &case[..], &[&id], args].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_all_pages_and_what_passes_the_filters() {
    let shell = Shell::open().await;
    let case = ["--case", &*shell.case];
    let lines: String = (0..130).map(|number| format!("Task {number}\n")).collect();
    let file = shell.file("tasks.csv", format!("description\n{lines}"));
    shell.text(&[&["import", &file], &case[..]].concat());
    let list = |args: &[&str]| shell.json(&[&["list"], args].concat());

    let tasks = list(&case);
    assert_eq!(tasks.len(), 130);
    let ids: Vec<u64> = tasks.iter().map(|task| task["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted());
    assert!(tasks[0].get("case_id").is_none());
    assert_eq!(list(&[&case[..], &["--limit", "1"]].concat()), tasks[..1]);
    assert_eq!(list(&[&case[..], &["--limit", "77"]].concat()), tasks[..77]);

    let id = ids[100].to_string();
    shell.text(&[&["complete"], &case[..], &[&id]].concat());
    shell.text(&[&["assign"], &case[..], &[&id, "user3@example.com"]].concat());
    for (args, count) in [
        (&["--completed", "true"][..], 1),
        (&["--completed", "false"], 129),
        (&["--assignee", "User3@example.com"], 1),
        (&["--assignee", "user1@example.com"], 0),
        (&["--updated-after", "2024-03-25T15:40:39Z"], 130),
        (&["--updated-after", "9000-01-01T00:00:00Z"], 0),
    ] {
        assert_eq!(list(&[&case[..], args].concat()).len(), count, "{args:?}");
    }
    let of_user = list(&["--user", "user3@example.com"]);
    assert_eq!(of_user[0]["case_id"], shell.app.case_id);
    assert_eq!(of_user[0]["id"], ids[100]);
    assert_eq!(of_user.len(), 1);

    for args in [&[][..], &["--case", "0"], &["--user", "a@b", "--case", "1"], &["--case", "x"]] {
        shell.error(64, &[&["list"], args].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_shows_nothing_that_acts_on_a_terminal() {
    let shell = Shell::open().await;
    let case = ["--case", &*shell.case];
    let description = "red \u{1b}[31m\nand \u{202e}reversed";
    let created = shell.json(&[&["create"], &case[..], &[description]].concat());
    assert_eq!(created[0]["description"], description, "JSON has it unchanged");
    for command in ["list", "get"] {
        let id = created[0]["id"].to_string();
        let id = if command == "get" { &[&*id][..] } else { &[] };
        let text = shell.text(&[&[command], &case[..], id].concat());
        assert_eq!(text.lines().count(), 2, "{text:?}");
        assert!(text.contains("red \u{fffd}[31m and \u{fffd}reversed"), "{text:?}");
        assert!(text.starts_with("ID  DONE  UPDATED_AT"), "{text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_enough_is_no_error() {
    let shell = Shell::open().await;
    let lines: String =
        (0..3000).map(|number| format!("A task of some length {number}\n")).collect();
    let file = shell.file("tasks.csv", format!("description\n{lines}"));
    let case = &shell.case;
    shell.text(&["import", &file, "--case", case]);
    for json in ["", "--json"] {
        let list = format!("\"$caseload\" tasks list --case {case} {json}");
        let script = format!("{{ {list}; echo \"code $?\" >&2; }} | head -n 1");
        let exited = shell.script(&script);
        assert_eq!((exited.stdout.lines().count(), &*exited.stderr), (1, "code 0\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_changes_tasks_goes_on_when_nobody_reads_its_output() {
    let shell = Shell::open().await;
    let case = &shell.case;
    let lines: String = (0..60).map(|number| format!("Task {number}\n")).collect();
    let file = shell.file("tasks.csv", format!("description\n{lines}"));
    shell.text(&["import", &file, "--case", case]);
    let ids = shell.app.database.query("SELECT string_agg(id::text, ' ') FROM tasks");
    for (command, left) in [("complete", "60"), ("delete", "0")] {
        // A pipe whose reader is gone.
        let pipe = shell.path(command);
        let open = format!("mkfifo {pipe}; exec 3<>{pipe}; exec 4>{pipe}; exec 3<&-");
        let run = format!("\"$caseload\" tasks {command} --case {case} {ids} >&4");
        let exited = shell.script(&format!("{open}; {run}; echo \"code $?\" >&2"));
        assert_eq!(exited.stderr, "code 0\n");
        assert_eq!(shell.app.database.query("SELECT count(*) FROM tasks WHERE completed"), left);
    }
}
