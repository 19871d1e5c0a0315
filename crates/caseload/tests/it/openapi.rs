//! The OpenAPI document: what it says of the calls is what they do. Beside this, every response that any
//! test here reads is checked against it (`support::contract`).

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    API_CALLS, App, Reply, SAMPLE,
    contract::{Validators, document, operations, resolve},
};

/// The path of a call of the tables, without its query string, as the document writes it.
fn documented_name(name: &str) -> String {
    name.split('?').next().unwrap().replace("{idempotency_key}", "{key}")
}

#[test]
fn the_calls_of_the_tables_are_those_of_the_document_with_their_scopes() {
    let of_rest = API_CALLS.iter().filter(|call| call.name.contains(' '));
    let tables: BTreeSet<(String, Vec<&str>)> = of_rest
        .map(|call| {
            (
                documented_name(call.name),
                call.kind.scopes().iter().map(|scope| scope.as_str()).collect(),
            )
        })
        .collect();
    let documented: BTreeSet<(String, Vec<&str>)> = operations()
        .into_iter()
        .filter(|(_, operation)| operation.get("x-grpc-method").is_some())
        .map(|(name, operation)| {
            let security = operation["security"].as_array().unwrap();
            let of = |scheme: &str| -> Vec<&str> {
                security.iter().filter_map(|one| one[scheme][0].as_str()).collect()
            };
            assert_eq!(of("bearer"), of("userToken"), "{name}");
            (name, of("bearer"))
        })
        .collect();
    assert_eq!(documented, tables);
}

/// An example, and the reference to its schema.
struct Example {
    schema: String,
    value: &'static Value,
}

/// Collects the examples of a part of the document that has some and a schema.
fn examples_of(part: &'static Value, reference: &str, found: &mut Vec<Example>) {
    let several = part["examples"].as_object().into_iter().flatten();
    let several = several.map(|(_, example)| &resolve(example)["value"]);
    for value in part.get("example").into_iter().chain(several) {
        found.push(Example { schema: format!("{reference}/schema"), value });
    }
}

/// Collects all examples of the document.
fn examples() -> Vec<Example> {
    let mut found = Vec::new();
    for (name, operation) in operations() {
        let (method, path) = name.split_once(' ').unwrap();
        let operation_at = format!("#/paths/{}/{}", escape(path), method.to_lowercase());
        let of_responses = operation["responses"].as_object().unwrap().iter();
        let bodies = of_responses.map(|(status, response)| {
            let shared = response["$ref"].as_str().map(str::to_owned);
            (shared.unwrap_or(format!("{operation_at}/responses/{status}")), resolve(response))
        });
        let bodies =
            bodies.chain([(format!("{operation_at}/requestBody"), &operation["requestBody"])]);
        for (body_at, body) in bodies {
            for (content_type, content) in body["content"].as_object().into_iter().flatten() {
                examples_of(
                    content,
                    &format!("{body_at}/content/{}", escape(content_type)),
                    &mut found,
                );
            }
        }
    }
    for (name, header) in document()["components"]["headers"].as_object().unwrap() {
        examples_of(header, &format!("#/components/headers/{name}"), &mut found);
    }
    examples_of_schemas(document(), "#", &mut found);
    found
}

/// Collects the examples that schemas have, wherever they are in a part of the document.
fn examples_of_schemas(part: &'static Value, reference: &str, found: &mut Vec<Example>) {
    let is_schema = part.get("type").is_some();
    let examples = part["examples"].as_array().filter(|_| is_schema);
    for value in examples.into_iter().flatten() {
        found.push(Example { schema: reference.to_owned(), value });
    }
    let members = part.as_object().into_iter().flatten();
    let members = members.map(|(name, value)| (escape(name), value));
    let items = part.as_array().into_iter().flatten().enumerate();
    let items = items.map(|(index, value)| (index.to_string(), value));
    for (step, value) in members.chain(items) {
        examples_of_schemas(value, &format!("{reference}/{step}"), found);
    }
}

/// Returns a step of a reference.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1").replace('{', "%7B").replace('}', "%7D")
}

#[test]
fn every_example_is_of_its_schema() {
    let examples = examples();
    assert!(examples.len() > 100, "{}", examples.len());
    let schemas = examples.iter().map(|example| example.schema.clone()).collect();
    let validators = Validators::new(document().clone(), schemas);
    for Example { schema, value } in examples {
        if let Some(error) = validators.error(&schema, value) {
            panic!("{schema}: {error}: {value:#}");
        }
    }
}

