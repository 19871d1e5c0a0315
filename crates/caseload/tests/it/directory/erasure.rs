//! The erasure of users.

mod progress;
mod records;

use std::collections::BTreeSet;

use proto::{
    directory::v1::{DeactivateUserRequest, EraseUserRequest, ReactivateUserRequest, User},
    tasks::v1::{BatchCreateTasksRequest, BatchCreateTasksResponse, GetTaskRequest},
};
use tonic::{Response, Status};

use super::{Feeder, by_email, by_external_id, by_id, user};
use crate::support::{
    App, Program, Session, TestDatabase, code_and_reasons, new_task, polling::eventually,
    postgres_program, start_server_process,
};

const EMAIL: &str = "zebedee.quux@example.com";
const TRACES: [&str; 4] = [EMAIL, "Zebedee", "Quuxington", "hr-4711-zq"];

/// Feeds the user who is to be erased.
async fn feed(feeder: &mut Feeder) -> User {
    let mut doomed = user(TRACES[3], EMAIL, TRACES[1]);
    doomed.last_name = Some(TRACES[2].to_owned());
    feeder.feed(&[doomed]).await.remove(0).1
}

/// Returns the traces of the user in the whole database: in every column of every table.
fn traces(database: &TestDatabase) -> BTreeSet<&'static str> {
    let dump = postgres_program("pg_dump")
        .args(["--data-only", "--inserts", "--dbname"])
        .arg(database.url().expose())
        .output()
        .unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let text = String::from_utf8(dump.stdout).unwrap().to_lowercase();
    assert!(text.contains("insert into public.users"), "the dump has rows");
    TRACES.into_iter().filter(|trace| text.contains(&trace.to_lowercase())).collect()
}

/// Creates a task of the user with an idempotency key, or repeats that.
async fn create(app: &App, key: &str) -> Result<Response<BatchCreateTasksResponse>, Status> {
    let request = BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![new_task("theirs", &["user1@example.com", EMAIL]), new_task("again", &[EMAIL])],
        request_id: key.to_owned(),
        validate_only: false,
    };
    app.grpc_client().await.batch_create_tasks(app.with_key(request)).await
}

async fn erase(feeder: &mut Feeder, request: EraseUserRequest) -> Result<User, Status> {
    let request = feeder.request(request);
    Ok(feeder.client.erase_user(request).await?.into_inner().user.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_the_database_tells_who_an_erased_user_was() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let doomed = feed(&mut feeder).await;
    let created = create(&app, "a-key").await.unwrap().into_inner();
    create(&app, "another-key").await.unwrap();
    create(&app, "").await.unwrap();
    assert_eq!(traces(&app.database), BTreeSet::from(TRACES));

    let erased = erase(&mut feeder, EraseUserRequest { user: by_email(EMAIL) }).await.unwrap();
    assert_eq!(traces(&app.database), BTreeSet::new());
    let placeholder = format!("erased-{}@erased.invalid", doomed.id);
    let User { id, external_id, email, first_name, last_name, deactivated_at, erased_at } =
        erased.clone();
    assert_eq!((id, external_id, email), (doomed.id.clone(), String::new(), placeholder.clone()));
    assert_eq!(first_name + &last_name, "");
    assert!(deactivated_at.is_some() && erased_at.is_some());

    // Others in the same records keep their names.
    let names = "SELECT first_names, last_names FROM idempotency_keys WHERE key = 'a-key'";
    assert_eq!(app.database.query(names), r#"{John,"",""}|{Doe,"",""}"#);
    // A repeat has the caller's own emails, and no names of the user.
    let repeated = create(&app, "a-key").await.unwrap();
    assert_eq!(repeated.metadata().get("idempotency-replayed").unwrap(), "true");
    let repeated = repeated.into_inner();
    assert_eq!(repeated.tasks[1].id, created.tasks[1].id);
    assert_eq!(repeated.tasks[0].assignees[0], created.tasks[0].assignees[0]);
    assert_eq!(repeated.tasks[1].assignees[0].first_name, "");
    // Assignments stay.
    let key = app.key_for_all().await;
    let mut request =
        tonic::Request::new(GetTaskRequest { case_id: app.case_id, task_id: created.tasks[0].id });
    let value = format!("Bearer {}", key.expose()).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    let task = app.grpc_client().await.get_task(request).await.unwrap().into_inner().task.unwrap();
    let assignees: Vec<_> = task.assignees.iter().map(|user| user.email.as_str()).collect();
    assert_eq!(assignees, ["user1@example.com", placeholder.as_str()]);

    // A repeat names the user by the id.
    let again = erase(&mut feeder, EraseUserRequest { user: by_id(&doomed) }).await.unwrap();
    assert_eq!(again, erased);
    for key in [by_email(EMAIL), by_external_id(TRACES[3])] {
        let status = erase(&mut feeder, EraseUserRequest { user: key }).await.unwrap_err();
        assert_eq!(code_and_reasons(&status), "NOT_FOUND USER_NOT_FOUND");
    }
    let request = feeder.request(ReactivateUserRequest { user: by_id(&doomed) });
    let status = feeder.client.reactivate_user(request).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "NOT_FOUND USER_NOT_FOUND");
    let request = feeder.request(DeactivateUserRequest { user: by_id(&doomed) });
    let same = feeder.client.deactivate_user(request).await.unwrap().into_inner().user;
    assert_eq!(same, Some(erased));

    // The placeholder names nobody to whom a task can be assigned, or who can be fed.
    let request = BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![new_task("a", &[&placeholder])],
        ..Default::default()
    };
    let status =
        app.grpc_client().await.batch_create_tasks(app.with_key(request)).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "INVALID_ARGUMENT USER_DEACTIVATED");
    let status = feeder.try_feed(&[user("x", &placeholder, "A")]).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "INVALID_ARGUMENT INVALID_EMAIL");
    // Who is fed again is somebody else.
    assert_ne!(feed(&mut feeder).await.id, doomed.id);
}

