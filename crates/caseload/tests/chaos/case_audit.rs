//! Compares what clients know of cases with the database.

use std::collections::HashSet;

use crate::{
    audit::Verdict, batch::LAST_CASE, known::KnownStates, psql::Psql, report::Report,
    statements::SentStatements, states::Recorded,
};

/// Returns what is left of cases that were deleted, and what belongs to nothing.
const REMAINS: &str = "
    SELECT 'the task ' || t.id || ' of the deleted case ' || t.case_id || ' is there' FROM tasks AS t
        WHERE t.case_id IN (SELECT s.id FROM states AS s WHERE s.kind = 'cases' AND s.state = 'deleted')
            OR NOT EXISTS (
                SELECT FROM cases AS c WHERE c.tenant_id = t.tenant_id AND c.id = t.case_id
            )
    UNION ALL
    SELECT 'an assignment of the deleted task ' || a.task_id || ' is there' FROM task_assignees AS a
        WHERE NOT EXISTS (
            SELECT FROM tasks AS t WHERE t.tenant_id = a.tenant_id AND t.id = a.task_id
        )";

/// Returns the tasks of the clients' cases that were changed or deleted.
pub(crate) fn tasks(database: &Psql) -> HashSet<i64> {
    let tasks = database.run(&format!("SELECT task_id FROM changes WHERE case_id > {LAST_CASE}"));
    tasks.lines().map(|id| id.parse().unwrap()).collect()
}

/// Compares what clients know of cases with what was recorded of them, and looks for what they leave.
pub(crate) fn judge(
    cases: &KnownStates,
    sent: &SentStatements,
    verdict: &mut Verdict,
    database: &Psql,
    report: &Report,
) {
    cases.judge(Recorded::of("cases", database), sent, verdict, report);
    for left in database.run(REMAINS).lines() {
        verdict.remains += 1;
        report.finding(left.to_owned());
    }
    for changed in database.run(&changed_tasks()).lines() {
        report.unexpected(changed.to_owned());
    }
}

/// Returns the query for tasks of the clients' cases that were changed, or deleted without their case: nobody
/// does that.
fn changed_tasks() -> String {
    format!(
        "SELECT 'the task ' || c.task_id || ' was changed by nobody: ' || c.step FROM changes AS c
         WHERE c.case_id > {LAST_CASE} AND NOT (c.step = 'deleted' AND c.case_id IN (
             SELECT s.id FROM states AS s WHERE s.kind = 'cases' AND s.state = 'deleted'
         ))"
    )
}
