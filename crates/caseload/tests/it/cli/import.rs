//! Imports: what is created, refused and said.

use std::fs;

use serde_json::json;

use super::shell::Shell;

#[tokio::test(flavor = "multi_thread")]
async fn each_line_becomes_a_task_once_however_often_the_file_is_imported() {
    let shell = Shell::open().await;
    let lines: String =
        (0..60).map(|number| format!("Task {number},user1@example.com\n")).collect();
    let file = shell.file("tasks.csv", format!("description,assignee_emails\n{lines}"));
    let import = ["import", &file, "--case", &shell.case];

    let first = shell.text(&import);
    assert_eq!(first, "60 records: 60 created\n");
    let second = shell.json(&import);
    assert_eq!(
        second,
        [json!({"records": 60, "created": 0, "created_before": 60, "refused": 0,
                "last_line": 61, "is_complete": true, "dry_run": false})]
    );
    assert_eq!(shell.counts(), (60, 60));
    assert_eq!(shell.app.row_counts(), (60, 60));

    let as_new = shell.text(&[&import[..], &["--import-id", "again"]].concat());
    assert_eq!((as_new.as_str(), shell.counts()), ("60 records: 60 created\n", (120, 60)));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_lines_are_named_and_all_others_created() {
    let shell = Shell::open().await;
    let good = "Good,user1@example.com\n";
    let long = "x".repeat(10_001);
    let file = [
        "\u{feff}description,assignee_emails\r\n".as_bytes(),
        b"\"First,\r\nwith \"\"quotes\"\"\",\"user1@example.com, USER2@example.com\"\r\n",
        good.as_bytes(),
        b"Unknown,user1@example.com nobody@example.com\n",
        b" ,\n",
        b"One field\n",
        b"\"Quoted\" badly,\n",
        b"Invalid \xff,\n",
        good.repeat(30).as_bytes(),
        long.as_bytes(),
        b",no-email\n",
        b"Last,",
    ]
    .concat();
    let file = shell.file("tasks.csv", file);
    let rejects = shell.path("rejects.csv");
    let import = ["import", &file, "--case", &shell.case, "--rejects", &rejects, "--json"];

    for (created, created_before) in [(33, 0), (0, 33)] {
        let exited = shell.run(&import);
        assert_eq!(exited.code(), Some(65), "{exited:?}");
        let expected = [
            "line 5: assignee_emails[1] \"nobody@example.com\": no user has this email \
             (UNKNOWN_USER)",
            "line 6: description: ",
            "line 7: it has 1 fields, and the header has 2",
            "line 8: a quoted field is followed by something else than a comma",
            "line 9: field 1 is not valid UTF-8",
            "line 40: description: ",
        ];
        let lines: Vec<&str> = exited.stderr.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{}", exited.stderr);
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line} | {expected}");
        }
        assert!(lines[5].contains("; assignee_emails[0] \"no-email\": "), "{}", lines[5]);
        let summary: serde_json::Value = serde_json::from_str(&exited.stdout).unwrap();
        assert_eq!(summary["created"], created);
        assert_eq!(summary["created_before"].as_u64().unwrap_or_default(), created_before);
        assert_eq!((&summary["refused"], &summary["records"]), (&json!(6), &json!(39)));
    }
    let (count, _) = shell.counts();
    assert_eq!(count, 33);
    let texts = "SELECT description FROM tasks WHERE description LIKE 'First%'";
    assert_eq!(shell.app.database.query(texts), "First,\r\nwith \"quotes\"");

    // The refused lines are as they were, under the header: they can be corrected and imported.
    let refused = fs::read(&rejects).unwrap();
    let text = String::from_utf8_lossy(&refused);
    assert!(text.starts_with("description,assignee_emails\r\nUnknown,user1@"), "{text}");
    assert_eq!(text.lines().count(), 7);
    let corrected = shell.file("corrected.csv", &text.as_bytes()[..text.find(" nobody").unwrap()]);
    let import = ["import", &*corrected, "--case", &shell.case];
    assert_eq!(shell.text(&import), "1 record: 1 created\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_are_corrected_or_added_are_created_and_no_other_again() {
    let shell = Shell::open().await;
    let mut lines: Vec<String> = (0..40).map(|number| format!("Task {number}")).collect();
    lines[3] = " ".to_owned();
    let path = shell.path("tasks.csv");
    let import = ["import", &path, "--case", &shell.case];
    let run = |lines: &[String]| {
        fs::write(&path, format!("description\n{}\n", lines.join("\n"))).unwrap();
        shell.run(&import)
    };
    let exited = run(&lines);
    assert_eq!((exited.code(), shell.counts().0), (Some(65), 39));
    lines[3] = "Corrected".to_owned();
    lines.push("Added".to_owned());
    let exited = run(&lines);
    assert_eq!(exited.stdout, "41 records: 2 created, 39 created before\n");
    assert_eq!((exited.code(), shell.counts()), (Some(0), (41, 41)));

    // Another change can't be told from another file.
    type Change = fn(&mut Vec<String>);
    let changes: [(Change, &str); 3] = [
        (|lines| lines.insert(0, "New".to_owned()), "error: lines 2 to 26 are not what was"),
        (|lines| lines[30] = "Changed".to_owned(), "error: lines 27 to 42 are not what was"),
        (|lines| lines.truncate(25), "error: the file has fewer lines than were imported"),
    ];
    for (change, message) in changes {
        let mut lines = lines.clone();
        change(&mut lines);
        let exited = run(&lines);
        assert_eq!((exited.code(), shell.counts()), (Some(65), (41, 41)), "{exited:?}");
        assert!(exited.stderr.starts_with(message), "{}", exited.stderr);
        assert!(exited.stderr.contains("--import-id"), "{}", exited.stderr);
        assert!(exited.stderr.ends_with("is done\n"), "{}", exited.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_finds_what_would_be_refused_and_changes_nothing() {
    let shell = Shell::open().await;
    let lines = [
        r#"{"description":"Call","assignee_emails":["user1@example.com"]}"#,
        r#"{"description":"","assignee_emails":null}"#,
        "",
        r#"{"description":"Write","assignee_emails":["nobody@example.com"]}"#,
        r#"{"description":"Read","assignee_email":[]}"#,
        r#"["Call"]"#,
    ];
    let file = shell.file("tasks.ndjson", lines.join("\n"));
    let import = ["import", &file, "--case", &shell.case];
    let exited = shell.run(&[&import[..], &["--dry-run"]].concat());
    assert_eq!(exited.code(), Some(65));
    assert_eq!(exited.stdout, "5 records: 1 created, 4 refused; a dry run: nothing was changed\n");
    let numbers: Vec<&str> =
        exited.stderr.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(numbers, ["line 2", "line 4", "line 5", "line 6"]);
    assert!(exited.stderr.contains("unknown field `assignee_email`"), "{}", exited.stderr);
    assert_eq!(shell.app.row_counts(), (0, 0));

    let exited = shell.run(&import);
    assert_eq!(exited.stdout, "5 records: 1 created, 4 refused\n");
    assert_eq!(shell.app.row_counts(), (1, 1));
}
