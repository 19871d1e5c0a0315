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

use crate::support::{App, CreateCall, code_and_reasons, new_key, polling::eventually};

/// An endpoint's result for a call without a key, with an unknown key, with a key that lacks the
/// scope, for a case of another tenant, and for a valid call.
type Results = [&'static str; 5];

/// The results of an endpoint that needs a key with the write scope.
const GUARDED: Results = [
    "UNAUTHENTICATED KEY_REQUIRED",
    "UNAUTHENTICATED KEY_INVALID",
    "PERMISSION_DENIED SCOPE_REQUIRED",
    "NOT_FOUND CASE_NOT_FOUND",
    "OK",
];

/// The results of an endpoint that needs no key.
const OPEN: Results = ["OK"; 5];

/// All endpoints.
const TABLE: [(&str, Results); 8] = [
    ("caseload.tasks.v1.TaskService/BatchCreateTasks", GUARDED),
    ("grpc.health.v1.Health/Check", OPEN),
    ("grpc.health.v1.Health/Watch", OPEN),
    ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", OPEN),
    ("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", OPEN),
    ("POST /api/v2/cases/{case_id}/tasks/batch", GUARDED),
    ("GET /livez", OPEN),
    ("GET /readyz", OPEN),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_endpoint_gives_each_caller_the_documented_result() {
    let app = App::start().await;
    let (unknown, reader) = (new_key(), app.key_with(&[Scope::TasksRead]).await);
    let (_, case_of_another, _) = app.other_tenant().await;
    let callers = [
        (None, app.case_id),
        (Some(&unknown), app.case_id),
        (Some(&reader), app.case_id),
        (Some(&app.key), case_of_another),
        (Some(&app.key), app.case_id),
    ];
    eventually("readiness", async || {
        (call(&app, "GET /readyz", None, 0).await == "OK").then_some(())
    })
    .await;
    for (endpoint, results) in TABLE {
        for ((key, case_id), expected) in callers.into_iter().zip(results) {
            let result = call(&app, endpoint, key, case_id).await;
            assert_eq!(result, expected, "{endpoint} with {key:?} for case {case_id}");
        }
    }
    // The valid call created one task over gRPC and one over REST.
    assert_eq!(app.row_counts(), (2, 0));
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
async fn call(app: &App, endpoint: &str, key: Option<&ApiKey>, case_id: i64) -> String {
    let create = CreateCall::new(app).case(case_id);
    let create = key.map_or_else(|| create.clone(), |key| create.clone().key(key));
    match endpoint {
        "caseload.tasks.v1.TaskService/BatchCreateTasks" => create.result_over_grpc(app).await,
        "POST /api/v2/cases/{case_id}/tasks/batch" => create.result_over_rest(app).await,
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