/// A batch has read the name, and writes its record after the erasure has begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_begun_before_the_erasure_leaves_no_trace() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let doomed = feed(&mut feeder).await;
    create(&app, "a-key").await.unwrap();
    let mut session = Session::open(app.database.url());
    session.query(&format!(
        "BEGIN; INSERT INTO idempotency_keys (tenant_id, key, operation, fingerprint)
         VALUES ({}, 'held-key', 'none', sha256(''))",
        app.tenant
    ));
    let app = std::sync::Arc::new(app);
    let batch = tokio::spawn({
        let app = std::sync::Arc::clone(&app);
        async move { create(&app, "held-key").await }
    });
    session.await_blocked(1);
    let erasing = tokio::spawn(async move {
        let erased = erase(&mut feeder, EraseUserRequest { user: by_email(EMAIL) }).await;
        (feeder, erased)
    });
    eventually("the row is erased", async || {
        let erased = format!("SELECT erased_at IS NOT NULL FROM users WHERE id = {}", doomed.id);
        (app.database.query(&erased) == "t").then_some(())
    })
    .await;
    assert!(!erasing.is_finished());
    // The batch goes on with the name that it has read.
    session.query("ROLLBACK");
    batch.await.unwrap().unwrap();
    let (_, erased) = erasing.await.unwrap();
    assert!(erased.unwrap().erased_at.is_some());
    assert_eq!(traces(&app.database), BTreeSet::new());
    assert_eq!(
        app.database.query("SELECT count(*) FROM idempotency_keys WHERE key = 'held-key'"),
        "1"
    );
}

/// Batches with keys and erasures at once: whoever is first, no trace is left.
#[tokio::test(flavor = "multi_thread")]
async fn no_trace_is_left_by_batches_that_are_created_all_the_while() {
    let app = std::sync::Arc::new(App::start().await);
    let mut feeder = Feeder::new(&app).await;
    for round in 0..5 {
        feed(&mut feeder).await;
        let creators = (0..4).map(|creator| {
            let app = std::sync::Arc::clone(&app);
            tokio::spawn(async move {
                for number in 0.. {
                    if create(&app, &format!("{round}-{creator}-{number}")).await.is_err() {
                        return number;
                    }
                }
                0
            })
        });
        let creators: Vec<_> = creators.collect();
        eventually("batches", async || {
            let keys =
                format!("SELECT count(*) > 8 FROM idempotency_keys WHERE key LIKE '{round}-%'");
            (app.database.query(&keys) == "t").then_some(())
        })
        .await;
        erase(&mut feeder, EraseUserRequest { user: by_email(EMAIL) }).await.unwrap();
        for creator in creators {
            assert!(creator.await.unwrap() > 0);
        }
        assert_eq!(traces(&app.database), BTreeSet::new());
    }
}

