//! Which files can be imported, and from where.

use super::shell::Shell;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_file_with_a_name_is_imported_under_an_id() {
    let shell = Shell::open().await;
    let case = &shell.case;
    let one = shell.file("one", "{\"description\":\"One\"}\n");
    let run = |file: &str, more: &str| {
        let format = "--format ndjson";
        let import = format!("\"$caseload\" tasks import {file} {format} --case {case} {more}");
        shell.script(&format!("cat {one} | {import}"))
    };
    for file in ["-", "/dev/stdin"] {
        let exited = run(file, "");
        assert_eq!(exited.code(), Some(64), "{exited:?}");
        assert!(exited.stderr.contains("give --import-id TEXT"), "{}", exited.stderr);
        let checked = run(file, "--dry-run").stdout;
        assert_eq!(checked, "1 record: 1 created; a dry run: nothing was changed\n");
    }
    for (file, id, summary) in [
        ("-", "monday", "1 record: 1 created\n"),
        ("/dev/stdin", "monday", "1 record: 0 created, 1 created before\n"),
        ("-", "tuesday", "1 record: 1 created\n"),
    ] {
        let exited = run(file, &format!("--import-id {id}"));
        assert_eq!((exited.code(), &*exited.stdout), (Some(0), summary), "{exited:?}");
    }
    assert_eq!(shell.counts(), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_can_not_be_imported_is_told_plainly() {
    let shell = Shell::open().await;
    let missing = shell.path("missing.csv");
    let text = shell.file("tasks.txt", "description\nx\n");
    let empty = shell.file("empty.csv", "");
    let unknown = shell.file("unknown.csv", "description,assignee_email\nx,y\n");
    let wide = shell.file("wide.csv", b"\xff\xfed\0e\0s\0");
    let csv = shell.file("tasks.csv", "description\nx\n");
    let open = shell.file("open.csv", format!("description\n\"x{}", "\n".repeat(300_000)));
    for (code, args, message) in [
        (66, &[&*missing][..], "missing.csv can't be opened: No such file"),
        (64, &[&*text], "tasks.txt is unknown: give --format csv or --format ndjson"),
        (65, &[&*empty], "the file is empty: its first line must name the columns"),
        (65, &[&*unknown], "line 1: the column \"assignee_email\" is unknown; there are"),
        (65, &[&*wide], "the file is in UTF-16"),
        (64, &[&*csv, "--rejects", &*csv], "--rejects is the imported file itself"),
        (74, &[&*csv, "--rejects", "/nowhere/rejects.csv"], "can't be created"),
        (64, &[&*csv, "--concurrency", "0"], "at least 1"),
    ] {
        let stderr = shell.error(code, &[&["import", "--case", &shell.case], args].concat());
        assert!(stderr.contains(message), "{message}: {stderr}");
    }
    let exited = shell.run(&["import", &open, "--case", &shell.case]);
    assert_eq!((exited.code(), &*exited.stdout), (Some(65), "0 records: 0 created\n"));
    assert!(exited.stderr.starts_with("error: line 2: a quote is opened"), "{}", exited.stderr);
    assert_eq!(shell.app.row_counts(), (0, 0));
    let stderr = shell.run(&["import", &csv, "--case", "999"]).stderr;
    assert!(stderr.starts_with("error: case 999 does not exist (CASE_NOT_FOUND)"), "{stderr}");
}
