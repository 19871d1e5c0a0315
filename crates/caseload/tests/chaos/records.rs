//! Compares the records of idempotency keys with what was created.

use crate::{audit::Verdict, psql::Psql, report::Report};

/// Returns the idempotency records of what neither exists nor was deleted.
const INCOMPLETE_RECORDS: &str = "
    SELECT 'the record ' || r.key || ' names the case ' || r.case_id || ', which never was'
        FROM idempotency_keys AS r
        WHERE NOT EXISTS (
            SELECT FROM states AS s WHERE s.kind = 'cases' AND s.id = r.case_id
        ) AND r.case_id IS NOT NULL
    UNION ALL
    SELECT DISTINCT 'the record ' || r.key || ' names tasks that do not exist'
        FROM idempotency_keys AS r
        CROSS JOIN LATERAL unnest(r.task_ids) AS named (id)
        WHERE NOT EXISTS (
            SELECT FROM tasks AS t WHERE t.tenant_id = r.tenant_id AND t.id = named.id
        ) AND NOT EXISTS (
            SELECT FROM changes AS c WHERE c.task_id = named.id AND c.step = 'deleted'
        )";

/// Counts the records of what was created in part, or not at all.
pub(crate) fn judge(verdict: &mut Verdict, database: &Psql, report: &Report) {
    for incomplete in database.run(INCOMPLETE_RECORDS).lines() {
        verdict.partial += 1;
        report.finding(incomplete.to_owned());
    }
}
