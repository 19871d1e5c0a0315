//! `caseload admin key rotate`.

use reqwest::Method;
use serde_json::{Value, json};

use super::is_time;
use crate::support::{AdminShell, App, ONE_TASK, Reply, polling::eventually};

const ROTATE: [&str; 5] = ["key", "rotate", "--tenant", "Globex", "1"];

impl AdminShell {
    /// Opens a shell with the tenant Globex, which has a key with the id 1.
    fn with_key(more: &[&str]) -> (Self, Value) {
        let shell = Self::open();
        shell.text(&["tenant", "create", "Globex"]);
        let create = ["key", "create", "--tenant", "Globex", "ci", "--scope", "tasks:write"];
        let key = shell.json(&[&create[..], &["--scope", "tasks:read"], more].concat());
        (shell, key)
    }

    fn keys(&self) -> Value {
        self.json(&["key", "list", "--tenant", "Globex"])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_keys_work_until_the_old_one_ends() {
    let (shell, old) = AdminShell::with_key(&[]);
    let case = shell.json(&["case", "create", "--tenant", "Globex", "Leak"]);
    let database = shell.database.clone();
    let mut app = App::builder().server_args(&["--key-ttl", "1h"]).start_on(database).await;
    app.case_id = case["id"].as_i64().unwrap();
    let create = async |key: &Value| {
        let key = key["key"].as_str().unwrap();
        let request = app.request(Method::POST, &app.batch_path()).bearer_auth(key);
        Reply::of(request.header("content-type", "application/json").body(ONE_TASK)).await.status
    };
    assert_eq!(create(&old).await, 201);

    let new = shell.json(&[&ROTATE[..], &["--expires-in", "1h"]].concat());
    assert_eq!((create(&old).await.as_u16(), create(&new).await.as_u16()), (201, 201));
    assert_eq!(new["scopes"], json!(["tasks:read", "tasks:write"]));
    assert_eq!((&new["name"], &new["expires_at"]), (&json!("ci"), &Value::Null));

    // It may be rotated again, to end sooner.
    let third = shell.json(&[&ROTATE[..], &["--expires-in", "0s"]].concat());
    assert_eq!(third["expires_at"], Value::Null, "it lives as long as the first one was to");
    eventually("the old key to be refused", async || (create(&old).await == 401).then_some(()))
        .await;
    assert_eq!((create(&new).await.as_u16(), create(&third).await.as_u16()), (201, 201));
}

#[test]
fn the_new_key_is_printed_once_and_the_list_says_what_became_of_the_old_one() {
    let (shell, _) = AdminShell::with_key(&[]);
    let exited = shell.run(&[&ROTATE[..], &["--expires-in", "7d"]].concat());
    assert_eq!(exited.code(), Some(0), "{exited:?}");
    let key = exited.stdout.strip_suffix('\n').unwrap();
    assert!(key.len() == 46 && key.starts_with("cl_"), "{key}");
    assert!(!exited.stderr.contains(key) && exited.stderr.contains("shown this once"));
    let digest = format!("SELECT id FROM api_keys WHERE digest = sha256('{key}')");
    assert_eq!(shell.database.query(&digest), "2");

    let keys = shell.keys();
    assert_eq!((&keys[0]["replaced_by"], &keys[1]["replaced_by"]), (&json!(2), &Value::Null));
    assert!(is_time(&keys[0]["expires_at"]), "{keys}");
    assert_eq!(keys[1]["expires_at"], Value::Null);
    assert_eq!((&keys[0]["state"], &keys[0]["valid"]), (&json!("valid"), &json!(true)));
    assert_eq!(keys[0]["last_used_at"], Value::Null);
    let text = shell.text(&["key", "list", "--tenant", "Globex"]);
    assert!(text.contains("STATE") && text.contains("LAST_USED_AT"), "{text}");
    shell.text(&["key", "revoke", "--tenant", "Globex", "1"]);
    assert_eq!(shell.keys()[0]["state"], "revoked");
}

#[test]
fn a_key_that_expires_is_replaced_by_one_with_as_long_a_life() {
    let (shell, _) = AdminShell::with_key(&["--expires-in", "90d"]);
    shell.database.query(
        "UPDATE api_keys SET created_at = '2000-01-01 00:00Z', expires_at = '2100-01-01 00:00Z'",
    );
    shell.text(&[&ROTATE[..], &["--until", "2099-12-31T00:00:00Z"]].concat());
    let keys = shell.keys();
    assert_eq!(keys[0]["expires_at"], "2099-12-31T00:00:00Z");
    let life = "SELECT expires_at - created_at BETWEEN interval '36524 days' AND interval '36526 days' \
        FROM api_keys WHERE id = 2";
    assert_eq!(shell.database.query(life), "t");

    // Nor does the rotation shorten the life of a further key, or prolong that of the old one.
    let second = ["key", "rotate", "--tenant", "Globex", "1", "--until", "2150-01-01T00:00:00Z"];
    shell.text(&second);
    assert_eq!(shell.keys()[0]["expires_at"], "2099-12-31T00:00:00Z");
    assert_eq!(shell.database.query(&life.replace("id = 2", "id = 3")), "t");
}

#[test]
fn only_a_valid_key_is_rotated_and_the_end_of_the_old_one_is_given_once() {
    let (shell, _) = AdminShell::with_key(&[]);
    for (args, message) in [
        (&[][..], "<--expires-in <DURATION>|--until <TIME>>"),
        (&["--expires-in", "1h", "--until", "2999-01-01T00:00:00Z"], "cannot be used with"),
        (&["--expires-in", "101y"], "at most 100years"),
        (&["--until", "2020-01-01T00:00:00Z"], "the time has passed"),
        (&["--until", "tomorrow"], "a time is written in UTC, as in 2030-01-31T00:00:00Z"),
    ] {
        let stderr = shell.error(64, &[&ROTATE[..], args].concat());
        assert!(stderr.contains(message), "{args:?}: {stderr}");
    }
    let in_an_hour = ["--expires-in", "1h"];
    let of = |tenant, id| {
        [&["key", "rotate", "--tenant", tenant], &in_an_hour[..], &["--", id]].concat()
    };
    shell.text(&["tenant", "create", "Initech"]);
    for (tenant, id, error) in [
        ("Globex", "7", "key 7 of tenant 1 does not exist"),
        ("Initech", "1", "key 1 of tenant 2 does not exist"),
        ("Globex", "-1", "a key's id is positive"),
    ] {
        assert_eq!(shell.error(1, &of(tenant, id)), format!("error: {error}\n"));
    }

    shell.database.query("UPDATE api_keys SET expires_at = now()");
    assert_eq!(shell.error(1, &of("Globex", "1")), "error: key 1 has expired\n");
    assert_eq!(shell.keys()[0]["state"], "expired");
    shell.text(&["key", "revoke", "--tenant", "Globex", "1"]);
    assert_eq!(shell.error(1, &of("Globex", "1")), "error: key 1 was revoked\n");
    assert_eq!(shell.keys()[0]["state"], "revoked");
    assert_eq!(shell.keys().as_array().unwrap().len(), 1, "nothing was created");
}
