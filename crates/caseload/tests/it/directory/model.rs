//! Random sequences of the calls of the directory, mixed with those about cases and tasks, by several
//! callers, over REST and gRPC mixed, compared after each step with a plain model of what the service is
//! to do.

mod caller;
mod calls;
mod operation;
mod prediction;
mod state;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use proptest::{
    collection::vec,
    test_runner::{Config, TestCaseError, TestRunner},
};
use proto::tasks::v1::ListTaskEventsRequest;
use tokio::runtime::Runtime;

use crate::support::App;
use caller::Caller;
use operation::Operation;
use prediction::Model;

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
        let mut sql = "TRUNCATE users, cases, tasks, task_assignees, task_events, \
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

    /// Returns all rows, sorted: what they are, their ids, their tenants and their values; each with the
    /// transaction that wrote it.
    fn rows(&self) -> Vec<(String, String)> {
        let rows = self.app.database.query(
            "SELECT format(
                 'user|%s|%s|%s|%s|%s|%s|%s|%s', id, tenant_id, external_id, email, first_name,
                 last_name, deactivated_at IS NULL, erased_at IS NOT NULL AND scrubbed_at IS NOT NULL
             ), xmin FROM users
             UNION ALL SELECT format(
                 'case|%s|%s|%s|%s|%s|%s|%s|%s', id, tenant_id, external_id, name, description,
                 priority, status, coalesce(team_id, 0)
             ), xmin FROM cases
             UNION ALL SELECT format('task|%s|%s|%s|%s|%s', id, tenant_id, case_id, description, (
                 SELECT string_agg(a.user_id::text, ',' ORDER BY a.position)
                 FROM task_assignees AS a WHERE a.tenant_id = t.tenant_id AND a.task_id = t.id
             )), xmin FROM tasks AS t
             UNION ALL SELECT format(
                 'record|%s-%s|%s|%s', tenant_id, key, array_to_string(first_names, ','),
                 array_to_string(last_names, ',')
             ), xmin FROM idempotency_keys",
        );
        let rows = rows.lines().map(|line| line.rsplit_once('|').unwrap());
        let mut rows: Vec<_> = rows.map(|(row, xmin)| (row.to_owned(), xmin.to_owned())).collect();
        rows.sort();
        rows
    }

    async fn run(&self, operations: &[Operation]) {
        let mut model = self.clear();
        let mut rows = self.rows();
        for (step, operation) in operations.iter().enumerate() {
            let caller = &self.callers[operation.caller];
            let request = model.request(caller.tenant, operation);
            let predicted = model.predict(caller, &request);
            let outcome = calls::send(&self.app, caller, &request).await;
            assert!(
                predicted.matches(&outcome),
                "step {step}: {request:?}\n  predicted {predicted:?}\n  was {outcome:?}"
            );
            model.apply(caller, &request, &outcome);
            let now = self.rows();
            let values: Vec<_> = now.iter().map(|(row, _)| row.clone()).collect();
            assert_eq!(values, model.rows(), "step {step}: {request:?}");
            assert_untouched(&rows, &now, &format!("step {step}: {request:?}"));
            rows = now;
        }
        self.check_histories(&model).await;
    }

    /// Checks that the histories of all tasks name users as they are now.
    async fn check_histories(&self, model: &Model) {
        let mut client = self.app.grpc_client().await;
        for (case_id, task_id) in model.created_tasks().iter().copied() {
            let owner =
                format!("SELECT DISTINCT tenant_id FROM task_events WHERE case_id = {case_id}");
            let owner = self.app.database.query(&owner);
            let is_owner = |caller: &&Caller| caller.tenant.to_string() == owner;
            let reader = self.callers.iter().find(is_owner).unwrap();
            let page_size = 50;
            let page = ListTaskEventsRequest { case_id, task_id, page_size, ..Default::default() };
            let page = client.list_task_events(reader.request(page)).await.unwrap().into_inner();
            for user in page.task_events.into_iter().flat_map(|event| event.users) {
                let person = calls::person(user);
                assert_eq!(model.person(person.id), (reader.tenant, person), "task {task_id}");
            }
        }
    }
}

/// Checks that a row which is as it was before was not written, either.
#[track_caller]
fn assert_untouched(before: &[(String, String)], now: &[(String, String)], step: &str) {
    let before: BTreeMap<_, _> = before.iter().cloned().collect();
    for (row, xmin) in now.iter().filter(|(row, _)| !row.starts_with("record")) {
        if let Some(before) = before.get(row) {
            assert_eq!(before, xmin, "{row} was written: {step}");
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
