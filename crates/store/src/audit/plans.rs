//! How Postgres runs the statements of this directory.

use super::outbox::{Take, Tenants};
use crate::explainer::Explainer;

/// Three tenants with 50,000 changes each in the outbox.
const DATA: &str = "
    INSERT INTO audit_outbox (tenant_id, event, api_key_id, request_id, subject_id)
        SELECT 1 + n % 3, 'case.changed', 1, 'a-request', n FROM generate_series(1, 150000) AS n;
    VACUUM ANALYZE";

#[tokio::test]
async fn what_waits_costs_nothing_until_it_is_taken() {
    let mut explainer = Explainer::start(DATA).await;
    explainer.assert_uses::<Tenants>("audit_outbox_pkey", &[], 30);
    // Each row is looked up twice: its id, and then the row.
    explainer.assert_uses::<Take>("audit_outbox_pkey", &["2", "1000"], 10_000);
    explainer.restrict();
    explainer.assert_uses::<Take>("audit_outbox_pkey", &["1", "1000"], 10_000);
}
