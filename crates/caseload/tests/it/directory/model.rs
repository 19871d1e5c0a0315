//! Random sequences of the calls of the directory, mixed with those about cases and tasks, by several
//! callers, over REST and gRPC mixed, compared after each step with a plain model of what the service is
//! to do.

mod caller;
mod calls;
mod history;
mod operation;
mod prediction;
mod rows;
mod state;

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::{
    collection::vec,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tokio::runtime::Runtime;

use crate::support::App;
use caller::Caller;
use operation::Operation;
use prediction::Model;
use rows::Rows;

/// The number of sequences, and the most operations of one.
const SEQUENCES: u32 = 24;
const OPERATIONS: usize = 60;

/// What each sequence begins with: users and cases of the first tenant, and of the other one. The ids are
/// those of what there was before, so that no sequence returns them.
const USERS: [(usize, i64, &str); 3] =
    [(0, 1, "ann@example.com"), (0, 2, "bob@example.com"), (2, 4, "ann@example.com")];
const CASES: [(usize, i64, &str); 2] = [(0, 1, "ours"), (2, 2, "theirs")];

/// What a sequence runs on: an app with two tenants, and their callers.
struct World {
    app: App,
    callers: [Caller; 3],
}

impl World {
    async fn new() -> Self {
        let app = App::start().await;
        let callers = Caller::all(&app).await;
        Self { app, callers }
    }

    /// Replaces what the sequence before has left by what each begins with.
    fn clear(&self) -> Model {
        let mut model = Model::default();
        let mut sql =
            "TRUNCATE users, cases, tasks, task_assignees, task_events, creation_events, \
            idempotency_keys;"
                .to_owned();
        for (caller, id, email) in USERS {
            let tenant = self.callers[caller].tenant;
            model.add_user(tenant, id, email);
            sql += &format!(
                "INSERT INTO users (tenant_id, id, email, first_name, last_name) \
                 VALUES ({tenant}, {id}, '{email}', 'First', 'Last');"
            );
        }
        for (caller, id, name) in CASES {
            let tenant = self.callers[caller].tenant;
            model.add_case(tenant, id, name);
            sql += &format!(
                "INSERT INTO cases (tenant_id, id, name) VALUES ({tenant}, {id}, '{name}');"
            );
        }
        self.app.database.query(&sql);
        model
    }

    async fn run(&self, operations: &[Operation]) {
        let mut model = self.clear();
        let mut rows = Rows::read(&self.app);
        for (step, operation) in operations.iter().enumerate() {
            let caller = &self.callers[operation.caller];
            let request = model.request(caller.tenant, operation);
            let step = format!("step {step}: {request:?}");
            let predicted = model.predict(caller, &request);
            let is_repeat = model.is_repeat(caller.tenant, &request);
            let outcome = calls::send(&self.app, caller, &request).await;
            assert!(
                predicted.matches(&outcome),
                "{step}\n  predicted {predicted:?}\n  was {outcome:?}"
            );
            model.apply(caller, &request, &outcome);
            let now = Rows::read(&self.app);
            assert_eq!(now.values(), model.rows(), "{step}");
            now.assert_follow(&rows, &step);
            now.assert_told(&outcome, is_repeat, &step);
            rows = now;
        }
        self.check_histories(&model, &rows).await;
    }

    /// Checks that the history of each task has what the model expects, also of deleted ones, and names
    /// users as they are now; and that its times are those of the task.
    async fn check_histories(&self, model: &Model, rows: &Rows) {
        for (tenant, case, task, expected) in model.histories() {
            let reader = self.callers.iter().find(|caller| caller.tenant == tenant).unwrap();
            let of_grpc = history::over_grpc(&self.app, reader, case, task).await;
            let of_rest = history::over_rest(&self.app, reader, case, task).await;
            for read in [&of_grpc, &of_rest] {
                assert_eq!(read.events, expected, "task {task}");
                for person in &read.users {
                    assert_eq!(model.person(person.id), (tenant, person.clone()), "task {task}");
                }
                assert!(rows.has_times("task", task, read.times), "task {task}: {read:?}");
            }
        }
    }
}

#[test]
fn every_sequence_of_calls_does_what_the_model_does() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let config = Config { cases: SEQUENCES, failure_persistence: None, ..Config::default() };
    let sequences = vec(operation::operations(), OPERATIONS / 4..OPERATIONS);
    let outcome = TestRunner::new(config).run(&sequences, |operations| {
        let run = AssertUnwindSafe(|| runtime.block_on(world.run(&operations)));
        catch_unwind(run).map_err(|_| TestCaseError::fail("see the panic above"))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
