//! The plain design that the write path is measured against: a pooled connection and a
//! transaction for each request, off the async threads.

use diesel::Connection as _;
use domain::{TaskBatch, TenantId};

use super::{
    outcome::{Outcome, settle},
    statement::Statement,
};
use crate::Database;

/// Creates a batch in a transaction of its own, on a connection that is taken for it.
pub(super) async fn create(database: &Database, tenant: TenantId, batch: TaskBatch) -> Outcome {
    let outcome = database.run(move |connection| {
        let statement = Statement::new([(tenant, &batch)].into_iter());
        let verdict = connection.transaction(|connection| statement.run(connection))?.next(&batch);
        Ok(settle(connection, tenant, batch, verdict)?)
    });
    outcome.await?
}
