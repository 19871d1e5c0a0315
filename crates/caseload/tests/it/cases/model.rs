//! Random sequences of the calls about cases, over REST and gRPC mixed, compared after each step with a
//! plain model of what the service is to do.

mod calls;
mod operation;
mod prediction;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, UNIX_EPOCH},
};

use domain::{ApiKey, Etag, Scope};
use proptest::{
    collection::vec,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tokio::runtime::Runtime;

use crate::support::App;
use operation::{Operation, Request, Tag};
use prediction::Model;

/// The number of sequences, and the most operations of one.
const SEQUENCES: u32 = 16;
const OPERATIONS: usize = 40;

/// What a sequence runs on: an app, whose tenant has no cases at the beginning, and a key.
struct World {
    app: App,
    key: ApiKey,
}

impl World {
    async fn new() -> Self {
        let app = App::start().await;
        let key = app.key_with(&Scope::ALL).await;
        // What another tenant has makes no difference.
        app.other_tenant().await;
        Self { app, key }
    }

    /// Returns every case of the tenant, with its tasks and their assignees.
    fn rows(&self) -> String {
        self.app.database.query(&format!(
            "SELECT c.id, c.name, c.description, c.priority, c.status, c.team_id, (
                 SELECT string_agg(
                     t.description || coalesce('=' || (
                         SELECT string_agg(u.email, '+' ORDER BY a.position)
                         FROM task_assignees AS a
                         JOIN users AS u ON u.tenant_id = a.tenant_id AND u.id = a.user_id
                         WHERE a.tenant_id = t.tenant_id AND a.task_id = t.id
                     ), ''), ',' ORDER BY t.id
                 )
                 FROM tasks AS t
                 WHERE t.tenant_id = c.tenant_id AND t.case_id = c.id
             )
             FROM cases AS c WHERE c.tenant_id = {} ORDER BY c.id",
            self.app.tenant
        ))
    }

    /// Returns the entity tag of a case, if it exists.
    fn etag(&self, id: i64) -> Option<String> {
        let micros = self.app.database.query(&format!(
            "SELECT (extract(epoch FROM updated_at) * 1000000)::bigint FROM cases WHERE id = {id}"
        ));
        let updated_at = UNIX_EPOCH + Duration::from_micros(micros.parse().ok()?);
        Some(Etag::of(updated_at).to_string())
    }

    async fn run(&self, operations: &[Operation]) {
        let tenant = self.app.tenant;
        self.app.database.query(&format!(
            "TRUNCATE tasks, task_assignees, task_events, creation_events, idempotency_keys; \
             DELETE FROM cases WHERE tenant_id = {tenant}"
        ));
        let mut model = Model::default();
        for (step, operation) in operations.iter().enumerate() {
            let id = model.id(operation.age);
            let before = (self.etag(id), model.case(id).cloned());
            let etag = match operation.tag {
                Tag::Any => String::new(),
                Tag::Other => r#""1""#.to_owned(),
                // A case that does not exist has none.
                Tag::Current => before.0.clone().unwrap_or_else(|| r#""2""#.to_owned()),
            };
            let request = Request { id, etag, operation: operation.clone() };
            let predicted = model.predict(&request);
            let outcome = match operation.is_over_rest {
                true => calls::over_rest(&self.app, &self.key, &request).await,
                false => calls::over_grpc(&self.app, &self.key, &request).await,
            };
            assert!(
                predicted.matches(&outcome),
                "step {step}: {request:?}\n  predicted {predicted:?}\n  was {outcome:?}"
            );
            model.apply(&request, &outcome);
            assert_eq!(self.rows(), model.rows(), "step {step}: {request:?}");
            // A tag is another one exactly if the case is; its tasks make no difference.
            let is_same = model.case(id) == before.1.as_ref();
            assert_eq!(self.etag(id) == before.0, is_same, "step {step}: {request:?}");
        }
    }
}

#[test]
fn every_sequence_of_calls_does_what_the_model_does() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let config = Config { cases: SEQUENCES, failure_persistence: None, ..Config::default() };
    let sequences = vec(operation::operations(), 1..OPERATIONS);
    let outcome = TestRunner::new(config).run(&sequences, |operations| {
        let run = AssertUnwindSafe(|| runtime.block_on(world.run(&operations)));
        catch_unwind(run).map_err(|_| TestCaseError::fail("see the panic above"))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
