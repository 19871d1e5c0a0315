//! The OpenAPI document as a whole.

use std::collections::BTreeMap;

use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{
        OpenApi, OpenApiBuilder, OpenApiVersion, Paths, Ref, RefOr, Server,
        info::{InfoBuilder, LicenseBuilder},
        path::Operation,
        response::Response,
        schema::{Components, ComponentsBuilder},
        tag::TagBuilder,
    },
};

use super::{
    Route,
    example::fill,
    header,
    inline::{Schemas, divide, inline},
    problems,
    route::Described,
    security,
};
use crate::problem;

/// The introduction, in Markdown.
pub(crate) const INTRODUCTION: &str = include_str!("introduction.md");

/// The tag of calls about tasks.
pub(crate) const TASKS: &str = "tasks";
/// The tag of calls about cases.
pub(crate) const CASES: &str = "cases";
/// The tag of what the gateway says about itself.
pub(crate) const SERVICE: &str = "service";

/// Returns the document of all routes but those of pages, as JSON.
pub(crate) fn document<S: Clone + Send + Sync + 'static>(routes: Vec<Route<S>>) -> String {
    let mut described: Vec<Described> = routes.into_iter().filter_map(Route::describe).collect();
    let components = components(&mut described);
    let mut paths = Paths::new();
    for Described { path, method, operation, .. } in described {
        paths.add_path_operation(path, vec![method], operation);
    }
    let document: OpenApi = OpenApiBuilder::new()
        .openapi(OpenApiVersion::Version31)
        .info(
            InfoBuilder::new()
                .title("Caseload")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(INTRODUCTION.trim()))
                .license(Some(
                    LicenseBuilder::new()
                        .name(env!("CARGO_PKG_LICENSE"))
                        .identifier(Some(env!("CARGO_PKG_LICENSE")))
                        .build(),
                )),
        )
        // The gateway does not know by which name it is reached.
        .servers(Some([Server::new("/")]))
        .tags(Some(
            [
                (TASKS, "The tasks of cases, and what was done to them."),
                (CASES, "Cases, with or without tasks."),
                (SERVICE, "What the service says about itself. No API key is needed."),
            ]
            .map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build()),
        ))
        .paths(paths)
        .components(Some(components))
        .build();
    // Texts and numbers can always be written.
    fill(&document.to_json().unwrap_or_default())
}

/// Returns what operations refer to, after they were made to refer to it.
fn components(described: &mut [Described]) -> Components {
    let mut schemas: Schemas = Schemas::new();
    let mut problem = Vec::new();
    problem::Document::schemas(&mut problem);
    schemas.extend(problem);
    schemas.insert(problem::Document::name().into_owned(), problem::Document::schema());
    for (name, schema) in described.iter_mut().flat_map(|one| one.draft.schemas.drain(..)) {
        if let Some(other) = schemas.insert(name.clone(), schema.clone()) {
            debug_assert!(other == schema, "two schemas have the name {name}");
        }
    }
    let (mut schemas, values) = divide(schemas);
    for schema in schemas.values_mut() {
        inline(schema, &values);
    }
    let mut components = ComponentsBuilder::new().schemas_from_iter(schemas);
    for (name, response) in share_responses(described) {
        components = components.response(name, response);
    }
    for (name, header) in header::components() {
        components = components.header(name, header);
    }
    let given = described.iter().flat_map(|one| one.draft.reasons.iter().copied()).collect();
    for (name, example) in problems::examples(&given) {
        components = components.example(name, example);
    }
    for (name, scheme) in security::schemes() {
        components = components.security_scheme(name, scheme);
    }
    components.build()
}

/// Has the calls refer to the problems that are the same for all of them. Returns these, by their
/// names.
fn share_responses(described: &mut [Described]) -> BTreeMap<String, Response> {
    let calls = described.iter().filter(|one| one.draft.is_call).count();
    let mut alike: BTreeMap<u16, Vec<Response>> = BTreeMap::new();
    for one in described.iter().filter(|one| one.draft.is_call) {
        for status in problems::by_status(&one.draft).into_keys() {
            alike.entry(status).or_default().extend(inner(&one.operation, status).cloned());
        }
    }
    let alike = alike.into_iter().filter_map(|(status, responses)| {
        let first = responses.first()?;
        let is_shared = responses.len() == calls && responses.iter().all(|other| other == first);
        is_shared.then(|| (status, first.clone()))
    });
    let mut shared = BTreeMap::new();
    for (status, response) in alike {
        let name = format!("Problem{status}");
        for one in described.iter_mut().filter(|one| one.draft.is_call) {
            let reference = RefOr::Ref(Ref::from_response_name(&name));
            one.operation.responses.responses.insert(status.to_string(), reference);
        }
        shared.insert(name, response);
    }
    shared
}

fn inner(operation: &Operation, status: u16) -> Option<&Response> {
    match operation.responses.responses.get(&status.to_string()) {
        Some(RefOr::T(response)) => Some(response),
        _ => None,
    }
}
