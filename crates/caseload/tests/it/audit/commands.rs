//! What commands write, list and verify.

use serde_json::{Value, json};

use crate::support::{AdminShell, CASELOAD, Program};

const TENANT: [&str; 2] = ["--tenant", "Globex"];

#[test]
fn each_command_that_changes_something_is_written_down_without_names() {
    let shell = AdminShell::open();
    shell.json(&["tenant", "create", "Globex"]);
    for hosts in [&["B.example", "a.example"][..], &["a.example"]] {
        shell.json(&[&["tenant", "host", "add"], &TENANT[..], hosts].concat());
    }
    for _ in 0..2 {
        shell.json(&["tenant", "host", "exclusive", "--tenant", "Globex", "on"]);
    }
    shell.json(&["tenant", "host", "remove", "--tenant", "Globex", "a.example"]);
    shell.json(&["user", "create", "--tenant", "Globex", "ann@example.com", "--first-name", "Ann"]);
    shell.json(&["case", "create", "--tenant", "Globex", "A leak"]);
    let key = ["key", "create", "--tenant", "Globex", "the key of Ann", "--scope", "tasks:write"];
    let key = shell.json(&[&key[..], &["--scope", "admin", "--allow-from", "::1"]].concat());
    shell.json(&["key", "allow", "--tenant", "Globex", "1", "10.0.0.0/8", "fd00::/8"]);
    shell.json(&["key", "allow", "--tenant", "Globex", "1", "--everywhere"]);
    let until = ["key", "rotate", "--tenant", "Globex", "1", "--until", "2099-01-01T00:00:00Z"];
    shell.json(&until);
    for _ in 0..2 {
        shell.json(&["key", "revoke", "--tenant", "Globex", "1"]);
    }
    // What fails or reads only is not in it.
    shell.run(&["tenant", "create", "Globex"]);
    shell.run(&["tenant", "host", "remove", "--tenant", "Globex", "b.example"]);
    shell.run(&until);
    shell.json(&["key", "list", "--tenant", "Globex"]);

    let entries = shell.entries("Globex");
    let expected = [
        "tenant.created 1",
        "host.added 1 host=a.example",
        "host.added 1 host=b.example",
        "host.exclusive_set 1 exclusive=true",
        "host.removed 1 host=a.example",
        "user.created 1",
        "case.created 1",
        "key.created 1 scopes=tasks:write,admin networks=::1/128",
        "key.networks_set 1 scopes=tasks:write,admin networks=10.0.0.0/8,fd00::/8",
        "key.networks_set 1 scopes=tasks:write,admin",
        "key.created 2 scopes=tasks:write,admin",
        "key.rotated 1 new_key=2 until=4070908800",
        "key.revoked 1",
    ];
    assert_eq!(entries, expected);

    let exited = shell.run(&["audit", "list", "--json"]);
    let role = shell.database.query("SELECT session_user");
    let list: Value = serde_json::from_str(&exited.stdout).unwrap();
    for (number, entry) in (1..).zip(list.as_array().unwrap()) {
        assert_eq!((&entry["number"], &entry["tenant"]), (&json!(number), &json!("Globex")));
        assert_eq!(
            (&entry["by"], &entry["request_id"]),
            (&json!(format!("role {role}")), &Value::Null)
        );
        let time = entry["time"].as_str().unwrap();
        assert!(time.len() == 27 && time.ends_with('Z'), "{time}");
    }
    let dump = shell.database.query("SELECT * FROM audit_entries");
    for secret in ["ann", "Ann", "leak", key["key"].as_str().unwrap()] {
        assert!(!exited.stdout.contains(secret) && !dump.contains(secret), "{secret}");
    }
    assert_eq!(shell.verify("Globex", &[]).1, [""; 0]);
}

