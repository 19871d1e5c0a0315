//! Checks responses against the OpenAPI document that gateways serve: its statuses, headers, bodies and
//! reasons. Every response that a test reads is checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;

/// Headers of HTTP itself, which no operation documents.
const OF_HTTP: [&str; 16] = [
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "referrer-policy",
    "strict-transport-security",
    "transfer-encoding",
    "vary",
    "x-content-type-options",
];

const PROBLEM: &str = "#/components/schemas/Problem";

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(gateway::openapi_document()).unwrap());

/// The validators of all components, by the references to them. Their objects allow no members but those
/// that they name: responses have no others.
static STRICT: LazyLock<Validators> = LazyLock::new(|| {
    let mut document = DOCUMENT.clone();
    let mut parts = BTreeSet::new();
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    for schema in schemas.values() {
        for part in schema["allOf"].as_array().into_iter().flatten() {
            parts.extend(part["$ref"].as_str().map(str::to_owned));
        }
    }
    let names: Vec<_> = schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
    for (reference, (name, schema)) in names.iter().zip(schemas) {
        let is_closed = schema.get("properties").is_some() || schema.get("allOf").is_some();
        // The whole document would be too much to describe.
        if is_closed && !parts.contains(reference) && name != "OpenApiDocument" {
            schema["unevaluatedProperties"] = false.into();
        }
    }
    Validators::new(document, names)
});

/// The validators of parts of a document.
pub(crate) struct Validators {
    schemas: Schemas,
    indexes: BTreeMap<String, SchemaIndex>,
}

impl Validators {
    /// Compiles the schemas to which these references lead.
    pub(crate) fn new(document: Value, references: Vec<String>) -> Self {
        const URL: &str = "https://caseload.example/openapi.json";
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource(URL, document).unwrap();
        let mut indexes = BTreeMap::new();
        for reference in references {
            let compiled = compiler.compile(&format!("{URL}{reference}"), &mut schemas);
            let index = compiled.unwrap_or_else(|error| panic!("{reference}: {error:#}"));
            indexes.insert(reference, index);
        }
        Self { schemas, indexes }
    }

    /// Returns what is wrong with a value.
    pub(crate) fn error(&self, reference: &str, value: &Value) -> Option<String> {
        let result = self.schemas.validate(value, self.indexes[reference]);
        result.err().map(|error| format!("{error:#}"))
    }
}

/// Returns the document.
pub(crate) fn document() -> &'static Value {
    &DOCUMENT
}

/// Returns the value, or that to which it refers.
pub(crate) fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => value,
    }
}

/// Returns the item of the document for a path, literal parts preferred.
fn path_item(path: &str) -> Option<&'static Value> {
    let matches = |template: &str| {
        let (parts, template): (Vec<_>, Vec<_>) =
            (path.split('/').collect(), template.split('/').collect());
        let mut pairs = parts.iter().zip(&template);
        parts.len() == template.len()
            && pairs.all(|(part, template)| template.starts_with('{') || part == template)
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let mut found: Vec<_> = paths.iter().filter(|(template, _)| matches(template)).collect();
    found.sort_by_key(|(template, _)| template.matches('{').count());
    found.first().map(|(_, item)| *item)
}

/// Checks a response with JSON, or without a body.
#[track_caller]
pub(crate) fn check(
    method: &Method,
    path: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &Value,
) {
    let place = format!("{method} {path}: {status} {headers:?} {body:#}");
    let words = || body["errors"].as_array().into_iter().flatten().map(|item| &item["details"]);
    let Some(item) = path_item(path) else {
        assert!(words().eq(["ROUTE_NOT_FOUND"]), "{place}");
        return validate(PROBLEM, body, &place);
    };
    let method = method.as_str().to_lowercase();
    let Some(operation) = item.get(if method == "head" { "get" } else { &method }) else {
        assert!(words().eq(["METHOD_NOT_ALLOWED"]), "{place}");
        return validate(PROBLEM, body, &place);
    };
    let response = operation["responses"].get(status.as_str());
    let response = resolve(response.unwrap_or_else(|| panic!("not documented: {place}")));
    check_headers(response, headers, &place);
    let Some(contents) = response["content"].as_object() else {
        assert!(body.is_null(), "{place}");
        return;
    };
    let content_type = headers["content-type"].to_str().unwrap();
    let content = contents.get(content_type).unwrap_or_else(|| panic!("another type: {place}"));
    let reference = content["schema"]["$ref"].as_str().unwrap();
    validate(reference, body, &place);
    if content_type == "application/problem+json" {
        let known: Vec<&Value> = response["x-reasons"].as_array().unwrap().iter().collect();
        for word in words() {
            assert!(known.contains(&word), "{word} is not documented: {place}");
        }
    }
}

/// Every header is documented.
#[track_caller]
fn check_headers(response: &Value, headers: &HeaderMap, place: &str) {
    let documented = response["headers"].as_object().into_iter().flatten();
    let documented: BTreeSet<String> = documented.map(|(name, _)| name.to_lowercase()).collect();
    for name in headers.keys().map(reqwest::header::HeaderName::as_str) {
        let is_known = documented.contains(name) || OF_HTTP.contains(&name);
        assert!(is_known, "{name} is not documented: {place}");
    }
    for required in ["x-request-id", "etag", "location", "www-authenticate"] {
        // Of these, those that are documented always come.
        let is_there = headers.contains_key(required);
        assert!(is_there || !documented.contains(required), "{required} is missing: {place}");
    }
}

/// Checks a body against a schema of the document.
#[track_caller]
fn validate(reference: &str, body: &Value, place: &str) {
    if let Some(error) = STRICT.error(reference, body) {
        panic!("{error}: {place}");
    }
}

/// Returns the operations of the document, by their names: `METHOD /path`.
pub(crate) fn operations() -> BTreeMap<String, &'static Value> {
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, value)| (format!("{} {path}", method.to_uppercase()), value))
    });
    operations.collect()
}
