//! Random valid and invalid batches: sharing a statement does not change any outcome.

use std::cell::RefCell;

use domain::{Actor, CreatedTasks, Error, TaskBatch};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use store::{TaskWriter, WriterSettings};
use tokio::runtime::Runtime;

use crate::support::write_path::{
    ONE_WRITER, Outcome, POISON, WritePath, draft, last_task_id, submit_as,
};

/// Emails of users of every tenant. The last one differs from another one in case only.
const SHARED_EMAILS: [&str; 4] =
    ["user1@example.com", "user2@example.com", "user3@example.com", "USER2@Example.com"];

/// An email of a user of the first tenant only, and an unknown one.
const OTHER_EMAILS: [&str; 2] = ["only-a@example.com", "nobody@example.com"];

/// A batch, before the ids of tenants and cases are known.
#[derive(Clone, Debug)]
struct Sketch {
    tenant: usize,
    case: Case,
    /// The emails of each task.
    tasks: Vec<Vec<&'static str>>,
    /// Whether the last task has [`POISON`]'s description, which fails the whole statement.
    is_poisonous: bool,
    /// One of a few idempotency keys, so that some batches have the same one.
    key: Option<usize>,
}

/// Which case a batch is for.
#[derive(Clone, Copy, Debug)]
enum Case {
    Own,
    OfTheNextTenant,
    Missing,
}

/// The results of a set of batches.
#[derive(Debug, PartialEq)]
struct Results {
    /// The outcome of each batch as text, without ids and times.
    outcomes: Vec<String>,
    /// The number of transactions that created something.
    transactions: usize,
}

/// Returns a strategy for sets of batches that fit into one statement.
fn sets_of_batches() -> impl Strategy<Value = Vec<Sketch>> {
    let email = prop_oneof![
        15 => prop::sample::select(SHARED_EMAILS.as_slice()),
        1 => prop::sample::select(OTHER_EMAILS.as_slice()),
    ];
    let case = prop_oneof![
        10 => Just(Case::Own),
        1 => Just(Case::OfTheNextTenant),
        1 => Just(Case::Missing),
    ];
    // Batches with one empty task are frequent, so that some are true repeats.
    let tasks = prop_oneof![Just(vec![vec![]]), vec(vec(email, 0..4), 1..4)];
    let key = prop::option::of(0..3_usize);
    let sketch = (0..3_usize, case, tasks, prop::bool::weighted(0.02), key);
    let sketch = sketch.prop_map(|(tenant, case, tasks, is_poisonous, key)| Sketch {
        tenant,
        case,
        tasks,
        is_poisonous,
        key,
    });
    vec(sketch, 2..ONE_WRITER.batches_per_statement)
}