#[test]
fn entries_are_listed_since_a_time_and_up_to_a_number() {
    let shell = AdminShell::open();
    shell.json(&["tenant", "create", "Globex"]);
    for name in ["a", "b", "c"] {
        shell.json(&["case", "create", "--tenant", "Globex", name]);
    }
    shell.json(&["tenant", "create", "Initech"]);
    let tenants = |list: &Value| {
        let entries = list.as_array().unwrap().iter();
        entries.map(|entry| entry["tenant"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = shell.json(&["audit", "list"]);
    assert_eq!(tenants(&all), ["Globex", "Globex", "Globex", "Globex", "Initech"]);
    let since = all[2]["time"].as_str().unwrap();
    let some = shell.json(&[&["audit", "list", "--since", since], &TENANT[..]].concat());
    assert_eq!(some, json!([all[2], all[3]]));
    assert_eq!(shell.json(&["audit", "list", "--since", "2999-01-01T00:00:00Z"]), json!([]));

    let limited = shell.run(&["audit", "list", "--json", "--limit", "2"]);
    let list: Value = serde_json::from_str(&limited.stdout).unwrap();
    assert_eq!(tenants(&list), ["Globex", "Globex", "Initech"]);
    let last = all[1]["time"].as_str().unwrap();
    let more = format!("Tenant \"Globex\" has more entries: go on with --since {last}.\n");
    assert_eq!(limited.stderr, more);

    let text = shell.run(&["audit", "list"]);
    assert!(text.stdout.starts_with("TIME "), "{}", text.stdout);
    assert!(text.stdout.contains("case.created"), "{}", text.stdout);
}

#[test]
fn entries_are_in_the_log_of_the_program_too() {
    let shell = AdminShell::open();
    let url = [("CASELOAD_DATABASE_URL", shell.database.url().expose())];
    let run = |args: &[&str]| Program::start_with_env(CASELOAD, args, &url).wait_for_exit();
    let created = run(&["admin", "tenant", "create", "Globex"]);
    let [line] = &created.log()[..] else { panic!("{created:?}") };
    let hash = shell.database.query("SELECT encode(hash, 'hex') FROM audit_entries");
    for (field, value) in [
        ("target", json!("caseload::audit")),
        ("level", json!("INFO")),
        ("message", json!("audit")),
        ("tenant", json!(1)),
        ("number", json!(1)),
        ("event", json!("tenant.created")),
        ("subject", json!(1)),
        ("hash", json!(hash)),
    ] {
        assert_eq!(line[field], value, "{line}");
    }
    assert_eq!(line.get("by_key"), None);
    let filtered = run(&["admin", "--log-level", "warn", "tenant", "create", "Initech"]);
    assert_eq!(filtered.stderr, "");
    let alone = ["admin", "--log-level", "off,caseload::audit=info", "tenant", "create", "Hooli"];
    assert_eq!(run(&alone).log().len(), 1);
}

#[test]
fn bad_arguments_name_their_cause() {
    let shell = AdminShell::open();
    shell.json(&["tenant", "create", "Globex"]);
    for (args, code, message) in [
        (
            &["list", "--since", "yesterday"][..],
            64,
            "it is a time in UTC, as in 2030-01-31T00:00:00Z",
        ),
        (&["list", "--limit", "0"], 64, "at least 1 and at most 100000"),
        (&["list", "--tenant", "Nobody"], 1, "tenant \"Nobody\" does not exist"),
        (&["verify", "--tenant", "Globex", "--expect", "7"], 64, "an anchor is NUMBER:HASH"),
        (&["verify", "--expect", &format!("1:{}", "0".repeat(64))], 64, "--tenant <NAME>"),
        (&["prune", "--older-than", "1h"], 64, "at least 1day"),
        (&["prune"], 64, "--older-than <DURATION>"),
    ] {
        let exited = shell.run(&[&["audit"], args].concat());
        assert_eq!(exited.code(), Some(code), "{args:?}: {exited:?}");
        assert!(exited.stderr.contains(message), "{args:?}: {exited:?}");
    }
}
