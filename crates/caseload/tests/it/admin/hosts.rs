//! `caseload admin tenant host`.

use serde_json::{Value, json};

use crate::support::AdminShell;

fn shell() -> AdminShell {
    let shell = AdminShell::open();
    for tenant in ["Globex", "Initech"] {
        shell.text(&["tenant", "create", tenant]);
    }
    shell
}

fn args<'a>(command: &'a str, tenant: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["tenant", "host", command, "--tenant", tenant], more].concat()
}

/// Returns `HOST TENANT`, with `only` where the tenant's keys are accepted on its own hosts only.
fn listed(hosts: &Value) -> Vec<String> {
    let hosts = hosts.as_array().unwrap().iter();
    hosts
        .map(|host| {
            assert!(host["created_at"].as_str().unwrap().ends_with('Z'), "{host}");
            let only = if host["exclusive"] == json!(true) { " only" } else { "" };
            let [name, tenant] = ["host", "tenant"].map(|name| host[name].as_str().unwrap());
            format!("{name} {tenant}{only}")
        })
        .collect()
}

#[test]
fn hosts_are_added_listed_and_removed() {
    let shell = shell();
    let run = |command, tenant, more: &[&str]| listed(&shell.json(&args(command, tenant, more)));
    let names = ["Tasks.Example.com.", "xn--BCHER-kva.example", "tasks.example.com"];
    let both = ["tasks.example.com Globex", "xn--bcher-kva.example Globex"];
    assert_eq!(run("add", "Globex", &names), both);
    assert_eq!(run("add", "Globex", &names[..1]), both, "it has it already");
    assert_eq!(run("add", "Initech", &["a.example"]), ["a.example Initech"]);
    assert_eq!(run("list", "Globex", &[]), both);
    let all = || listed(&shell.json(&["tenant", "host", "list"]));
    assert_eq!(all(), ["a.example Initech", both[0], both[1]]);

    let exclusive = ["tasks.example.com Globex only", "xn--bcher-kva.example Globex only"];
    assert_eq!(run("exclusive", "Globex", &["on"]), exclusive);
    let added = run("add", "Globex", &["b.example"]);
    assert_eq!(added, ["b.example Globex only", exclusive[0], exclusive[1]]);
    assert_eq!(run("remove", "Globex", &["b.example", "TASKS.example.com"]), exclusive[1..]);
    assert_eq!(run("exclusive", "Globex", &["off"]), both[1..]);
    assert_eq!(run("remove", "Globex", &["xn--bcher-kva.example"]), [""; 0]);
    assert_eq!(all(), ["a.example Initech"]);

    let table = shell.text(&["tenant", "host", "list"]);
    assert!(table.starts_with("HOST "), "{table}");
}

#[test]
fn errors_name_their_cause_and_change_nothing() {
    let shell = shell();
    shell.json(&args("add", "Globex", &["a.example"]));
    shell.json(&args("exclusive", "Globex", &["on"]));
    for (command, tenant, more, code, message) in [
        (
            "add",
            "Initech",
            &["b.example", "A.example"][..],
            1,
            "host a.example of another tenant exists already",
        ),
        ("add", "Nobody", &["b.example"], 1, "tenant \"Nobody\" does not exist"),
        ("add", "Initech", &["b.example:443"], 64, "without a scheme and a port"),
        ("add", "Initech", &["192.0.2.1"], 64, "it is not an address"),
        ("add", "Initech", &["bücher.example"], 64, "xn--bcher-kva.example for bücher.example"),
        ("add", "Initech", &[], 64, "<HOST>"),
        ("remove", "Globex", &["b.example"], 1, "host b.example of tenant 1 does not exist"),
        ("remove", "Initech", &["a.example"], 1, "host a.example of tenant 2 does not exist"),
        ("remove", "Globex", &["a.example"], 1, "tenant host exclusive"),
        ("exclusive", "Initech", &["on"], 1, "the tenant has no host"),
        ("exclusive", "Initech", &["perhaps"], 64, "perhaps"),
    ] {
        let stderr = shell.error(code, &args(command, tenant, more));
        assert!(stderr.contains(message), "{command} {more:?}: {stderr}");
    }
    let names: Vec<_> = (0..100).map(|number| format!("{number}.example")).collect();
    let mut names: Vec<_> = names.iter().map(String::as_str).collect();
    names.push("c.example");
    let stderr = shell.error(1, &args("add", "Initech", &names));
    assert_eq!(stderr, "error: a tenant has at most 100 hosts\n");
    let all = listed(&shell.json(&["tenant", "host", "list"]));
    assert_eq!(all, ["a.example Globex only"]);
}