#[test]
fn the_examples_of_batch_create_are_those_of_the_api_document() {
    let operation = operations()["POST /api/v2/cases/{case_id}/tasks/batch"];
    let request = &operation["requestBody"]["content"]["application/json"]["example"];
    assert_eq!(*request, serde_json::from_str::<Value>(SAMPLE).unwrap());
    let response = &operation["responses"]["201"]["content"]["application/json"]["example"];
    let times = json!("2024-03-25T15:40:39Z");
    let user = |id: &str, email: &str, first: &str, last: &str| json!({"id": id, "email": email, "first_name": first, "last_name": last});
    let task = |id: u8, description: &str, assignees: Value| {
        json!({"id": id, "description": description, "completed": false, "assignees": assignees,
               "created_at": times, "updated_at": times})
    };
    let expected = json!({"tasks": [
        task(1, "Review security logs for suspicious activity",
            json!([user("123", "user1@example.com", "John", "Doe")])),
        task(2, "Update incident runbook", json!([])),
        task(3, "Close related tickets", json!([
            user("456", "user2@example.com", "Jane", "Smith"),
            user("789", "user3@example.com", "Bob", "Wilson"),
        ])),
    ]});
    assert_eq!(*response, expected);
}

/// The bodies of the documented limits, and whether they are valid.
#[tokio::test(flavor = "multi_thread")]
async fn the_schemas_of_requests_accept_what_the_service_accepts() {
    let app = App::start().await;
    let schema = "#/components/schemas/CreateTasks";
    let validators = Validators::new(document().clone(), vec![schema.to_owned()]);
    let tasks = |count| json!({"tasks": vec![json!({"description": "a"}); count]});
    let description = |text: &str| json!({"tasks": [{"description": text}]});
    let emails =
        |emails: Value| json!({"tasks": [{"description": "a", "assignee_emails": emails}]});
    for body in [
        json!({}),
        json!([]),
        json!({"tasks": null}),
        json!({"tasks": [[]]}),
        json!({"tasks": [], "task": 1}),
        tasks(0),
        tasks(1),
        tasks(25),
        tasks(26),
        json!({"tasks": [{}]}),
        json!({"tasks": [{"description": null}]}),
        json!({"tasks": [{"description": "a", "completed": false}]}),
        json!({"tasks": [{"description": 1}]}),
        description(""),
        description(" \t\u{a0}\u{85}\u{3000}"),
        description("\u{1c}"),
        description(" a\n"),
        description("a\0"),
        description(&"é".repeat(10_000)),
        description(&"é".repeat(10_001)),
        emails(json!(null)),
        emails(json!([])),
        emails(json!(["USER1@example.com"])),
        emails(json!(["user1@example.com", null])),
        emails(json!(vec!["user1@example.com"; 50])),
        emails(json!(vec!["user1@example.com"; 51])),
        emails(json!(["user1"])),
        emails(json!(["@user1"])),
        emails(json!(["user 1@example.com"])),
        emails(json!(["user1@exam\u{a0}ple.com"])),
    ] {
        let status = app.create(body.to_string()).await.status;
        assert!([201, 400].contains(&status.as_u16()), "{body}");
        let error = validators.error(schema, &body);
        assert_eq!(error.is_none(), status == 201, "{status}: {error:?}: {body}");
    }
}

