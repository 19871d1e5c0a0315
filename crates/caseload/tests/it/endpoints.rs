//! Every endpoint, and what it tells whom. A method that isn't in the table fails its test.

use std::collections::BTreeSet;

use domain::{ApiKey, Scope};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use reqwest::Method;
use tonic::{Request, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::{v1, v1alpha};

use crate::{
    support::create_call::{Call, told_by},
    support::{App, new_key, polling::eventually},
};

/// What an endpoint tells a caller without a key, one with a key that there isn't, one whose key
/// lacks the scope, one who asks for a case of another tenant, and one who does all right.
type Told = [&'static str; 5];

const GUARDED: Told = [
    "UNAUTHENTICATED KEY_REQUIRED",
    "UNAUTHENTICATED KEY_INVALID",
    "PERMISSION_DENIED SCOPE_REQUIRED",
    "NOT_FOUND CASE_NOT_FOUND",
    "OK",
];

const OPEN: Told = ["OK"; 5];

/// All that is served.
const TABLE: [(&str, Told); 8] = [
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
async fn each_endpoint_tells_each_caller_what_is_documented() {
    let app = App::start().await;
    let (stranger, reader) = (new_key(), app.key_with(&[Scope::TasksRead]).await);
    let (_, case_of_another, _) = app.other_tenant().await;
    let callers = [
        (None, app.case_id),
        (Some(&stranger), app.case_id),
        (Some(&reader), app.case_id),
        (Some(&app.key), case_of_another),
        (Some(&app.key), app.case_id),
    ];
    eventually("readiness", async || {
        (ask(&app, "GET /readyz", None, 0).await == "OK").then_some(())
    })
    .await;
    for (endpoint, told) in TABLE {
        for ((key, case_id), expected) in callers.into_iter().zip(told) {
            let told = ask(&app, endpoint, key, case_id).await;
            assert_eq!(told, expected, "{endpoint} with {key:?} for case {case_id}");
        }
    }
    // One by each door that creates, for the one who does all right.
    assert_eq!(app.row_counts(), (2, 0));
}

#[test]
fn each_method_that_is_described_is_in_the_table() {
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

/// `package.Service/Method` for each method of an encoded descriptor set.
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

/// What an endpoint of the table tells who has this key, or none.
async fn ask(app: &App, endpoint: &str, key: Option<&ApiKey>, case_id: i64) -> String {
    let create = Call::of(app).case(case_id);
    let create = key.map_or_else(|| create.clone(), |key| create.clone().key(key));
    match endpoint {
        "caseload.tasks.v1.TaskService/BatchCreateTasks" => create.grpc(app).await,
        "POST /api/v2/cases/{case_id}/tasks/batch" => create.rest(app).await,
        "grpc.health.v1.Health/Check" => {
            let request = with_key(HealthCheckRequest::default(), key);
            told(HealthClient::new(channel(app).await).check(request).await)
        }
        "grpc.health.v1.Health/Watch" => {
            let request = with_key(HealthCheckRequest::default(), key);
            told(HealthClient::new(channel(app).await).watch(request).await)
        }
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo" => {
            use v1::{ServerReflectionRequest, server_reflection_client::ServerReflectionClient};
            let requests = tokio_stream::once(ServerReflectionRequest::default());
            let mut client = ServerReflectionClient::new(channel(app).await);
            told(client.server_reflection_info(with_key(requests, key)).await)
        }
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo" => {
            use v1alpha::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            };
            let requests = tokio_stream::once(ServerReflectionRequest::default());
            let mut client = ServerReflectionClient::new(channel(app).await);
            told(client.server_reflection_info(with_key(requests, key)).await)
        }
        _ => {
            let path = endpoint.strip_prefix("GET ").expect("an endpoint that can be asked");
            let mut request = app.request(Method::GET, path);
            if let Some(key) = key {
                request = request.bearer_auth(key.expose());
            }
            let status = request.send().await.unwrap().status();
            if status == 200 { "OK".to_owned() } else { status.to_string() }
        }
    }
}

async fn channel(app: &App) -> Channel {
    Channel::from_shared(format!("http://{}", app.grpc_addr)).unwrap().connect().await.unwrap()
}

fn with_key<T>(message: T, key: Option<&ApiKey>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(key) = key {
        let value = format!("Bearer {}", key.expose()).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

fn told<T>(answer: Result<T, Status>) -> String {
    answer.map_or_else(|status| told_by(&status), |_| "OK".to_owned())
}
