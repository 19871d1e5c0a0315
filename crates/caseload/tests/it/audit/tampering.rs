//! What somebody does who may write to the tables, as their owner.

use crate::support::AdminShell;

/// Opens a shell on a database with two tenants whose logs have six entries each.
fn shell() -> AdminShell {
    let shell = AdminShell::open();
    for tenant in ["Globex", "Initech"] {
        shell.json(&["tenant", "create", tenant]);
        for name in ["a", "b", "c", "d", "e"] {
            shell.json(&["case", "create", "--tenant", tenant, name]);
        }
    }
    shell
}

#[test]
fn each_change_of_the_entries_is_found() {
    for (tampering, faults) in [
        ("SELECT", &[][..]),
        (
            "UPDATE audit_entries SET subject_id = 7 WHERE tenant_id = 1 AND number = 2",
            &["entry 2 was changed, or does not follow the one before it"],
        ),
        (
            "UPDATE audit_entries SET created_at = created_at - interval '1 microsecond' \
             WHERE tenant_id = 1 AND number = 6",
            &["entry 6 was changed, or does not follow the one before it"],
        ),
        (
            "UPDATE audit_entries SET hash = sha256('x') WHERE tenant_id = 1 AND number = 6",
            &[
                "entry 6 was changed, or does not follow the one before it",
                "the head of the log does not have the hash of the last entry",
            ],
        ),
        ("DELETE FROM audit_entries WHERE tenant_id = 1 AND number = 1", &["entry 1 is missing"]),
        ("DELETE FROM audit_entries WHERE tenant_id = 1 AND number = 3", &["entry 3 is missing"]),
        (
            "DELETE FROM audit_entries WHERE tenant_id = 1 AND number > 4",
            &["entries 5 to 6 are missing"],
        ),
        ("DELETE FROM audit_entries WHERE tenant_id = 1", &["entries 1 to 6 are missing"]),
        // Two entries change places.
        (
            "UPDATE audit_entries SET number = 9 WHERE tenant_id = 1 AND number = 2; \
             UPDATE audit_entries SET number = 2 WHERE tenant_id = 1 AND number = 3; \
             UPDATE audit_entries SET number = 3 WHERE tenant_id = 1 AND number = 9",
            &[
                "entry 2 was changed, or does not follow the one before it",
                "entry 3 was changed, or does not follow the one before it",
                "entry 4 was changed, or does not follow the one before it",
            ],
        ),
        // The entry of another tenant takes the place of one, with its hash.
        (
            "DELETE FROM audit_entries WHERE tenant_id = 1 AND number = 6; \
             UPDATE audit_entries SET tenant_id = 1 WHERE tenant_id = 2 AND number = 6",
            &[
                "entry 6 was changed, or does not follow the one before it",
                "the head of the log does not have the hash of the last entry",
            ],
        ),
        // One is invented.
        (
            "INSERT INTO audit_entries SELECT tenant_id, 7, hash, created_at, event, api_key_id, \
             role, address, request_id, subject_id, details FROM audit_entries \
             WHERE tenant_id = 1 AND number = 6",
            &[
                "entry 7 was changed, or does not follow the one before it",
                "entry 7 comes after the last one that the head of the log knows",
            ],
        ),
        (
            "UPDATE audit_heads SET pruned_number = 2 WHERE tenant_id = 1",
            &[
                "entry 1 was changed, or does not follow the one before it",
                "the log begins behind entry 2, and no entry says that it was pruned",
            ],
        ),
        // As if the first ones had been pruned.
        (
            "UPDATE audit_heads SET pruned_number = 2, pruned_hash = (SELECT hash FROM audit_entries \
                 WHERE tenant_id = 1 AND number = 2) WHERE tenant_id = 1; \
             DELETE FROM audit_entries WHERE tenant_id = 1 AND number < 3",
            &["the log begins behind entry 2, and no entry says that it was pruned"],
        ),
    ] {
        let shell = shell();
        shell.database.query(tampering);
        assert_eq!(shell.verify("Globex", &[]).1, faults, "{tampering}");
    }
}

/// Who also writes to the head can cut the log off, or write it anew: then only what is known elsewhere tells.
#[test]
fn a_log_that_is_consistent_but_another_one_is_found_by_an_anchor() {
    for (tampering, fault) in [
        ("SELECT", None),
        (
            "UPDATE audit_heads SET last_number = 4, last_hash = (SELECT hash FROM audit_entries \
                 WHERE tenant_id = 1 AND number = 4) WHERE tenant_id = 1; \
             DELETE FROM audit_entries WHERE tenant_id = 1 AND number > 4",
            Some("the log ends before entry 6, which the anchor names"),
        ),
        (
            "DELETE FROM audit_entries WHERE tenant_id = 1; \
             DELETE FROM audit_heads WHERE tenant_id = 1",
            Some("the log ends before entry 6, which the anchor names"),
        ),
    ] {
        let shell = shell();
        let (anchor, faults) = shell.verify("Globex", &[]);
        assert!(faults.is_empty() && anchor.starts_with("6:"), "{anchor} {faults:?}");
        shell.json(&["case", "create", "--tenant", "Globex", "f"]);
        assert!(shell.verify("Globex", &[&anchor]).1.is_empty(), "the log has grown");
        shell.database.query(tampering);
        let expected: Vec<_> = fault.into_iter().collect();
        if !expected.is_empty() {
            assert!(shell.verify("Globex", &[]).1.is_empty(), "{tampering}");
        }
        assert_eq!(shell.verify("Globex", &[&anchor]).1, expected, "{tampering}");
    }
    // That of another tenant fits none.
    let shell = shell();
    let anchor = shell.verify("Initech", &[]).0;
    assert_eq!(
        shell.verify("Globex", &[&anchor]).1,
        ["up to entry 6, the log is not what the anchor stands for"]
    );
}

#[test]
fn all_tenants_are_verified_and_a_tenant_without_a_log_is_fine() {
    let shell = shell();
    shell.database.query(
        "INSERT INTO tenants (name) VALUES ('from before'); \
         UPDATE audit_entries SET role = 'x' WHERE tenant_id = 2 AND number = 1",
    );
    let exited = shell.run(&["audit", "verify", "--json"]);
    assert_eq!(exited.code(), Some(1), "{exited:?}");
    let found: serde_json::Value = serde_json::from_str(&exited.stdout).unwrap();
    let row =
        |row: &serde_json::Value| format!("{} {} {}", row["tenant"], row["last"], row["intact"]);
    let rows: Vec<_> = found.as_array().unwrap().iter().map(row).collect();
    assert_eq!(rows, ["\"Globex\" 6 true", "\"Initech\" 6 false", "\"from before\" 0 true"]);
}