/// A schema of JSON takes `1.0` for an integer, and so does the service.
#[tokio::test(flavor = "multi_thread")]
async fn the_schemas_of_requests_and_the_service_agree_on_what_an_integer_is() {
    let app = App::start().await;
    let key = app.key_for_all().await;
    let schemas = ["UpdateCase", "UpdateTasks", "DeleteTasks"];
    let schemas = schemas.map(|name| format!("#/components/schemas/{name}"));
    let validators = Validators::new(document().clone(), schemas.to_vec());
    let case = format!("/api/v2/cases/{}", app.case_id);
    let batch = format!("{case}/tasks/batch");
    let bodies = [
        (Method::PUT, &case, r#"{"team_id":NUMBER}"#),
        (Method::PUT, &batch, r#"{"tasks":[{"id":NUMBER}]}"#),
        (Method::DELETE, &batch, r#"{"task_ids":[NUMBER]}"#),
    ];
    for number in [
        "1",
        "1.0",
        "1e0",
        "25e-1",
        "2.5e1",
        "1.5",
        "0",
        "-0.0",
        "-1.0",
        "\"1\"",
        "true",
        "[1]",
        "9007199254740991",
        "9007199254740991.0",
        "9007199254740992.0",
        "9007199254740993.0",
        "9007199254740992",
        "9223372036854775807",
        "9223372036854775808",
        "1e300",
    ] {
        for ((method, path, body), schema) in bodies.iter().zip(&schemas) {
            let body = body.replace("NUMBER", number);
            let request = app.request(method.clone(), path).bearer_auth(key.expose());
            let request = request.header("content-type", "application/json").body(body.clone());
            let reply = Reply::of(request).await;
            // There is no such task.
            let is_accepted = [200, 404].contains(&reply.status.as_u16());
            let error = validators.error(schema, &serde_json::from_str(&body).unwrap());
            assert_eq!(is_accepted, error.is_none(), "{body}: {reply:?} {error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_parameter_is_taken_and_no_other() {
    let app = App::start().await;
    let key = app.key_for_all().await;
    let values = [
        ("page", "1"),
        ("per_page", "50"),
        ("completed", "true"),
        ("assignee_email", "user1@example.com"),
        ("updated_after", "2024-03-25T15:40:39Z"),
        ("priority", "LOW"),
        ("status", "OPEN"),
        ("team_id", "1"),
        ("validate_only", "true"),
    ];
    for (name, operation) in operations() {
        if operation.get("x-grpc-method").is_none() {
            continue;
        }
        let (method, path) = name.split_once(' ').unwrap();
        let path = path.replace("{case_id}", &app.case_id.to_string()).replace("{task_id}", "1");
        let path = path.replace("{key}", "k");
        let parameters: BTreeSet<&str> = operation["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        for (parameter, value) in values {
            let method: Method = method.parse().unwrap();
            let request = app.request(method, &format!("{path}?{parameter}={value}"));
            let reply = Reply::of(request.bearer_auth(key.expose()).json(&json!({}))).await;
            let is_unknown = reply.body["errors"][0]["details"] == "UNKNOWN_PARAMETER";
            assert_eq!(is_unknown, !parameters.contains(parameter), "{name}?{parameter}");
        }
        let known: BTreeSet<&str> = values.iter().map(|(name, _)| *name).collect();
        assert!(parameters.is_subset(&known), "{parameters:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_served_to_everybody_and_kept_by_caches() {
    let app = App::start().await;
    for (path, member) in [("/openapi.json", "openapi"), ("/", "links"), ("/problems", "problems")]
    {
        let reply = Reply::of(app.request(Method::GET, path)).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.body.get(member).is_some(), "{path}");
        assert_eq!(reply.header("cache-control"), "public, max-age=300");
        let etag = reply.header("etag").to_owned();
        let request = app.request(Method::GET, path).header("if-none-match", &etag);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 304, "{path}");
        assert!(!response.headers().contains_key("content-length"), "{path}");
        assert_eq!(response.headers()["etag"], etag);
        let response = app.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["etag"]),
            (200, &etag.parse().unwrap())
        );
        assert!(response.headers().contains_key("content-length"));
        let reply = Reply::of(app.request(Method::POST, path)).await;
        assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, "GET,HEAD"), "{path}");
    }
    let reply = Reply::of(app.request(Method::GET, "/openapi.json")).await;
    assert_eq!(reply.body, *document());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_links_of_the_index_lead_somewhere() {
    let app = App::start().await;
    let index = Reply::of(app.request(Method::GET, "/")).await;
    for (name, link) in index.body["links"].as_object().unwrap() {
        let response = app.request(Method::GET, link.as_str().unwrap()).send().await.unwrap();
        assert!([200, 503].contains(&response.status().as_u16()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_of_a_problem_is_explained_to_programs_and_to_people() {
    let app = App::start().await;
    let all = Reply::of(app.request(Method::GET, "/problems")).await;
    let all = all.body["problems"].as_array().unwrap().clone();
    assert!(all.len() > 50);
    for problem in &all {
        let path = problem["type"].as_str().unwrap();
        let one = Reply::of(app.request(Method::GET, path)).await;
        assert_eq!(one.body, *problem);
        let page = app.request(Method::GET, path).header("accept", "text/html,*/*;q=0.8");
        let page = page.send().await.unwrap();
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(page.headers()["vary"], "accept");
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        let text = page.text().await.unwrap();
        assert!(text.contains(problem["reason"].as_str().unwrap()), "{text}");
        assert!(!text.contains("<script"));
    }
    let nowhere = Reply::of(app.request(Method::GET, "/problems/no-such-reason")).await;
    assert_eq!(nowhere.violations(), ["ROUTE_NOT_FOUND -"]);
    let path = nowhere.body["type"].as_str().unwrap();
    assert!(all.iter().any(|problem| problem["type"] == path));
}
