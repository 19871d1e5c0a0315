//! Old entries are deleted, and what is left can be verified.

use std::time::{Duration, SystemTime};

use domain::{Agent, AuditEvent, NewAuditEntry};

use crate::support::AdminShell;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_verified_against_the_last_entry_that_was_pruned() {
    let shell = AdminShell::open();
    shell.json(&["tenant", "create", "Globex"]);
    shell.database.query("DELETE FROM audit_entries; DELETE FROM audit_heads");
    let database = shell.database.open();
    let tenant = database.find_tenant("Globex".to_owned()).await.unwrap().unwrap();
    let days = |count: u64| Duration::from_secs(count * 24 * 3600);
    let entries = [500, 450, 410, 390, 1].map(|age| NewAuditEntry {
        time: SystemTime::now().checked_sub(days(age)),
        ..NewAuditEntry::now(AuditEvent::CaseCreated, Agent::Session, i64::try_from(age).unwrap())
    });
    database.append_to_audit_log(tenant, entries.to_vec()).await.unwrap();
    let anchors: Vec<_> = shell
        .database
        .query("SELECT number || ':' || encode(hash, 'hex') FROM audit_entries ORDER BY number")
        .lines()
        .map(str::to_owned)
        .collect();

    let prune = || shell.json(&["audit", "prune", "--older-than", "400d"])[0]["pruned"].clone();
    assert_eq!((prune(), prune()), (3.into(), 0.into()));

    let list = shell.json(&["audit", "list", "--since", "1000d"]);
    let numbers: Vec<_> = list.as_array().unwrap().iter().map(|it| it["number"].as_i64()).collect();
    assert_eq!(numbers, [Some(4), Some(5), Some(6)]);
    let details = format!("count=3 up_to={}", anchors[2]);
    assert_eq!((&list[2]["event"], &list[2]["details"]), (&"log.pruned".into(), &details.into()));
    // What was pruned last can still be compared, what was before it can't.
    for (anchor, faults) in [
        (&anchors[3], &[][..]),
        (&anchors[2], &[]),
        (&anchors[1], &["entry 2, which the anchor names, was pruned"]),
    ] {
        assert_eq!(shell.verify("Globex", &[anchor]).1, faults);
    }
    shell.database.query("DELETE FROM audit_entries WHERE number = 4");
    assert_eq!(shell.verify("Globex", &[]).1, ["entry 4 is missing"]);
}
