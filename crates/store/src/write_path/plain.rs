//! The plain design, for comparison in benches: a pooled connection and a transaction for each
//! batch, off the async threads.

use diesel::Connection as _;
use domain::{Actor, TaskBatch};

use super::{
    outcome::{Outcome, resolve},
    statement::Statement,
};
use crate::database::Database;

/// Creates a batch in a transaction of its own, on a pooled connection.
pub(super) async fn create(database: &Database, actor: Actor, batch: TaskBatch) -> Outcome {
    let outcome = database.write("batch_create_tasks", move |connection| {
        let statement = Statement::new([(&actor, &batch)].into_iter());
        let verdict = connection.transaction(|connection| statement.run(connection))?.next(&batch);
        Ok(resolve(connection, actor.tenant, batch, verdict)?)
    });
    outcome.await?
}