/// The call ends before the names are gone from all records: the server goes on by itself, and a repeat
/// does, too.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_interrupted_is_completed() {
    let app = App::builder().server_args(&["--call-timeout", "500ms"]).start().await;
    let mut feeder = Feeder::new(&app).await;
    for is_repeated in [true, false] {
        let doomed = feed(&mut feeder).await;
        create(&app, &format!("key-{is_repeated}")).await.unwrap();
        let mut session = Session::open(app.database.url());
        // A transaction that has the lock of a writer of records.
        session.query("BEGIN; LOCK TABLE idempotency_keys IN ROW EXCLUSIVE MODE");
        let request = EraseUserRequest { user: by_email(EMAIL) };
        let status = erase(&mut feeder, request).await.unwrap_err();
        assert_eq!(code_and_reasons(&status), "DEADLINE_EXCEEDED DEADLINE_EXCEEDED");
        let names = BTreeSet::from([TRACES[1], TRACES[2]]);
        assert_eq!(traces(&app.database), names, "in the record only");
        session.query("COMMIT");
        if is_repeated {
            erase(&mut feeder, EraseUserRequest { user: by_id(&doomed) }).await.unwrap();
        } else {
            // Each server looks for such users when it starts.
            app.start_server(&[]).await;
            let pending =
                "SELECT count(*) FROM users WHERE scrubbed_at IS NULL AND erased_at IS NOT NULL";
            eventually("the erasure", async || (app.database.query(pending) == "0").then_some(()))
                .await;
        }
        assert_eq!(traces(&app.database), BTreeSet::new());
    }
}

/// A tenant with more records than one step takes.
#[tokio::test(flavor = "multi_thread")]
async fn every_record_of_many_is_scrubbed_and_no_other_tenants() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let doomed = feed(&mut feeder).await;
    let (other, ..) = app.other_tenant().await;
    for tenant in [app.tenant, other] {
        app.database.query(&format!(
            "INSERT INTO idempotency_keys
                 (tenant_id, key, operation, fingerprint, user_ids, first_names, last_names)
             SELECT {tenant}, 'key-' || n, 'batch_create_tasks', sha256(''),
                 ARRAY[1, {id}, {id}], ARRAY['One', '{first}', '{first}'], ARRAY['x', 'y', 'y']
             FROM generate_series(1, 12000) AS n",
            id = doomed.id,
            first = TRACES[1],
        ));
    }
    erase(&mut feeder, EraseUserRequest { user: by_id(&doomed) }).await.unwrap();
    let names =
        "SELECT DISTINCT tenant_id, first_names, last_names FROM idempotency_keys ORDER BY 1";
    assert_eq!(
        app.database.query(names),
        format!(
            "{}|{{One,\"\",\"\"}}|{{x,\"\",\"\"}}\n{other}|{{One,{first},{first}}}|{{x,y,y}}",
            app.tenant,
            first = TRACES[1],
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_and_no_email_is_logged() {
    let app = App::start().await;
    let args = ["--grpc-addr", "127.0.0.1:0", "--log-level", "debug"];
    let server: Program = start_server_process(app.database.url().expose(), &args);
    let addr = server.wait_for_address("serving gRPC");
    let endpoint = tonic::transport::Endpoint::try_from(format!("http://{addr}")).unwrap();
    let mut feeder = Feeder::new(&app).await;
    feeder.client = proto::directory::v1::directory_service_client::DirectoryServiceClient::new(
        endpoint.connect().await.unwrap(),
    );
    feed(&mut feeder).await;
    // Faults of each kind, and a collision with a row that somebody is about to write.
    feeder.try_feed(&[user("other", EMAIL, TRACES[1])]).await.unwrap_err();
    feeder.try_feed(&[user("", &format!("{EMAIL} x"), TRACES[1])]).await.unwrap_err();
    let mut session = Session::open(app.database.url());
    session.query(&format!(
        "BEGIN; INSERT INTO users (tenant_id, email, first_name, last_name)
         VALUES ({}, 'x{EMAIL}', '', '')",
        app.tenant
    ));
    let colliding = tokio::spawn(async move {
        feeder.feed(&[user("", &format!("x{EMAIL}"), TRACES[1])]).await;
        feeder
    });
    session.await_blocked(1);
    session.query("COMMIT");
    let mut feeder = colliding.await.unwrap();
    erase(&mut feeder, EraseUserRequest { user: by_email(EMAIL) }).await.unwrap();
    server.terminate();
    let log = server.wait_for_exit().stderr;
    assert!(log.contains("BatchUpsertUsers"), "calls are logged: {log}");
    for trace in TRACES {
        assert!(!log.contains(trace), "{trace}: {log}");
    }
}
