//! Random mixes of good and bad batches: sharing a statement changes no outcome.

use std::cell::RefCell;

use domain::{CreatedTasks, Error, TaskBatch};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use store::{TaskWriter, WriterSettings};
use tokio::runtime::Runtime;

use super::{POISON, id_of};
use crate::support::write_path::{ONE_WRITER, Outcome, WritePath, draft, submit};

/// Known to every tenant, as different users; the last is one of them, written otherwise.
const SHARED_EMAILS: [&str; 4] =
    ["user1@example.com", "user2@example.com", "user3@example.com", "USER2@Example.com"];

/// Known to the first tenant alone, and to nobody.
const OTHER_EMAILS: [&str; 2] = ["only-a@example.com", "nobody@example.com"];

/// A batch, before it is known which ids the tenants and cases have.
#[derive(Clone, Debug)]
struct Sketch {
    tenant: usize,
    case: Case,
    /// The emails of each task.
    tasks: Vec<Vec<&'static str>>,
    /// Whether Postgres refuses the last task with an error that fails the whole statement.
    is_poisonous: bool,
    /// Which of a few request ids it bears, so that some bear the same one.
    request_id: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Case {
    Own,
    OfTheNextTenant,
    Missing,
}

/// What came of a mix.
#[derive(Debug, PartialEq)]
struct Result {
    /// What each caller was told, ids and times aside.
    told: Vec<String>,
    /// How many transactions created something.
    transactions: usize,
}

fn mixes() -> impl Strategy<Value = Vec<Sketch>> {
    let email = prop_oneof![
        15 => prop::sample::select(SHARED_EMAILS.as_slice()),
        1 => prop::sample::select(OTHER_EMAILS.as_slice()),
    ];
    let case = prop_oneof![
        10 => Just(Case::Own),
        1 => Just(Case::OfTheNextTenant),
        1 => Just(Case::Missing),
    ];
    // Small ones come twice now and then, and so make true repeats.
    let tasks = prop_oneof![Just(vec![vec![]]), vec(vec(email, 0..4), 1..4)];
    let request_id = prop::option::of(0..3_usize);
    let sketch = (0..3_usize, case, tasks, prop::bool::weighted(0.02), request_id);
    let sketch = sketch.prop_map(|(tenant, case, tasks, is_poisonous, request_id)| Sketch {
        tenant,
        case,
        tasks,
        is_poisonous,
        request_id,
    });
    vec(sketch, 2..ONE_WRITER.batches_per_statement)
}

#[test]
fn shared_or_alone_every_batch_comes_out_the_same() {
    let runtime = Runtime::new().unwrap();
    let _guard = runtime.enter();
    let mut path = runtime.block_on(WritePath::create());
    path.session.query(POISON);
    let only_a = format!(
        "INSERT INTO users (tenant_id, email, first_name, last_name) VALUES ({}, '{}', '', '')",
        path.tenants[0].id, OTHER_EMAILS[0]
    );
    path.session.query(&only_a);
    let shared = path.writer(ONE_WRITER);
    let alone = path.writer(WriterSettings { batches_per_statement: 1, ..ONE_WRITER });

    let path = RefCell::new(path);
    let mut runner =
        TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&mixes(), |mix| {
        let mut path = path.borrow_mut();
        let shared = runtime.block_on(run(&mut path, &shared, &mix));
        let alone = runtime.block_on(run(&mut path, &alone, &mix));

        prop_assert_eq!(&shared.told, &alone.told);
        let created = shared.told.iter().filter(|told| told.starts_with("created")).count();
        prop_assert_eq!(alone.transactions, created);
        let is_taken_apart = shared.told.iter().any(|told| told.starts_with("internal"));
        let expected = if is_taken_apart { created } else { created.min(1) };
        prop_assert_eq!(shared.transactions, expected);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// Submits all batches of a mix at once, and checks that the rows are what the callers were told.
async fn run(path: &mut WritePath, writer: &TaskWriter, mix: &[Sketch]) -> Result {
    // The ids of one run mean nothing to the next.
    let run = path.session.query("SELECT nextval('tasks_id_seq')");
    let batches: Vec<_> =
        mix.iter().map(|sketch| (sketch.tenant, sketch.batch(path, &run))).collect();
    let first = path.block(writer);
    let calls: Vec<_> = batches
        .into_iter()
        .map(|(tenant, batch)| submit(writer, path.tenants[tenant], batch).unwrap())
        .collect();
    path.release();

    let first = id_of(&first.await);
    let mut told = Vec::new();
    let mut rows = Vec::new();
    for (call, sketch) in calls.into_iter().zip(mix) {
        let outcome = call.await;
        rows.extend(rows_of(&outcome, sketch, path));
        told.push(match &outcome {
            // A twin that waits with it may be taken first, and leave it the id or not.
            Err(Error::NotFound(_) | Error::Invalid(_) | Error::IdempotencyKeyReused)
                if sketch.request_id.is_some() =>
            {
                "refused".to_owned()
            }
            outcome => tell(outcome),
        });
    }
    rows.sort_unstable();
    assert_eq!(rows_since(path, first), rows);
    Result { told, transactions: path.transactions_since(first) }
}

impl Sketch {
    fn batch(&self, path: &WritePath, run: &str) -> TaskBatch {
        let last = self.tasks.len() - 1;
        let drafts = self.tasks.iter().enumerate().map(|(index, emails)| {
            if self.is_poisonous && index == last {
                draft("poison", emails)
            } else {
                draft(&format!("task {index}"), emails)
            }
        });
        let id = self.request_id.map_or_else(String::new, |id| format!("{run}-{id}"));
        TaskBatch::parse(self.case_id(path), drafts, id).unwrap()
    }

    fn case_id(&self, path: &WritePath) -> i64 {
        match self.case {
            Case::Own => path.tenants[self.tenant].case_id,
            Case::OfTheNextTenant => path.tenants[(self.tenant + 1) % 3].case_id,
            Case::Missing => i64::MAX,
        }
    }
}

/// All that a caller can tell of an outcome, but for the ids of tasks and the times.
fn tell(outcome: &Outcome) -> String {
    match outcome {
        Ok(CreatedTasks { tasks, is_replay }) => {
            assert!(tasks.is_sorted_by(|one, next| one.id < next.id), "{tasks:?}");
            let times = tasks.iter().flat_map(|task| [task.created_at, task.updated_at]);
            assert!(times.into_iter().all(|time| time == tasks[0].created_at), "{tasks:?}");
            let told = tasks.iter().map(|task| {
                let description = task.description.as_str();
                format!("\n{description} {} {:?}", task.completed, task.assignees)
            });
            let how = if *is_replay { "repeated" } else { "created" };
            format!("{how}{}", told.collect::<String>())
        }
        Err(Error::Invalid(faults)) => format!("invalid {:?}", faults.as_slice()),
        Err(Error::Internal(cause)) => {
            format!("internal {:?}", cause.source().map(ToString::to_string))
        }
        Err(error) => error.to_string(),
    }
}

/// The rows that the caller was told of: id, tenant, case, description, and users in order.
fn rows_of(outcome: &Outcome, sketch: &Sketch, path: &WritePath) -> Vec<String> {
    // Those of a repeat are told of where they were created.
    let Ok(CreatedTasks { tasks, is_replay: false }) = outcome else { return Vec::new() };
    let tenant = path.tenants[sketch.tenant];
    let row = |task: &domain::Task| {
        let users: Vec<_> = task.assignees.iter().map(|user| user.id.to_string()).collect();
        let description = task.description.as_str();
        format!("{}|{}|{}|{description}|{}", task.id, tenant.id, tenant.case_id, users.join(","))
    };
    tasks.iter().map(row).collect()
}

/// The rows of the tasks with greater ids.
fn rows_since(path: &mut WritePath, id: i64) -> Vec<String> {
    let rows = path.session.query(&format!(
        "SELECT t.id, t.tenant_id, t.case_id, t.description, \
             string_agg(a.user_id::text, ',' ORDER BY a.position) \
         FROM tasks AS t LEFT JOIN task_assignees AS a \
             ON a.tenant_id = t.tenant_id AND a.task_id = t.id \
         WHERE t.id > {id} GROUP BY 1, 2, 3, 4"
    ));
    let mut rows: Vec<_> = rows.lines().map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}
