//! Tests of calls that share a statement.

use std::time::Duration;

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
use localdb::Cluster;
use tokio::task::JoinSet;

use super::*;
use crate::{connections::pool::PoolSettings, log_capture::LogCapture};

/// Two tenants, whose cases, tasks and users have the same ids. Each task's description is that of its
/// tenant and its id. A user of tenant 2 has an address that is none, and task 9.
const DATA: &str = "
    INSERT INTO tenants (id, name) VALUES (1, 'a'), (2, 'b');
    INSERT INTO users (tenant_id, id, email, first_name, last_name)
        SELECT t, 1, 'user@tenant' || t, 'a', 'b' FROM generate_series(1, 2) AS t;
    INSERT INTO users (tenant_id, id, email, first_name, last_name) VALUES (2, 2, 'a@b@', 'a', 'b');
    INSERT INTO cases (tenant_id, id, name) VALUES (1, 1, 'a'), (2, 1, 'a'), (2, 2, 'a');
    INSERT INTO tasks (tenant_id, id, case_id, description)
        SELECT t, n, 1, t || ':' || n FROM generate_series(1, 2) AS t, generate_series(1, 9) AS n;
    INSERT INTO tasks (tenant_id, id, case_id, description) VALUES (2, 10, 2, '2:10');
    INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
        SELECT t, n, 1, 0 FROM generate_series(1, 2) AS t, generate_series(1, 9) AS n;
    INSERT INTO task_assignees (tenant_id, task_id, user_id, position) VALUES (2, 9, 2, 1)";

const SETTINGS: PoolSettings = PoolSettings {
    writers: 0,
    readers: 1,
    changers: 0,
    tenant_queue_length: 40,
    checkout_timeout: Duration::from_secs(10),
    lock_timeout: Duration::from_secs(1),
};

async fn start() -> (Cluster, Database) {
    let cluster = Cluster::temporary().start().unwrap();
    cluster.create_database("reads", None).unwrap();
    let url = cluster.url("reads");
    let database = Database::open(&url.parse().unwrap(), &SETTINGS);
    database.migrate().await.unwrap();
    PgConnection::establish(&url).unwrap().batch_execute(DATA).unwrap();
    (cluster, database)
}

fn tenant(id: i64) -> TenantId {
    TenantId::new(id).unwrap()
}

fn key(case: i64, task: i64) -> TaskKey {
    TaskKey::parse(case, task).unwrap()
}

/// Takes what waits, as a runner does.
fn waiting(reader: &TaskReader) -> Vec<Job> {
    reader.0.lock().jobs.take(reader.0.most)
}

/// On one thread, all of these calls wait before a runner can take the first one.
#[tokio::test]
async fn calls_of_several_tenants_share_a_statement_and_get_what_is_their_own() {
    let (_cluster, database) = start().await;
    for one_tenant_per_statement in [false, true] {
        let reader = TaskReader::new(&database, one_tenant_per_statement);
        let mut calls = JoinSet::new();
        for task in 1..=8 {
            for id in 1..=2 {
                let reader = reader.clone();
                calls.spawn(async move {
                    let found = reader.get_task(tenant(id), key(1, task)).await.unwrap();
                    assert_eq!(found.id.get(), task);
                    assert_eq!(found.description.as_str(), format!("{id}:{task}"));
                    let emails: Vec<_> =
                        found.assignees.iter().map(|user| user.email.as_str()).collect();
                    assert_eq!(emails, [format!("user@tenant{id}")]);
                });
            }
        }
        calls.join_all().await;
    }
}

#[tokio::test]
async fn what_one_caller_lacks_costs_only_its_own_call() {
    let (_cluster, database) = start().await;
    let reader = TaskReader::new(&database, false);
    let get = |id, case, task| {
        let reader = reader.clone();
        async move { reader.get_task(tenant(id), key(case, task)).await }
    };

    let (found, of_tenant_2, no_case, no_task, invalid, other_case, last) = tokio::join!(
        get(1, 1, 3),
        get(1, 2, 10),
        get(1, 7, 3),
        get(2, 1, 77),
        get(2, 1, 9),
        get(2, 1, 10),
        get(2, 2, 10),
    );

    assert_eq!(found.unwrap().description.as_str(), "1:3");
    assert!(matches!(of_tenant_2, Err(Error::NotFound(Resource::Case(_)))), "{of_tenant_2:?}");
    assert!(matches!(no_case, Err(Error::NotFound(Resource::Case(_)))), "{no_case:?}");
    assert!(matches!(no_task, Err(Error::NotFound(Resource::Task(_)))), "{no_task:?}");
    assert!(matches!(invalid, Err(Error::Internal(_))), "{invalid:?}");
    assert!(matches!(other_case, Err(Error::NotFound(Resource::Task(_)))), "{other_case:?}");
    assert_eq!(last.unwrap().description.as_str(), "2:10");
}

/// Returns a reader without a database, that lets one call of each tenant wait, and no runner take it.
fn stopped() -> TaskReader {
    let settings = PoolSettings {
        tenant_queue_length: 1,
        checkout_timeout: Duration::from_millis(50),
        ..SETTINGS
    };
    // Nothing listens there.
    let url = "postgresql://127.0.0.1:1/nowhere".parse().unwrap();
    let reader = TaskReader::new(&Database::open(&url, &settings), false);
    reader.0.lock().runners = reader.0.most_runners;
    reader
}

/// Begins a call.
async fn begin(reader: &TaskReader, id: i64) -> tokio::task::JoinHandle<Result<Task, Error>> {
    let reader = reader.clone();
    let call = tokio::spawn(async move { reader.get_task(tenant(id), key(1, 1)).await });
    // On one thread, it runs now until it waits or ends.
    tokio::task::yield_now().await;
    call
}

#[tokio::test]
async fn a_tenant_whose_queue_is_full_is_refused_and_others_are_not() {
    let reader = stopped();
    let [_first, second, other] =
        [begin(&reader, 1).await, begin(&reader, 1).await, begin(&reader, 2).await];
    assert!(matches!(second.await.unwrap(), Err(Error::TenantOverloaded)));
    assert!(!other.is_finished());
    assert_eq!(waiting(&reader).len(), 2);
}

#[tokio::test]
async fn the_call_of_a_caller_that_has_gone_is_withdrawn() {
    let reader = stopped();
    let [gone, stays] = [begin(&reader, 1).await, begin(&reader, 2).await];
    gone.abort();
    gone.await.unwrap_err();
    let withdrawn: Vec<_> = waiting(&reader).iter().map(Queued::is_withdrawn).collect();
    assert_eq!(withdrawn, [true, false]);
    assert!(!stays.is_finished());
}

#[tokio::test]
async fn without_a_connection_each_call_fails_and_is_logged_in_its_callers_span() {
    let reader = stopped();
    reader.0.lock().runners = 0;
    let log = LogCapture::start();
    let mut calls = JoinSet::new();
    for id in 1..=2 {
        let reader = reader.clone();
        let span = tracing::info_span!("call", request_id = %format_args!("r-{id}"));
        let call = async move { reader.get_task(tenant(id), key(1, 1)).await };
        calls.spawn(tracing::Instrument::instrument(call, span));
    }
    for result in calls.join_all().await {
        assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    }
    let lines = log.lines(r#""query":"get_task""#);
    for id in ["r-1", "r-2"] {
        assert!(lines.iter().any(|line| line.contains(&format!(r#""request_id":"{id}""#))));
    }
}
