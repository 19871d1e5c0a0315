//! The document agrees with what the code knows, and with docs/.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    env, fs,
    future::{Ready, ready},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    task::{self, Poll},
    time::Duration,
};

use axum::body::Body;
use http::{Method, Request, Response};
use proto::wire::{Access, ERROR_DOMAIN, METHODS, access};
use runtime::CancellationToken;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::Service;

use crate::{
    context::Context,
    extract::{BodyMemory, MaxTimeout},
    in_flight::InFlight,
    metrics::RequestMetrics,
    options::Docs,
    problem::meaning,
    router::router,
    routes,
    upstream::{Client, Transport},
};

fn document() -> Value {
    serde_json::from_str(routes::document().text()).unwrap()
}

/// An operation of the document.
struct Operation {
    path: String,
    method: Method,
    value: Value,
}

impl Operation {
    /// Returns the path of a request, with an example of each parameter.
    fn request_path(&self) -> String {
        let path = self.path.replace("{case_id}", "1").replace("{task_id}", "1");
        path.replace("{key}", "k").replace("{reason}", "internal")
    }

    fn grpc_method(&self) -> Option<&str> {
        self.value["x-grpc-method"].as_str()
    }

    fn example(&self) -> Option<Value> {
        let example = &self.value["requestBody"]["content"]["application/json"]["example"];
        (!example.is_null()).then(|| example.clone())
    }
}

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(|(method, value)| Operation {
            path: path.clone(),
            method: method.to_uppercase().parse().unwrap(),
            value: value.clone(),
        })
    });
    operations.collect()
}

/// A server that does nothing but notice which methods are called.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Service<Request<tonic::body::Body>> for Recorder {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        self.0.lock().unwrap().push(request.uri().path().trim_start_matches('/').to_owned());
        let details = ErrorDetails::with_error_info("INTERNAL", ERROR_DOMAIN, []);
        ready(Ok(Status::with_error_details(Code::Internal, "", details).into_http()))
    }
}
fn context<T: Transport>(transport: T) -> Context<T> {
    Context {
        client: Client::over(transport),
        max_timeout: MaxTimeout(Duration::from_secs(10)),
        body_memory: BodyMemory::of_mib(10, 100),
        in_flight: InFlight::new(100, 100),
        metrics: RequestMetrics::new(&[], &telemetry::metrics::Metrics::new("test", "0")),
        shutdown: CancellationToken::new(),
    }
}

#[tokio::test]
async fn each_operation_is_routed_and_calls_the_method_that_it_names() {
    let server = Recorder::default();
    let mut router = router(context(server.clone()), Docs::On, None);
    for operation in operations(&document()) {
        let path = operation.request_path();
        let request = Request::builder().method(&operation.method).uri(&path);
        let request = request.header("content-type", "application/json");
        let body = operation.example().map_or(Body::empty(), |body| Body::from(body.to_string()));
        let response = router.call(request.body(body).unwrap()).await.unwrap();
        assert!(![404, 405].contains(&response.status().as_u16()), "{path}");
        let called: BTreeSet<String> = server.0.lock().unwrap().drain(..).collect();
        // Readiness asks for the health of the server.
        let called = called.into_iter().filter(|method| !method.starts_with("grpc.health."));
        let named: Vec<_> = operation.grpc_method().map(str::to_owned).into_iter().collect();
        assert_eq!(called.collect::<Vec<_>>(), named, "{} {path}", operation.method);
    }
}

#[tokio::test]
async fn each_path_has_the_documented_methods_and_no_others() {
    let mut router = router(context(Recorder::default()), Docs::On, None);
    let mut paths: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in operations(&document()) {
        let methods = paths.entry(operation.request_path()).or_default();
        methods.insert(operation.method.to_string());
        if operation.method == Method::GET {
            methods.insert("HEAD".to_owned());
        }
    }
    for (path, methods) in paths {
        let request = Request::patch(&path).body(Body::empty()).unwrap();
        let response = router.call(request).await.unwrap();
        assert_eq!(response.status(), 405, "{path}");
        let allowed = response.headers()["allow"].to_str().unwrap().split(',').map(str::to_owned);
        assert_eq!(allowed.collect::<BTreeSet<_>>(), methods, "{path}");
    }
}

/// Pages for people are no operations.
#[test]
fn every_route_but_those_of_pages_is_in_the_document() {
    let document = document();
    let documented: BTreeSet<String> =
        operations(&document).into_iter().map(|operation| operation.path).collect();
    let routes = routes::calls::<Recorder>().into_iter().chain(routes::open(Docs::On));
    let of_none: Vec<_> =
        routes.map(|route| route.path).filter(|path| !documented.contains(path)).collect();
    assert_eq!(of_none, ["/docs", "/docs/", "/docs/{file}"]);
}

/// So no route escapes the document.
#[test]
fn routes_are_added_to_the_router_in_one_place() {
    let mut places = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_code = |path: &Path| {
        path.extension() == Some("rs".as_ref()) && path != root.join("openapi/tests.rs")
    };
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if is_code(&path) {
                let text = fs::read_to_string(&path).unwrap();
                let count = [".route(", ".nest(", ".merge(", ".route_service(", ".nest_service("]
                    .map(|word| text.matches(word).count())
                    .iter()
                    .sum::<usize>();
                places.extend(vec![path.file_name().unwrap().to_owned(); count]);
            }
        }
    }
    assert_eq!(places, ["router.rs"]);
}

