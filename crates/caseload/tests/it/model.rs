//! Random sequences of all calls, by several callers, over REST and gRPC mixed, compared after each
//! step with a plain model of what the service is to do.

mod caller;
mod grpc;
mod history;
mod operation;
mod prediction;
mod resolve;
mod rest;
mod task;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, UNIX_EPOCH},
};

use domain::{Etag, Scope};
use proptest::{
    collection::vec,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tokio::runtime::Runtime;

use crate::support::{App, new_key, populate};
use caller::Caller;
use history::State;
use operation::Operation;
use prediction::Model;

/// The number of sequences, and the most operations of one.
const SEQUENCES: u32 = 24;
const OPERATIONS: usize = 60;

/// What a sequence runs on.
struct World {
    app: App,
    /// Two callers of one tenant, the second of whom may only read, and one of another tenant.
    callers: [Caller; 3],
    /// The ids of two cases of the first tenant, and of one of the other.
    cases: [(i64, i64); 3],
}

impl World {
    async fn new() -> Self {
        let app = App::start().await;
        let mut callers = Vec::new();
        let mut cases = vec![(app.tenant.get(), app.case_id)];
        let second = app.admin.create_case(app.tenant, "Another".to_owned()).await.unwrap();
        cases.push((app.tenant.get(), second.id.get()));
        let (other, case) = populate(&app.admin, "Another").await;
        cases.push((other.get(), case));
        let all = [Scope::TasksRead, Scope::TasksWrite];
        for (tenant, scopes) in [(app.tenant, &all[..]), (app.tenant, &all[..1]), (other, &all)] {
            let key = new_key();
            let id = app.store_key(tenant, &key, scopes, None).await;
            let name = format!("key {id}");
            app.database.query(&format!("UPDATE api_keys SET name = '{name}' WHERE id = {id}"));
            callers.push(Caller { tenant: tenant.get(), key, name, may_write: scopes.len() > 1 });
        }
        let (callers, cases) = (callers.try_into().unwrap(), cases.try_into().unwrap());
        Self { app, callers, cases }
    }

    /// Forgets what the sequence before has left.
    fn clear(&self) {
        self.app.database.query(
            "TRUNCATE tasks, task_assignees, idempotency_keys, task_events, creation_events",
        );
    }

    /// Returns every stored task: tenant, case, id, description, completed, emails.
    fn rows(&self) -> String {
        self.app.database.query(
            "SELECT t.tenant_id, t.case_id, t.id, t.description, t.completed, (
                 SELECT string_agg(u.email, ',' ORDER BY a.position)
                 FROM task_assignees AS a
                 JOIN users AS u ON u.tenant_id = a.tenant_id AND u.id = a.user_id
                 WHERE a.tenant_id = t.tenant_id AND a.task_id = t.id
             )
             FROM tasks AS t ORDER BY t.id",
        )
    }

    async fn run(&self, operations: &[Operation]) {
        self.clear();
        let mut model = Model::new(&self.cases);
        for (step, operation) in operations.iter().enumerate() {
            let caller = &self.callers[operation.caller];
            let request = resolve::resolve(operation, &model, &self.cases);
            let etags: Vec<_> =
                request.changed_ids().into_iter().map(|id| (id, self.etag(id))).collect();
            let request = request.with_etags(&etags);
            let tasks: Vec<_> = etags.iter().map(|(id, _)| model.task(*id).cloned()).collect();
            let outcome = match operation.is_over_rest {
                true => rest::send(&self.app, caller, &request).await,
                false => grpc::send(&self.app, caller, &request).await,
            };
            let predicted = model.predict(caller, &request);
            assert!(
                predicted.matches(&outcome),
                "step {step}: {operation:?}\n  {request:?}\n  predicted {predicted:?}\n  was {outcome:?}"
            );
            model.apply(caller, &request, &outcome);
            assert_eq!(self.rows(), model.rows(), "step {step}: {request:?}");
            // A tag is another one exactly if the task is.
            for ((id, etag), task) in etags.into_iter().zip(tasks) {
                let is_same = model.task(id) == task.as_ref();
                assert_eq!(self.etag(id) == etag, is_same, "step {step}: {request:?}");
            }
        }
        self.check_histories(&model).await;
    }

    /// Checks that the history of each task has what the model expects, and adds up to the task as it is
    /// stored.
    async fn check_histories(&self, model: &Model) {
        for (case, id, expected) in model.histories() {
            let (tenant, _) = self.cases.iter().find(|(_, other)| *other == case).unwrap();
            let reader = self.callers.iter().find(|caller| caller.tenant == *tenant).unwrap();
            let (events, state) = history::read(&self.app, reader, case, id).await;
            assert_eq!(events, expected, "task {id}");
            let stored = self.app.database.query(&format!(
                "SELECT completed, (
                     SELECT coalesce(string_agg(a.user_id::text, ',' ORDER BY a.position), '')
                     FROM task_assignees AS a WHERE a.task_id = t.id
                 ) FROM tasks AS t WHERE id = {id}"
            ));
            let State { exists, completed, assignees, .. } = state;
            let completed = if completed { "t" } else { "f" };
            let told =
                if exists { format!("{completed}|{}", assignees.join(",")) } else { String::new() };
            assert_eq!(told, stored, "task {id}: {events:?}");
        }
    }

    /// Returns the entity tag of a task, if it exists.
    fn etag(&self, id: i64) -> Option<String> {
        let micros = self.app.database.query(&format!(
            "SELECT (extract(epoch FROM updated_at) * 1000000)::bigint FROM tasks WHERE id = {id}"
        ));
        let updated_at = UNIX_EPOCH + Duration::from_micros(micros.parse().ok()?);
        Some(Etag::of(updated_at).to_string())
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
