//! Which keys may read the record of an idempotency key.

use domain::{ApiKey, Scope};
use proto::{
    cases::v1::{CreateCaseRequest, NewCase, case_service_client::CaseServiceClient},
    tasks::v1::{BatchCreateTasksRequest, CreateTaskRequest},
};

use crate::support::{API_CALLS, App, Kind, Target, new_task};

/// Creates tasks, one task, a case, and something that only a newer release knows, each with an idempotency
/// key of that name.
async fn create(app: &App) {
    let (case_id, key) = (app.case_id, app.key_with(&[Scope::TasksWrite, Scope::CasesWrite]).await);
    let mut tasks = app.grpc_client().await;
    let mut cases = CaseServiceClient::new(app.channel().await);
    let validate_only = false;

    let (request_id, new) = ("tasks".to_owned(), vec![new_task("a", &[])]);
    let message = BatchCreateTasksRequest { case_id, tasks: new, request_id, validate_only };
    tasks.batch_create_tasks(with_key(&key, message)).await.unwrap();

    let (request_id, task) = ("task".to_owned(), Some(new_task("a", &[])));
    let message = CreateTaskRequest { case_id, task, request_id, validate_only };
    tasks.create_task(with_key(&key, message)).await.unwrap();

    let (request_id, name) = ("case".to_owned(), "a".to_owned());
    let case = Some(NewCase { name, ..NewCase::default() });
    let message = CreateCaseRequest { case, request_id, validate_only };
    cases.create_case(with_key(&key, message)).await.unwrap();

    app.database.query(
        "INSERT INTO idempotency_keys (tenant_id, key, operation, fingerprint, task_ids)
         SELECT tenant_id, 'newer', 'merge_tasks', fingerprint, task_ids
         FROM idempotency_keys WHERE key = 'task'",
    );
}

fn with_key<T>(key: &ApiKey, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let value = format!("Bearer {}", key.expose()).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_needs_the_scope_that_its_request_needed() {
    const UNKNOWN: &str = "NOT_FOUND IDEMPOTENCY_KEY_UNKNOWN";
    const NO_SCOPE: &str = "PERMISSION_DENIED SCOPE_REQUIRED";
    let app = App::start().await;
    create(&app).await;
    for (scopes, expected) in [
        (&[Scope::TasksWrite][..], ["OK", "OK", NO_SCOPE, NO_SCOPE, UNKNOWN]),
        (&[Scope::CasesWrite], [NO_SCOPE, NO_SCOPE, "OK", NO_SCOPE, UNKNOWN]),
        (&[Scope::TasksWrite, Scope::CasesWrite], ["OK", "OK", "OK", "OK", UNKNOWN]),
        (&[Scope::TasksRead, Scope::CasesRead, Scope::Admin], [NO_SCOPE; 5]),
    ] {
        let key = app.key_with(scopes).await;
        let keys = ["tasks", "task", "case", "newer", "nothing"];
        for (idempotency_key, expected) in keys.iter().zip(expected) {
            let target = Target { idempotency_key, ..Target::of_case(app.case_id) };
            for call in API_CALLS.iter().filter(|call| call.kind == Kind::GetRecord) {
                let result = call.result(&app, Some(&key), &target).await;
                assert_eq!(result, expected, "{} of {idempotency_key} with {scopes:?}", call.name);
            }
        }
    }
}
