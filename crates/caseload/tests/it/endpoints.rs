//! Every endpoint, and what it tells whom: a method that is not in the table is no endpoint that
//! may be served.

use std::{collections::BTreeSet, future::Future, pin::Pin};

use domain::{ApiKey, Scope};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use reqwest::Method;
use tonic::{Request, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::{v1, v1alpha};

use crate::{
    doors::Call,
    support::{App, new_key},
};

/// Who calls.
#[derive(Clone, Debug)]
enum Caller {
    /// Without a key.
    Nobody,
    /// With a key that there isn't.
    Stranger,
    /// With a key of the tenant that lacks the scope.
    WithoutScope,
    /// With a key that has the scope, for a case of another tenant.
    OfAnotherTenant,
    /// With a key that has the scope, for a case of its own tenant.
    Owner,
}

use Caller::{Nobody, OfAnotherTenant, Owner, Stranger, WithoutScope};

/// What each caller is told by what needs a key and a scope.
const GUARDED: [(Caller, &str); 5] = [
    (Nobody, "UNAUTHENTICATED KEY_REQUIRED"),
    (Stranger, "UNAUTHENTICATED KEY_INVALID"),
    (WithoutScope, "PERMISSION_DENIED SCOPE_REQUIRED"),
    (OfAnotherTenant, "NOT_FOUND CASE_NOT_FOUND"),
    (Owner, "OK"),
];

/// What each caller is told by what is open to all.
const OPEN: [(Caller, &str); 5] = [
    (Nobody, "OK"),
    (Stranger, "OK"),
    (WithoutScope, "OK"),
    (OfAnotherTenant, "OK"),
    (Owner, "OK"),
];

/// Calls an endpoint with a key, or without, for a case. Returns what it tells.
type Ask = for<'a> fn(&'a App, Option<&'a ApiKey>, i64) -> Told<'a>;
type Told<'a> = Pin<Box<dyn Future<Output = String> + Send + 'a>>;

/// All that is served: by gRPC in `package.Service/Method`, by REST in `METHOD path`.
const TABLE: [(&str, [(Caller, &str); 5], Ask); 9] = [
    ("caseload.tasks.v1.TaskService/BatchCreateTasks", GUARDED, batch_create_over_grpc),
    ("grpc.health.v1.Health/Check", OPEN, health_check),
    ("grpc.health.v1.Health/List", OPEN, health_list),
    ("grpc.health.v1.Health/Watch", OPEN, health_watch),
    ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", OPEN, reflect_v1),
    ("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", OPEN, reflect_v1alpha),
    ("POST /api/v2/cases/{case_id}/tasks/batch", GUARDED, batch_create_over_rest),
    ("GET /livez", OPEN, livez),
    ("GET /readyz", OPEN, readyz),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_endpoint_tells_each_caller_what_is_documented() {
    let app = App::start().await;
    let stranger = new_key();
    let reader = app.key_with(&[Scope::TasksRead]).await;
    let (_, others_case, _) = app.other_tenant().await;
    for (endpoint, callers, ask) in TABLE {
        for (caller, expected) in callers {
            let (key, case_id) = match caller {
                Nobody => (None, app.case_id),
                Stranger => (Some(&stranger), app.case_id),
                WithoutScope => (Some(&reader), app.case_id),
                OfAnotherTenant => (Some(&app.key), others_case),
                Owner => (Some(&app.key), app.case_id),
            };
            let told = ask(&app, key, case_id).await;
            assert_eq!(told, expected, "{endpoint} to {caller:?}");
        }
    }
    // One task by each door, for the owner.
    assert_eq!(app.row_counts(), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_method_that_is_served_is_in_the_table() {
    let app = App::start().await;
    let mut sets = vec![proto::DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET];
    sets.extend([v1::FILE_DESCRIPTOR_SET, v1alpha::FILE_DESCRIPTOR_SET]);
    let described: BTreeSet<String> = sets.into_iter().flat_map(methods).collect();
    let listed: BTreeSet<String> = TABLE
        .iter()
        .map(|(endpoint, ..)| (*endpoint).to_owned())
        .filter(|endpoint| !endpoint.contains(' '))
        .collect();
    assert_eq!(listed, described);

    // And what is described is all that is served: reflection lists the services.
    let services: BTreeSet<&str> =
        described.iter().filter_map(|method| method.split('/').next()).collect();
    let served = services_served(&app).await;
    assert_eq!(served.iter().map(String::as_str).collect::<BTreeSet<_>>(), services);
}

/// `package.Service/Method` for each method of an encoded descriptor set.
fn methods(set: &[u8]) -> Vec<String> {
    let set = FileDescriptorSet::decode(set).unwrap();
    let mut methods = Vec::new();
    for file in set.file {
        for service in &file.service {
            for method in &service.method {
                methods.push(format!("{}.{}/{}", file.package(), service.name(), method.name()));
            }
        }
    }
    methods
}

async fn services_served(app: &App) -> Vec<String> {
    use v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel(app).await);
    let answers = client.server_reflection_info(tokio_stream::once(question)).await;
    let answer = answers.unwrap().into_inner().message().await.unwrap().unwrap();
    match answer.message_response.unwrap() {
        MessageResponse::ListServicesResponse(list) => {
            list.service.into_iter().map(|service| service.name).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn call<'a>(app: &'a App, key: Option<&ApiKey>, case_id: i64) -> Call<'a> {
    let call = Call::of(app).case(case_id);
    match key {
        Some(key) => call.key(key),
        None => call,
    }
}

fn batch_create_over_grpc<'a>(app: &'a App, key: Option<&'a ApiKey>, case_id: i64) -> Told<'a> {
    Box::pin(async move { call(app, key, case_id).grpc(app).await })
}

fn batch_create_over_rest<'a>(app: &'a App, key: Option<&'a ApiKey>, case_id: i64) -> Told<'a> {
    Box::pin(async move { call(app, key, case_id).rest(app).await })
}

fn livez<'a>(app: &'a App, key: Option<&'a ApiKey>, _: i64) -> Told<'a> {
    Box::pin(get(app, "/livez", key))
}

fn readyz<'a>(app: &'a App, key: Option<&'a ApiKey>, _: i64) -> Told<'a> {
    Box::pin(async move {
        // Whether it is ready is not the question here, but whether it may be asked.
        while health_check(app, None, 0).await != "OK" {}
        get(app, "/readyz", key).await
    })
}

async fn get(app: &App, path: &str, key: Option<&ApiKey>) -> String {
    let mut request = app.request(Method::GET, path);
    if let Some(key) = key {
        request = request.bearer_auth(key.expose());
    }
    let status = request.send().await.unwrap().status();
    if status == 200 { "OK".to_owned() } else { status.to_string() }
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

fn told<T>(answer: Result<T, tonic::Status>) -> String {
    answer.map_or_else(|status| status.to_string(), |_| "OK".to_owned())
}
