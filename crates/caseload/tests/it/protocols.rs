//! The same random calls over REST and over gRPC: they have the same effect, and fail for the same
//! reasons in the same places.
//!
//! Two tenants begin with the same content. One gets each call over REST, the other one over gRPC. Reads
//! are made over both protocols of both tenants, and in the end everything that there is is read so.

mod convert;
mod gateway;
mod grpc;
mod operation;
mod outcome;
mod rest;
mod tenant;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

use proptest::{
    collection::vec,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tokio::{join, runtime::Runtime};

use crate::support::{App, Session};
use grpc::Client;
use operation::{Call, CaseFilter, KEYS, Name, Operation, Page, TaskFilter};
use outcome::Outcome;
use tenant::{Request, Tenant, tag_of};

/// The number of sequences, unless `PROPTEST_CASES` says otherwise.
const SEQUENCES: u32 = 12;
/// The most operations of a sequence.
const OPERATIONS: usize = 30;
/// How many of the last cases and tasks are read in the end.
const CASES_READ: usize = 6;
const TASKS_READ: usize = 8;

/// What a sequence runs on.
struct World {
    app: App,
    client: Client,
    /// One that gets its calls over REST, and one that gets them over gRPC.
    tenants: [Tenant; 2],
    session: Session,
    /// How many calls that could change something have succeeded and failed.
    counts: (usize, usize),
}

impl World {
    async fn new() -> Self {
        let app = App::start().await;
        let client = Client::connect(&app).await;
        let tenants =
            [Tenant::create(&app, "Over REST").await, Tenant::create(&app, "Over gRPC").await];
        let session = Session::open(app.database.url());
        Self { app, client, tenants, session, counts: (0, 0) }
    }

    async fn run(&mut self, operations: &[Operation]) {
        let [over_rest, over_grpc] = &mut self.tenants;
        let (rest, grpc) = (over_rest.clear(), over_grpc.clear());
        self.session.query(&format!(
            "TRUNCATE tasks, task_assignees, task_events, creation_events, idempotency_keys; {rest} {grpc}"
        ));
        for (step, operation) in operations.iter().enumerate() {
            self.step(&format!("step {step}: {operation:?}"), operation).await;
        }
        for operation in self.reads() {
            self.step(&format!("in the end: {operation:?}"), &operation).await;
        }
    }

    async fn step(&mut self, step: &str, operation: &Operation) {
        let [over_rest, over_grpc] = &self.tenants;
        let rest = over_rest.request(operation, over_grpc, &mut self.session);
        let grpc = over_grpc.request(operation, over_rest, &mut self.session);
        if operation.call.is_read() {
            let of_rest = self.read(step, &rest).await;
            let of_grpc = self.read(step, &grpc).await;
            let (one, other) = (over_rest.numbered(of_rest), over_grpc.numbered(of_grpc));
            assert_eq!(without_tag(one), without_tag(other), "{step}");
            return;
        }
        let (of_rest, of_grpc) = join!(rest::send(&self.app, &rest), self.client.send(&grpc));
        let [over_rest, over_grpc] = &mut self.tenants;
        let mut outcomes = Vec::new();
        for (tenant, request, outcome) in [(over_rest, &rest, of_rest), (over_grpc, &grpc, of_grpc)]
        {
            if let Ok(success) = &outcome {
                tenant.learn(request, success);
            }
            let outcome = self::compare_tag(request, outcome, &mut self.session);
            outcomes.push(tenant.numbered(outcome));
        }
        let of_grpc = gateway::over_rest(&grpc, outcomes.pop().unwrap());
        let of_rest = outcomes.pop().unwrap();
        assert_eq!(of_rest, of_grpc, "{step}: over REST, and over gRPC");
        *(if of_rest.is_ok() { &mut self.counts.0 } else { &mut self.counts.1 }) += 1;
    }

    /// Makes a request that changes nothing over both protocols. Returns what both return.
    async fn read(&self, step: &str, request: &Request<'_>) -> Outcome {
        let (of_rest, of_grpc) = join!(rest::send(&self.app, request), self.client.send(request));
        let of_grpc = gateway::over_rest(request, of_grpc);
        assert_eq!(of_rest, of_grpc, "{step}: over REST, and over gRPC");
        of_rest
    }

    /// Returns operations that read what the tenants have.
    fn reads(&self) -> Vec<Operation> {
        let (cases, tasks) = self.tenants[0].counts();
        assert_eq!((cases, tasks), self.tenants[1].counts());
        let page = Page { number: 1, size: 50 };
        let list = Call::ListCases { filter: CaseFilter::default(), page };
        let keys = KEYS.map(|key| (0, Call::GetRecord { key: key.to_owned() }));
        let of_cases = (0..cases.min(CASES_READ)).flat_map(|age| {
            let filter = TaskFilter::default();
            [(age, Call::GetCase), (age, Call::ListTasks { is_of_case: true, filter, page })]
        });
        let of_tasks = (0..tasks.min(TASKS_READ)).flat_map(|age| {
            let task = Name::Ours(age);
            [(0, Call::GetTask { task }), (0, Call::ListEvents { task, page })]
        });
        let calls = [(0, list)].into_iter().chain(keys).chain(of_cases).chain(of_tasks);
        let operation = |(age, call)| Operation {
            is_reader: false,
            case: Name::Ours(age),
            is_in_case_of_task: true,
            writes_null: false,
            call,
        };
        calls.map(operation).collect()
    }
}

/// Replaces the entity tag of a response by whether it is the one before the call, and the one after it.
fn compare_tag(request: &Request<'_>, outcome: Outcome, session: &mut Session) -> Outcome {
    outcome.map(|mut success| {
        if let Some(tag) = success.etag.take() {
            let is_before = request.tag_before.as_ref() == Some(&tag);
            let is_after = tag_of(&success, session) == Some(tag);
            success.etag = Some(format!("as before: {is_before}, as after: {is_after}"));
        }
        success
    })
}

/// Replaces the entity tag by whether there is one.
fn without_tag(outcome: Outcome) -> Outcome {
    outcome.map(|mut success| {
        success.etag = success.etag.map(|_| String::new());
        success
    })
}

#[test]
fn every_call_does_the_same_over_rest_and_over_grpc() {
    let runtime = Runtime::new().unwrap();
    let world = Mutex::new(runtime.block_on(World::new()));
    let cases = env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: cases.unwrap_or(SEQUENCES),
        failure_persistence: None,
        ..Config::default()
    };
    let sequences = vec(operation::operations(), OPERATIONS / 3..OPERATIONS);
    let outcome = TestRunner::new(config).run(&sequences, |operations| {
        let mut world = world.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let run = AssertUnwindSafe(|| runtime.block_on(world.run(&operations)));
        catch_unwind(run).map_err(|_| TestCaseError::fail("see the panic above"))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    // What is drawn must be neither all valid nor all invalid.
    let (succeeded, failed) = world.into_inner().unwrap().counts;
    assert!(succeeded > failed / 5 && failed > succeeded / 5, "{succeeded} and {failed}");
    println!("{succeeded} calls have succeeded, {failed} have failed");
}
