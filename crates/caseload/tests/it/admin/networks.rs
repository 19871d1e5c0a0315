//! `caseload admin key create --allow-from`, and `key allow`.

use serde_json::json;

use crate::support::AdminShell;

const CREATE: [&str; 7] = ["key", "create", "--tenant", "Globex", "ci", "--scope", "admin"];
const ALLOW: [&str; 5] = ["key", "allow", "--tenant", "Globex", "1"];

fn shell() -> AdminShell {
    let shell = AdminShell::open();
    shell.text(&["tenant", "create", "Globex"]);
    shell
}

#[test]
fn networks_are_set_listed_and_replaced() {
    let shell = shell();
    let from = ["--allow-from", "10.0.0.0/8", "--allow-from", "::ffff:192.0.2.7"];
    let key = shell.json(&[&CREATE[..], &from].concat());
    assert_eq!(key["allowed_networks"], json!(["10.0.0.0/8", "192.0.2.7/32"]));
    let list = || shell.json(&["key", "list", "--tenant", "Globex"])[0]["allowed_networks"].clone();
    assert_eq!(list(), json!(["10.0.0.0/8", "192.0.2.7/32"]));

    let allowed = shell.json(&[&ALLOW[..], &["2001:db8::/32", "fd00::1"]].concat());
    assert_eq!(allowed["allowed_networks"], json!(["2001:db8::/32", "fd00::1/128"]));
    assert_eq!(list(), allowed["allowed_networks"]);
    shell.text(&["key", "rotate", "--tenant", "Globex", "1", "--expires-in", "1d"]);
    let keys = shell.json(&["key", "list", "--tenant", "Globex"]);
    assert_eq!(keys[1]["allowed_networks"], list());

    shell.text(&[&ALLOW[..], &["--everywhere"]].concat());
    assert_eq!(list(), json!([]));
}

#[test]
fn errors_name_their_cause() {
    let shell = shell();
    for (args, message) in [
        (&["--allow-from", "10.0.0.1/8"][..], "bits behind its prefix; 10.0.0.0/8 has not"),
        (
            &["--allow-from", "office"],
            "a network is an address, or one with the length of its prefix",
        ),
        (&["--allow-from", "10.0.0.0/8,::1"], "a network is an address"),
    ] {
        let stderr = shell.error(64, &[&CREATE[..], args].concat());
        assert!(stderr.contains(message), "{args:?}: {stderr}");
    }
    let many: Vec<_> = (0..101).flat_map(|_| ["--allow-from", "10.0.0.0/8"]).collect();
    let stderr = shell.error(1, &[&CREATE[..], &many].concat());
    assert_eq!(stderr, "error: a key has at most 100 networks\n");
    for (args, message) in [
        (&[][..], "<NETWORK|--everywhere>"),
        (&["--everywhere", "10.0.0.0/8"], "cannot be used with"),
    ] {
        let stderr = shell.error(64, &[&ALLOW[..], args].concat());
        assert!(stderr.contains(message), "{args:?}: {stderr}");
    }
    let stderr = shell.error(1, &[&ALLOW[..], &["--everywhere"]].concat());
    assert_eq!(stderr, "error: key 1 of tenant 1 does not exist\n");
}