#[test]
fn batches_have_the_same_outcomes_in_a_shared_statement_as_alone() {
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
    let outcome = runner.run(&sets_of_batches(), |sketches| {
        let mut path = path.borrow_mut();
        let shared = runtime.block_on(run(&mut path, &shared, &sketches));
        let alone = runtime.block_on(run(&mut path, &alone, &sketches));

        prop_assert_eq!(&shared.outcomes, &alone.outcomes);
        let created =
            shared.outcomes.iter().filter(|outcome| outcome.starts_with("created")).count();
        prop_assert_eq!(alone.transactions, created);
        let is_split = shared.outcomes.iter().any(|outcome| outcome.starts_with("internal"));
        let expected = if is_split { created } else { created.min(1) };
        prop_assert_eq!(shared.transactions, expected);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// Submits all batches at once, and checks that the rows are those of the outcomes.
async fn run(path: &mut WritePath, writer: &TaskWriter, sketches: &[Sketch]) -> Results {
    // The idempotency keys of one run must not repeat those of another.
    let run = path.session.query("SELECT nextval('tasks_id_seq')");
    let batches: Vec<_> =
        sketches.iter().map(|sketch| (sketch.tenant, sketch.batch(path, &run))).collect();
    let first = path.block_writer(writer);
    let calls: Vec<_> = batches
        .into_iter()
        .map(|(tenant, batch)| {
            let actor = path.tenants[tenant].actor();
            (submit_as(writer, actor.clone(), batch).unwrap(), actor)
        })
        .collect();
    path.unblock_writer();

    let first = last_task_id(&first.await);
    let mut outcomes = Vec::new();
    let mut rows = Vec::new();
    for ((call, actor), sketch) in calls.into_iter().zip(sketches) {
        let outcome = call.await;
        rows.extend(rows_of(&outcome, sketch, path, &actor));
        outcomes.push(match &outcome {
            // Another batch with the same key may be written first, so the error may differ.
            Err(Error::NotFound(_) | Error::Invalid(_) | Error::IdempotencyKeyReused)
                if sketch.key.is_some() =>
            {
                "rejected".to_owned()
            }
            outcome => describe(outcome),
        });
    }
    rows.sort_unstable();
    assert_eq!(rows_since(path, first), rows);
    assert_eq!(rows_by_events_since(path, first), rows);
    Results { outcomes, transactions: path.transactions_since(first) }
}

impl Sketch {
    /// Returns the batch, with idempotency keys that belong to one run.
    fn batch(&self, path: &WritePath, run: &str) -> TaskBatch {
        let last = self.tasks.len() - 1;
        let drafts = self.tasks.iter().enumerate().map(|(index, emails)| {
            if self.is_poisonous && index == last {
                draft("poison", emails)
            } else {
                draft(&format!("task {index}"), emails)
            }
        });
        let id = self.key.map_or_else(String::new, |id| format!("{run}-{id}"));
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

/// Returns everything that a caller sees of an outcome, except for task ids and times.
fn describe(outcome: &Outcome) -> String {
    match outcome {
        Ok(CreatedTasks { tasks, is_replay }) => {
            assert!(tasks.is_sorted_by(|one, next| one.id < next.id), "{tasks:?}");
            let times = tasks.iter().flat_map(|task| [task.created_at, task.updated_at]);
            assert!(times.into_iter().all(|time| time == tasks[0].created_at), "{tasks:?}");
            let tasks = tasks.iter().map(|task| {
                let description = task.description.as_str();
                format!("\n{description} {} {:?}", task.completed, task.assignees)
            });
            let how = if *is_replay { "repeated" } else { "created" };
            format!("{how}{}", tasks.collect::<String>())
        }
        Err(Error::Invalid(violations)) => format!("invalid {:?}", violations.as_slice()),
        Err(Error::Internal(cause)) => {
            format!("internal {:?}", cause.source().map(ToString::to_string))
        }
        Err(error) => error.to_string(),
    }
}

/// Returns the rows that an outcome reports: id, tenant, case, description, users in order, the key that
/// created it, and the request.
fn rows_of(outcome: &Outcome, sketch: &Sketch, path: &WritePath, actor: &Actor) -> Vec<String> {
    // The tasks of a repeat are reported by the batch that created them.
    let Ok(CreatedTasks { tasks, is_replay: false }) = outcome else { return Vec::new() };
    let tenant = path.tenants[sketch.tenant];
    let row = |task: &domain::Task| {
        let users: Vec<_> = task.assignees.iter().map(|user| user.id.to_string()).collect();
        let description = task.description.as_str();
        let (id, users) = (task.id, users.join(","));
        let Actor { key, request_id, .. } = actor;
        format!("{id}|{}|{}|{description}|{users}|{key}|{request_id}", tenant.id, tenant.case_id)
    };
    tasks.iter().map(row).collect()
}

/// Returns the rows of the tasks with greater ids, in the same form.
fn rows_since(path: &mut WritePath, id: i64) -> Vec<String> {
    let rows = path.session.query(&format!(
        "SELECT t.id, t.tenant_id, t.case_id, t.description, \
             string_agg(a.user_id::text, ',' ORDER BY a.position), t.created_by, e.request_id \
         FROM tasks AS t LEFT JOIN task_assignees AS a \
             ON a.tenant_id = t.tenant_id AND a.task_id = t.id \
         LEFT JOIN creation_events AS e \
             ON e.tenant_id = t.tenant_id AND e.id = t.creation_event_id \
         WHERE t.id > {id} GROUP BY 1, 2, 3, 4, 6, 7"
    ));
    let mut rows: Vec<_> = rows.lines().map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}

/// Returns the rows of the tasks with greater ids in the same form, as the events of their creation
/// tell them. Each event says which key has created its batch, in which request.
fn rows_by_events_since(path: &mut WritePath, id: i64) -> Vec<String> {
    let rows = path.session.query(&format!(
        "SELECT new.id, e.tenant_id, e.case_id, t.description, (
             SELECT string_agg(u.id::text, ',' ORDER BY u.no)
             FROM unnest(e.user_ids) WITH ORDINALITY AS u (id, no)
             WHERE u.no > coalesce(e.user_ends[new.no - 1], 0) AND u.no <= new.user_end
         ), e.api_key_id, e.request_id
         FROM creation_events AS e
         CROSS JOIN unnest(e.task_ids, e.user_ends) WITH ORDINALITY AS new (id, user_end, no)
         LEFT JOIN tasks AS t
             ON t.tenant_id = e.tenant_id AND t.case_id = e.case_id AND t.id = new.id
                 AND t.creation_event_id = e.id AND t.created_by = e.api_key_id
                 AND t.updated_by = e.api_key_id
                 AND e.created_at = t.created_at AND e.xid::text = t.xmin::text
         WHERE new.id > {id}"
    ));
    let mut rows: Vec<_> = rows.lines().map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}