#[test]
fn every_method_that_is_named_is_of_the_contract_and_every_one_for_callers_is_named() {
    let document = document();
    let operations = operations(&document);
    let named: BTreeSet<&str> = operations.iter().filter_map(Operation::grpc_method).collect();
    let of_callers = METHODS.iter().map(|(path, _)| path.trim_start_matches('/'));
    let of_callers = of_callers.filter(|path| !path.starts_with("caseload.directory."));
    let over_grpc_only = "caseload.tasks.v1.TaskService/BatchGetTasks";
    assert_eq!(named, of_callers.filter(|path| *path != over_grpc_only).collect());
    for operation in &operations {
        let Some(method) = operation.grpc_method() else { continue };
        let has_unknown_outcome = reasons(&operation.value).contains("OUTCOME_UNKNOWN");
        let writes = access(&format!("/{method}")) == Some(Access::Write);
        assert_eq!(has_unknown_outcome, writes, "{method}");
    }
}

/// Returns every word in the members `x-reasons` and `x-extensible-enum` of a part of the document.
fn reasons(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if ["x-reasons", "x-extensible-enum"].contains(&name.as_str()) {
                        let words = member.as_array().unwrap().iter();
                        found.extend(words.map(|word| word.as_str().unwrap().to_owned()));
                    }
                    left.push(member);
                }
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    found
}

#[test]
fn every_reason_of_the_gateway_is_in_the_document_and_no_other() {
    let document = document();
    let expected: BTreeSet<String> =
        meaning::of_items().map(|explanation| explanation.word.to_owned()).collect();
    assert_eq!(reasons(&document), expected);
    // But for one, which no operation has, each is given by one at least.
    let of_paths = reasons(&document["paths"]);
    let of_responses = reasons(&document["components"]["responses"]);
    let is_given = |word: &&String| of_paths.contains(*word) || of_responses.contains(*word);
    let of_none: Vec<_> = expected.iter().filter(|word| !is_given(word)).collect();
    assert_eq!(of_none, ["METHOD_NOT_ALLOWED"]);
}

#[test]
fn every_name_is_unique_and_every_reference_leads_somewhere() {
    let document = document();
    let mut names = BTreeSet::new();
    for operation in operations(&document) {
        assert!(names.insert(operation.value["operationId"].as_str().unwrap().to_owned()));
        assert_eq!(operation.value["tags"].as_array().unwrap().len(), 1);
        let summary = operation.value["summary"].as_str().unwrap();
        assert!(summary.ends_with('.') && !summary.contains('\n'), "{summary}");
    }
    let mut left = vec![&document];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                left.extend(members.values());
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
}

#[test]
fn every_link_leads_to_an_operation_with_its_parameters() {
    let document = document();
    let operations: BTreeMap<String, Operation> = operations(&document)
        .into_iter()
        .map(|operation| (operation.value["operationId"].as_str().unwrap().to_owned(), operation))
        .collect();
    let responses = operations.values().flat_map(|one| one.value["responses"].as_object().unwrap());
    let links =
        responses.flat_map(|(_, response)| response["links"].as_object().into_iter().flatten());
    let links: Vec<_> = links.map(|(_, link)| link).collect();
    assert!(links.len() > 10);
    for link in links {
        let operation = &operations[link["operationId"].as_str().unwrap()];
        let names = operation.value["parameters"].as_array().unwrap().iter();
        let names: Vec<_> =
            names.filter(|one| one["in"] == "path").map(|one| &one["name"]).collect();
        let linked: Vec<_> = link["parameters"].as_object().unwrap().keys().collect();
        assert_eq!(names, linked, "{link}");
    }
}

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// A change there is a change of the API.
#[test]
fn the_document_is_that_of_docs() {
    let expected = format!("{:#}\n", document());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(docs("openapi.json"), expected).unwrap();
        return;
    }
    let found = fs::read_to_string(docs("openapi.json")).unwrap();
    assert!(found == expected, "update with UPDATE_DOCS=1 cargo test -p caseload-gateway openapi");
}

const BEGIN: &str = "<!-- problems: begin -->\n";
const END: &str = "<!-- problems: end -->\n";

#[test]
fn the_problems_of_the_docs_are_those_of_the_pages() {
    let mut table = String::from(
        "| status | `code` | `details` | when | what to do |\n|---|---|---|---|---|\n",
    );
    for explanation in meaning::EXPLANATIONS.iter() {
        for occurrence in &explanation.occurrences {
            let (status, code, when) =
                (occurrence.status.as_u16(), occurrence.code_name(), occurrence.when);
            let grpc = if explanation.is_grpc_only { " (gRPC)" } else { "" };
            let (word, advice) = (explanation.word, explanation.advice);
            table += &format!("| {status}{grpc} | `{code}` | `{word}` | {when} | {advice} |\n");
        }
    }
    let text = fs::read_to_string(docs("API.md")).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the begin of the table");
    let (found, after) = rest.split_once(END).expect("the end of the table");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(docs("API.md"), format!("{before}{BEGIN}\n{table}\n{END}{after}")).unwrap();
        return;
    }
    assert!(
        found.trim() == table.trim(),
        "update with UPDATE_DOCS=1 cargo test -p caseload-gateway openapi"
    );
}
