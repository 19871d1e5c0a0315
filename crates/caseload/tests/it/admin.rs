//! `caseload admin`: everything from an empty database to the first call, from a shell.

mod hosts;
mod networks;
mod rotation;
mod verification;

use std::fs;

use localdb::Cluster;
use serde_json::{Value, json};

use crate::support::{AdminShell, App, Reply, TestDatabase};

/// Returns the cells of a table, which are separated by two spaces or more.
fn cells(table: &str) -> Vec<Vec<&str>> {
    let rows = table.lines();
    rows.map(|row| row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect()
}

/// Returns whether a value looks like a UTC time in whole seconds (RFC 3339).
fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 20 && text.ends_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_created_in_the_shell_work_in_the_service_until_the_key_is_revoked() {
    let shell = AdminShell::open();
    shell.text(&["tenant", "create", "Globex"]);
    let case = shell.json(&["case", "create", "--tenant", "Globex", "Leak"]);
    shell.text(&["user", "create", "--tenant", "Globex", "Ann@Example.com", "--first-name", "Ann"]);
    let key = shell.json(&["key", "create", "--tenant", "Globex", "ci", "--scope", "tasks:write"]);
    // The service starts second, and caches no key.
    let mut app = App::builder()
        .server_args(&["--key-ttl", "0s", "--unknown-key-ttl", "0s"])
        .start_on(shell.database)
        .await;
    app.case_id = case["id"].as_i64().unwrap();
    let create = |key: &Value| {
        let body = r#"{"tasks":[{"description":"x","assignee_emails":["ann@example.com"]}]}"#;
        Reply::of(
            app.request(reqwest::Method::POST, &app.batch_path())
                .bearer_auth(key.as_str().unwrap())
                .header("content-type", "application/json")
                .body(body),
        )
    };

    let reply = create(&key["key"]).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let assignee = &reply.body["tasks"][0]["assignees"][0];
    assert_eq!(assignee["email"], "ann@example.com");
    assert_eq!((&assignee["first_name"], &assignee["last_name"]), (&json!("Ann"), &json!("")));

    let shell = AdminShell { database: app.database.clone() };
    let id = key["id"].to_string();
    let revoked = shell.json(&["key", "revoke", "--tenant", "Globex", &id]);
    assert_eq!(revoked["valid"], false);
    assert!(is_time(&revoked["revoked_at"]), "{revoked}");
    assert_eq!(create(&key["key"]).await.status, 401);

    let reading = ["key", "create", "--tenant", "Globex", "reader", "--scope", "tasks:read"];
    assert_eq!(create(&shell.json(&reading)["key"]).await.status, 403);
    let brief = ["key", "create", "--tenant", "Globex", "brief", "--scope", "tasks:write"];
    let brief = shell.json(&[&brief[..], &["--expires-in", "0s"]].concat());
    assert_eq!(create(&brief["key"]).await.status, 401);
}

#[test]
fn created_objects_are_listed_as_text_and_as_json() {
    let shell = AdminShell::open();
    let tenant = shell.json(&["tenant", "create", "Globex"]);
    assert_eq!((&tenant["id"], &tenant["name"]), (&json!(1), &json!("Globex")));
    assert!(is_time(&tenant["created_at"]), "{tenant}");
    shell.text(&["tenant", "create", "Initech"]);
    assert_eq!(shell.json(&["tenant", "list"]).as_array().unwrap().len(), 2);

    let user = ["user", "create", "--tenant", "Globex", "ann@example.com", "--last-name", "Lee"];
    assert_eq!(
        shell.json(&user),
        json!({"id": 1, "email": "ann@example.com", "first_name": "", "last_name": "Lee"})
    );
    assert_eq!(
        shell.json(&["user", "list", "--tenant", "Globex"]),
        json!([{"id": 1, "email": "ann@example.com", "first_name": "", "last_name": "Lee",
            "external_id": null, "deactivated_at": null, "erased_at": null}])
    );
    assert_eq!(shell.json(&["user", "list", "--tenant", "Initech"]), json!([]));

    let text = shell.text(&["case", "create", "--tenant", "Globex", "A long name"]);
    let created = cells(&text);
    assert_eq!(created[0], ["ID", "NAME", "CREATED_AT"]);
    assert_eq!(created[1][..2], ["1", "A long name"]);
    assert_eq!(shell.text(&["case", "list", "--tenant", "Globex"]), text);
    assert_eq!(shell.text(&["case", "list", "--tenant", "Initech"]), "ID  NAME  CREATED_AT\n");
}

#[test]
fn a_new_key_is_printed_once_and_alone_on_standard_output() {
    let shell = AdminShell::open();
    shell.text(&["tenant", "create", "Globex"]);
    let create =
        ["key", "create", "--tenant", "Globex", "ci", "--scope", "tasks:write", "--scope", "admin"];

    let exited = shell.run(&[&create[..], &["--expires-in", "90d"]].concat());
    let key = exited.stdout.strip_suffix('\n').unwrap();
    assert!(key.len() == 46 && key.starts_with("cl_"), "{key}");
    assert!(!exited.stderr.contains(key), "{}", exited.stderr);
    assert!(exited.stderr.contains("shown this once"), "{}", exited.stderr);

    let listed = shell.json(&["key", "list", "--tenant", "Globex"]);
    assert_eq!(listed[0]["name"], "ci");
    assert_eq!(listed[0]["scopes"], json!(["tasks:write", "admin"]));
    assert_eq!(listed[0]["valid"], true);
    assert_eq!(listed[0]["revoked_at"], Value::Null);
    assert!(is_time(&listed[0]["expires_at"]), "{listed}");
    assert_eq!(listed[0].get("key"), None);
    let text = shell.text(&["key", "list", "--tenant", "Globex"]);
    assert!(!text.contains(key) && text.contains("tasks:write,admin"), "{text}");
    let count_of_digest = format!("SELECT count(*) FROM api_keys WHERE digest = sha256('{key}')");
    assert_eq!(shell.database.query(&count_of_digest), "1");
}

#[test]
fn a_key_expires_within_100_years_and_no_stored_time_breaks_the_list() {
    let shell = AdminShell::open();
    shell.text(&["tenant", "create", "Globex"]);
    let create = |name, expires_in| {
        let key = ["key", "create", "--tenant", "Globex", name, "--scope", "admin"];
        [&key[..], &["--expires-in", expires_in]].concat()
    };
    for too_long in ["100y 1s", "8000y", "99999999999y"] {
        let stderr = shell.error(64, &create("too-long", too_long));
        assert!(stderr.contains("at least 0s and at most 100years"), "{stderr}");
    }
    assert!(is_time(&shell.json(&create("longest", "100y"))["expires_at"]));

    // Anybody with access to the database can store these.
    shell.json(&create("other", "0s"));
    for (stored, printed) in [
        ("8000-01-01 00:00:00+00", "8000-01-01T00:00:00Z"),
        ("10000-01-01 00:00:00+00", "9999-12-31T23:59:59Z"),
        ("294276-12-31 23:59:59+00", "9999-12-31T23:59:59Z"),
        ("infinity", "9999-12-31T23:59:59Z"),
        ("4713-01-01 00:00:00+00 BC", "1970-01-01T00:00:00Z"),
        ("-infinity", "1970-01-01T00:00:00Z"),
    ] {
        shell.database.query(&format!(
            "UPDATE api_keys SET created_at = '{stored}', expires_at = '{stored}', \
             revoked_at = '{stored}' WHERE name = 'other'"
        ));
        let listed = shell.json(&["key", "list", "--tenant", "Globex"]);
        for member in ["created_at", "expires_at", "revoked_at"] {
            assert_eq!(listed[1][member], printed, "{stored}");
        }
        assert!(shell.text(&["key", "list", "--tenant", "Globex"]).contains(printed), "{stored}");
    }
}

#[test]
fn demo_prints_only_a_key_and_can_be_repeated() {
    let shell = AdminShell::open();
    let first = shell.text(&["demo"]);
    let second = shell.text(&["demo"]);
    for key in [&first, &second] {
        assert!(key.starts_with("cl_") && key.len() == 47 && key.ends_with('\n'), "{key:?}");
    }
    assert_ne!(first, second);
    let users = shell.json(&["user", "list", "--tenant", "Demo"]);
    let emails: Vec<_> = users.as_array().unwrap().iter().map(|user| &user["email"]).collect();
    assert_eq!(emails, ["user1@example.com", "user2@example.com", "user3@example.com"]);
    assert_eq!(shell.json(&["case", "list", "--tenant", "Demo"]).as_array().unwrap().len(), 1);
    assert_eq!(shell.json(&["key", "list", "--tenant", "Demo"]).as_array().unwrap().len(), 2);
}

#[test]
fn errors_name_their_cause() {
    let shell = AdminShell::open();
    shell.text(&["tenant", "create", "Globex"]);
    shell.text(&["user", "create", "--tenant", "Globex", "ann@example.com"]);
    let long = "x".repeat(201);
    let globex = ["--tenant", "Globex"];

    for (args, error) in [
        (&["tenant", "create", "Globex"][..], "tenant \"Globex\" exists already"),
        (&["tenant", "create", ""], "a name has 1 to 200 characters"),
        (&["tenant", "create", &long], "a name has 1 to 200 characters"),
        (&["case", "list", "--tenant", "Nobody"], "tenant \"Nobody\" does not exist"),
        (&["user", "list", "--tenant", "Nobody"], "tenant \"Nobody\" does not exist"),
        (
            &["key", "create", "--tenant", "Nobody", "k", "--scope", "admin"],
            "tenant \"Nobody\" does not exist",
        ),
        (&["key", "revoke", "--tenant", "Globex", "7"], "key 7 of tenant 1 does not exist"),
        (&["key", "revoke", "--tenant", "Globex", "--", "-7"], "a key's id is positive"),
        (
            &[&["user", "create"], &globex[..], &["ANN@example.com"]].concat(),
            "user ann@example.com exists already",
        ),
        (
            &[&["user", "create"], &globex[..], &["b@example.com", "--first-name", &long]].concat(),
            "a name has at most 200 characters",
        ),
        (&[&["case", "create"], &globex[..], &[""]].concat(), "a name has 1 to 200 characters"),
        (
            &[&["key", "create"], &globex[..], &["", "--scope", "admin"]].concat(),
            "a name has 1 to 200 characters",
        ),
    ] {
        assert_eq!(shell.error(1, args), format!("error: {error}\n"), "{args:?}");
    }

    for (args, error) in [
        (
            &["key", "create", "--tenant", "Globex", "k", "--scope", "tasks:delete"][..],
            "there is no scope \"tasks:delete\"; the scopes are tasks:read, tasks:write, cases:read, \
             cases:write and admin",
        ),
        (&["key", "create", "--tenant", "Globex", "k"], "--scope <SCOPE>"),
        (&["case", "list"], "--tenant <NAME>"),
        (&["user", "create", "--tenant", "Globex", "no-email"], "this is not an email address"),
        (
            &["user", "create", "--tenant", "Globex", "c@Erased.invalid"],
            "the domain of this email is reserved",
        ),
        (&["key", "revoke", "--tenant", "Globex", "ci"], "'ci'"),
    ] {
        let stderr = shell.error(64, args);
        assert!(stderr.contains(error), "{args:?}: {stderr}");
    }
}

#[test]
fn control_characters_in_names_are_not_printed_as_text() {
    let shell = AdminShell::open();
    let name = "red \u{1b}[31m\r\nalert";
    let created = shell.json(&["tenant", "create", name]);
    assert_eq!(created["name"], name, "JSON has the name unchanged");
    let text = shell.text(&["tenant", "list"]);
    assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text:?}");
    assert_eq!(text.lines().count(), 2, "{text:?}");
}

/// A process that ends while one of its threads opens a connection may crash: the TLS library, which
/// libpq also uses for passwords, cleans up at that time.
#[tokio::test]
async fn a_command_opens_no_connection_that_it_does_not_need() {
    let cluster = Cluster::temporary().setting("log_connections", "on").start().unwrap();
    let shell = AdminShell { database: TestDatabase::create_on(&cluster).await };
    let connections = || {
        let log = fs::read_to_string(cluster.log_file()).unwrap();
        let is_ours = |line: &&str| line.contains("authorized") && line.contains("=caseload ");
        log.lines().filter(is_ours).filter(|line| line.contains("application_name=")).count()
    };
    let before = connections();
    assert!(before > 0, "connections are logged");
    for count in 1..=5 {
        shell.text(&["tenant", "create", &format!("Tenant {count}")]);
        assert_eq!(connections() - before, count);
    }
}
