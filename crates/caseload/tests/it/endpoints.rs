//! The result of every endpoint for every kind of caller. A gRPC method that is missing from the
//! table fails a test.

use std::collections::BTreeSet;

use domain::{ApiKey, Scope};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use reqwest::Method;
use tonic::{Request, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{API_CALLS, App, Target, code_and_reasons, new_key, polling::eventually};

/// An endpoint's result for a call without a key, with an unknown key, with a key that lacks the
/// scope, for a case of another tenant, for a task of another tenant in a case of the caller's, and
/// for a valid call.
type Results = [&'static str; 6];

const NO_KEY: &str = "UNAUTHENTICATED KEY_REQUIRED";
const WRONG_KEY: &str = "UNAUTHENTICATED KEY_INVALID";
const NO_SCOPE: &str = "PERMISSION_DENIED SCOPE_REQUIRED";
const NO_CASE: &str = "NOT_FOUND CASE_NOT_FOUND";
const NO_TASK: &str = "NOT_FOUND TASK_NOT_FOUND";
const NO_USER: &str = "NOT_FOUND USER_NOT_FOUND";
const NO_RECORD: &str = "NOT_FOUND IDEMPOTENCY_KEY_UNKNOWN";

/// The results of an endpoint that is about a case.
const OF_CASE: Results = [NO_KEY, WRONG_KEY, NO_SCOPE, NO_CASE, "OK", "OK"];

/// The results of an endpoint that is about a task of a case.
const OF_TASK: Results = [NO_KEY, WRONG_KEY, NO_SCOPE, NO_CASE, NO_TASK, "OK"];

/// The results of an endpoint that is about the caller's tenant.
const OF_TENANT: Results = [NO_KEY, WRONG_KEY, NO_SCOPE, "OK", "OK", "OK"];

/// The results of an endpoint that is about an idempotency key.
const OF_RECORD: Results = [NO_KEY, WRONG_KEY, NO_SCOPE, NO_RECORD, "OK", "OK"];

/// The results of an endpoint that is about a user, by the id.
const OF_USER: Results = [NO_KEY, WRONG_KEY, NO_SCOPE, NO_USER, "OK", "OK"];

/// The results of an endpoint that needs no key.
const OPEN: Results = ["OK"; 6];

/// All endpoints.
const TABLE: [(&str, Results); 53] = [
    ("caseload.cases.v1.CaseService/CreateCase", OF_TENANT),
    ("caseload.cases.v1.CaseService/GetCase", OF_CASE),
    ("caseload.cases.v1.CaseService/ListCases", OF_TENANT),
    ("caseload.cases.v1.CaseService/UpdateCase", OF_CASE),
    ("caseload.cases.v1.CaseService/DeleteCase", OF_CASE),
    ("caseload.tasks.v1.TaskService/BatchCreateTasks", OF_CASE),
    ("caseload.tasks.v1.TaskService/CreateTask", OF_CASE),
    ("caseload.tasks.v1.TaskService/GetTask", OF_TASK),
    ("caseload.tasks.v1.TaskService/BatchGetTasks", OF_TASK),
    ("caseload.tasks.v1.TaskService/ListTasks", OF_CASE),
    ("caseload.tasks.v1.TaskService/ListTaskEvents", OF_TASK),
    ("caseload.tasks.v1.TaskService/UpdateTask", OF_TASK),
    ("caseload.tasks.v1.TaskService/BatchUpdateTasks", OF_TASK),
    ("caseload.tasks.v1.TaskService/DeleteTask", OF_TASK),
    ("caseload.tasks.v1.TaskService/BatchDeleteTasks", OF_TASK),
    ("caseload.tasks.v1.TaskService/GetIdempotencyRecord", OF_RECORD),
    ("caseload.directory.v1.DirectoryService/BatchUpsertUsers", OF_TENANT),
    ("caseload.directory.v1.DirectoryService/BatchUpsertCases", OF_TENANT),
    ("caseload.directory.v1.DirectoryService/GetUser", OF_TENANT),
    ("caseload.directory.v1.DirectoryService/ListUsers", OF_TENANT),
    ("caseload.directory.v1.DirectoryService/DeactivateUser", OF_USER),
    ("caseload.directory.v1.DirectoryService/ReactivateUser", OF_USER),
    ("caseload.directory.v1.DirectoryService/EraseUser", OF_USER),
    ("caseload.directory.v1.DirectoryService/GetCase", OF_CASE),
    ("caseload.directory.v1.DirectoryService/ListCases", OF_TENANT),
    ("caseload.directory.v1.DirectoryService/CloseCase", OF_CASE),
    ("grpc.health.v1.Health/Check", OPEN),
    ("grpc.health.v1.Health/Watch", OPEN),
    ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", OPEN),
    ("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", OPEN),
    ("POST /api/v2/cases", OF_TENANT),
    ("GET /api/v2/cases", OF_TENANT),
    ("GET /api/v2/cases/{case_id}", OF_CASE),
    ("PUT /api/v2/cases/{case_id}", OF_CASE),
    ("DELETE /api/v2/cases/{case_id}", OF_CASE),
    ("POST /api/v2/cases/{case_id}/tasks/batch", OF_CASE),
    ("POST /api/v2/cases/{case_id}/tasks", OF_CASE),
    ("GET /api/v2/cases/{case_id}/tasks/{task_id}", OF_TASK),
    ("GET /api/v2/cases/{case_id}/tasks/{task_id}/events", OF_TASK),
    ("GET /api/v2/cases/{case_id}/tasks?assignee_email={email}", OF_CASE),
    ("GET /api/v2/tasks?assignee_email={email}", OF_TENANT),
    ("PUT /api/v2/cases/{case_id}/tasks/{task_id}", OF_TASK),
    ("PUT /api/v2/cases/{case_id}/tasks/batch", OF_TASK),
    ("DELETE /api/v2/cases/{case_id}/tasks/{task_id}", OF_TASK),
    ("DELETE /api/v2/cases/{case_id}/tasks/batch", OF_TASK),
    ("GET /api/v2/idempotency-keys/{idempotency_key}", OF_RECORD),
    ("GET /", OPEN),
    ("GET /docs", OPEN),
    ("GET /openapi.json", OPEN),
    ("GET /problems", OPEN),
    ("GET /problems/key-invalid", OPEN),
    ("GET /livez", OPEN),
    ("GET /readyz", OPEN),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_endpoint_gives_each_caller_the_documented_result() {
    let app = App::start().await;
    let (unknown, key) = (new_key(), app.key_for_all().await);
    let (other, case_of_another, key_of_another) = app.other_tenant().await;
    app.use_idempotency_key("the-key");
    let their_task = app.target_in(other.get(), case_of_another);
    let theirs = Target { idempotency_key: "their-key", ..their_task.clone() };
    let as_it_was =
        app.database.query("SELECT * FROM cases AS c JOIN tasks AS t ON t.case_id = c.id");
    let their_users = format!("SELECT * FROM users WHERE tenant_id = {other} ORDER BY id");
    let users_as_they_were = app.database.query(&their_users);
    eventually("readiness", async || {
        let ready = call(&app, "GET /readyz", None, &theirs).await;
        (ready == "OK").then_some(())
    })
    .await;
    for (endpoint, results) in TABLE {
        // A key with every scope but those of which the endpoint needs one.
        let mut others = Scope::ALL.to_vec();
        others.retain(|scope| !endpoint_scopes(endpoint).contains(scope));
        let without_scope = app.key_with(&others).await;
        let ours = app.target();
        let their_task_in_our_case = Target { task_id: their_task.task_id, ..app.target() };
        let callers = [
            (None, &theirs),
            (Some(&unknown), &theirs),
            (Some(&without_scope), &theirs),
            (Some(&key), &theirs),
            (Some(&key), &their_task_in_our_case),
            (Some(&key), &ours),
        ];
        for ((key, target), expected) in callers.into_iter().zip(results) {
            let result = call(&app, endpoint, key, target).await;
            assert_eq!(result, expected, "{endpoint} with {key:?} about {target:?}");
        }
    }
    // What belongs to the other tenant is there as before, and nothing was added to it.
    let theirs_now = app.database.query(&format!(
        "SELECT * FROM cases AS c JOIN tasks AS t ON t.case_id = c.id WHERE c.tenant_id = {other}"
    ));
    assert_eq!(theirs_now, as_it_was);
    assert_eq!(app.database.query(&their_users), users_as_they_were);
    let batch_create = "caseload.tasks.v1.TaskService/BatchCreateTasks";
    let result = call(&app, batch_create, Some(&key_of_another), &their_task).await;
    assert_eq!(result, "OK", "the key of another tenant works there");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_endpoint_takes_a_tenants_keys_on_its_host_and_those_of_nobody_elses() {
    let app = App::start().await;
    let (ours, theirs) = (app.key_for_all().await, new_key());
    let (other, ..) = app.other_tenant().await;
    app.store_key(other, &theirs, &Scope::ALL, None).await;
    app.use_idempotency_key("the-key");
    for (tenant, host) in [(app.tenant, "ours.example"), (other, "theirs.example")] {
        app.admin.add_tenant_hosts(tenant, vec![host.parse().unwrap()]).await.unwrap();
    }
    eventually("the hosts", async || {
        let call = &API_CALLS[0];
        let result = call.result_on(&app, "ours.example", Some(&theirs), &app.target()).await;
        (result == WRONG_KEY).then_some(())
    })
    .await;
    for (endpoint, results) in TABLE {
        let Some(api_call) = API_CALLS.iter().find(|call| call.name == endpoint) else {
            assert_eq!(results, OPEN, "{endpoint} needs no key, so it is the same on each host");
            continue;
        };
        let others = app.target_of(other.get());
        let others = Target { idempotency_key: "their-key", ..others };
        for (host, key, target, expected) in [
            ("ours.example", &theirs, &others, WRONG_KEY),
            ("Ours.Example.:8443", &theirs, &others, WRONG_KEY),
            ("theirs.example", &ours, &app.target(), WRONG_KEY),
            ("ours.example:80", &ours, &app.target(), "OK"),
            ("nobodys.example", &ours, &app.target(), "OK"),
        ] {
            let result = api_call.result_on(&app, host, Some(key), target).await;
            assert_eq!(result, expected, "{endpoint} on {host}");
        }
    }
}

/// Returns the scopes of which a call of the API needs one.
fn endpoint_scopes(endpoint: &str) -> &'static [Scope] {
    let call = API_CALLS.iter().find(|call| call.name == endpoint);
    call.map_or(&[], |call| call.kind.scopes())
}

#[test]
fn each_call_of_the_api_is_in_the_table() {
    for call in API_CALLS {
        assert!(TABLE.iter().any(|(endpoint, _)| *endpoint == call.name), "{}", call.name);
    }
}

#[test]
fn each_grpc_method_of_the_descriptors_is_in_the_table() {
    let sets = [
        proto::DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        v1::FILE_DESCRIPTOR_SET,
        v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let described: BTreeSet<String> = sets.into_iter().flat_map(methods).collect();
    let of_grpc = TABLE.iter().map(|(endpoint, _)| *endpoint).filter(|name| !name.contains(' '));
    assert_eq!(described, of_grpc.map(str::to_owned).collect());
}

/// Returns `package.Service/Method` for each method of an encoded descriptor set.
fn methods(set: &[u8]) -> Vec<String> {
    let mut methods = Vec::new();
    for file in FileDescriptorSet::decode(set).unwrap().file {
        for service in &file.service {
            let name = |method| format!("{}.{}/{method}", file.package(), service.name());
            methods.extend(service.method.iter().map(|method| name(method.name())));
        }
    }
    methods
}

/// Calls an endpoint of the table with this key or none. Returns `OK` or the error.
async fn call(app: &App, endpoint: &str, key: Option<&ApiKey>, target: &Target) -> String {
    if let Some(call) = API_CALLS.iter().find(|call| call.name == endpoint) {
        return call.result(app, key, target).await;
    }
    match endpoint {
        "grpc.health.v1.Health/Check" => {
            let request = with_key(HealthCheckRequest::default(), key);
            result(HealthClient::new(app.channel().await).check(request).await)
        }
        "grpc.health.v1.Health/Watch" => {
            let request = with_key(HealthCheckRequest::default(), key);
            result(HealthClient::new(app.channel().await).watch(request).await)
        }
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo" => {
            use v1::{ServerReflectionRequest, server_reflection_client::ServerReflectionClient};
            let requests = tokio_stream::once(ServerReflectionRequest::default());
            let mut client = ServerReflectionClient::new(app.channel().await);
            result(client.server_reflection_info(with_key(requests, key)).await)
        }
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo" => {
            use v1alpha::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            };
            let requests = tokio_stream::once(ServerReflectionRequest::default());
            let mut client = ServerReflectionClient::new(app.channel().await);
            result(client.server_reflection_info(with_key(requests, key)).await)
        }
        _ => {
            let path = endpoint.strip_prefix("GET ").expect("a known endpoint");
            let mut request = app.request(Method::GET, path);
            if let Some(key) = key {
                request = request.bearer_auth(key.expose());
            }
            let status = request.send().await.unwrap().status();
            if status == 200 { "OK".to_owned() } else { status.to_string() }
        }
    }
}

/// Returns a gRPC request with this key or none.
fn with_key<T>(message: T, key: Option<&ApiKey>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(key) = key {
        let value = format!("Bearer {}", key.expose()).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

/// Returns `OK` or `CODE REASON…`.
fn result<T>(response: Result<T, Status>) -> String {
    response.map_or_else(|status| code_and_reasons(&status), |_| "OK".to_owned())
}
