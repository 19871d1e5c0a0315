//! A route: what the router serves, and what the OpenAPI document says about it.

use axum::{
    handler::Handler,
    routing::{MethodFilter, MethodRouter, on},
};
use http::{
    HeaderName, StatusCode,
    header::{CACHE_CONTROL, ETAG, LOCATION},
};
use proto::wire::{
    self, Access, Reason, access,
    header::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, RATELIMIT, RATELIMIT_POLICY, REQUEST_ID},
};
use serde_json::Value;
use utoipa::{
    PartialSchema as _, Path, ToSchema,
    openapi::{
        HttpMethod,
        content::ContentBuilder,
        extensions::ExtensionsBuilder,
        link::LinkBuilder,
        path::{Operation, OperationBuilder},
        response::{Response, ResponseBuilder},
        schema::Ref,
        security::SecurityRequirement,
    },
};

use super::{
    Draft, Inputs, Scope,
    draft::JSON,
    example::placeholder,
    header, problems,
    schema::{KeyText, Text},
    security::{BEARER, USER_TOKEN},
};
use crate::problem;

/// The content type of pages.
const HTML: &str = "text/html";

/// The member of an operation that names the method of the gRPC contract.
const GRPC_METHOD: &str = "x-grpc-method";

/// A route of the router, with its operation in the OpenAPI document.
pub(crate) struct Route<S> {
    pub(crate) path: String,
    pub(crate) handler: MethodRouter<S>,
    method: HttpMethod,
    /// That of the document; pages have none.
    operation: Option<Operation>,
    draft: Draft,
    call: Option<(&'static str, &'static [Scope])>,
    successes: Vec<(StatusCode, ResponseBuilder)>,
}

/// An operation of the document, with the schemas to which it refers.
pub(super) struct Described {
    pub(super) path: String,
    pub(super) method: HttpMethod,
    pub(super) operation: Operation,
    pub(super) draft: Draft,
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// Returns the route of a handler. The attribute `utoipa::path` gives it path, method, name and
    /// comments; the arguments of the handler give it parameters, body and reasons.
    pub(crate) fn new<P: Path, H: Handler<A, S>, A: Inputs + 'static>(_: P, handler: H) -> Self {
        let method = P::methods().into_iter().next().unwrap_or(HttpMethod::Get);
        let mut draft = Draft::default();
        A::describe(&mut draft);
        Self {
            path: P::path(),
            handler: on(filter(&method), handler),
            method,
            operation: Some(P::operation()),
            draft,
            call: None,
            successes: Vec::new(),
        }
    }

    /// Returns the route of a page for people, or of a part of one. It is no operation of the API, so the
    /// document does not have it.
    pub(crate) fn page<H: Handler<A, S>, A: 'static>(path: &str, handler: H) -> Self {
        let method = HttpMethod::Get;
        Self {
            path: path.to_owned(),
            handler: on(filter(&method), handler),
            method,
            operation: None,
            draft: Draft::default(),
            call: None,
            successes: Vec::new(),
        }
    }

    /// Puts the operation under a tag.
    pub(crate) fn tagged(mut self, tag: &str) -> Self {
        if let Some(operation) = &mut self.operation {
            operation.tags = Some(vec![tag.to_owned()]);
        }
        self
    }

    /// Says which method of the server the handler calls, and of which scopes that needs one.
    pub(crate) fn calls(mut self, method: &'static str, scopes: &'static [Scope]) -> Self {
        self.call = Some((method, scopes));
        self
    }

    /// Adds the example of the body.
    pub(crate) fn example(mut self, json: &str) -> Self {
        self.draft.body_example(json);
        self
    }

    /// Adds the example of a parameter.
    pub(crate) fn parameter_example(mut self, name: &str, example: impl Into<Value>) -> Self {
        self.draft.parameter_example(name, &example.into());
        self
    }

    /// Requires a parameter of the query string.
    pub(crate) fn requires(mut self, parameter: &str) -> Self {
        self.draft.require(parameter);
        self
    }

    /// Adds a reason that nothing else tells.
    pub(crate) fn reason(mut self, reason: Reason) -> Self {
        self.draft.reason(reason);
        self
    }

    /// Adds a response with JSON, and an example of it.
    pub(crate) fn returns<B: ToSchema>(
        mut self,
        status: StatusCode,
        description: &str,
        example: &str,
    ) -> Self {
        self.draft.component::<B>();
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(B::name())))
            .example(Some(placeholder(example)));
        let response = ResponseBuilder::new().description(description);
        self.successes.push((status, response.content(JSON, content.build())));
        self
    }

    /// Says that the last response is a page if the client prefers that.
    pub(crate) fn or_html(mut self) -> Self {
        if let Some((status, response)) = self.successes.pop() {
            let page = ContentBuilder::new().schema(Some(Text::schema())).build();
            self.successes.push((status, response.content(HTML, page)));
        }
        self
    }

    /// Adds a response without a body.
    pub(crate) fn returns_nothing(mut self, status: StatusCode, description: &str) -> Self {
        self.successes.push((status, ResponseBuilder::new().description(description)));
        self
    }

    /// Says that the last response has an entity tag.
    pub(crate) fn with_etag(self) -> Self {
        self.with_header(&ETAG)
    }

    /// Says that the last response has the URL of what was created, or of what to get instead.
    pub(crate) fn with_location(self) -> Self {
        self.with_header(&LOCATION)
    }

    /// Says which operations can be made with what the last response, or its request, has: their
    /// parameters, and runtime expressions for them.
    pub(crate) fn leads_to(mut self, operations: &[&str], parameters: &[(&str, &str)]) -> Self {
        if let Some((status, response)) = self.successes.pop() {
            self.successes.push((status, with_links(response, operations, parameters)));
        }
        self
    }

    /// Says that clients may keep the last response, and ask whether it is still the same.
    pub(crate) fn cached(self) -> Self {
        self.with_header(&CACHE_CONTROL)
            .with_header(&ETAG)
            .returns_nothing(
                StatusCode::NOT_MODIFIED,
                "The client has it, as `If-None-Match` says.",
            )
            .with_header(&CACHE_CONTROL)
            .with_header(&ETAG)
    }

    fn with_header(mut self, name: &HeaderName) -> Self {
        if let Some((status, response)) = self.successes.pop() {
            let (name, reference) = header::reference(name);
            self.successes.push((status, response.header_ref(name, reference)));
        }
        self
    }

    /// Returns the operation of the document; `None` for a page.
    pub(super) fn describe(self) -> Option<Described> {
        let Self { path, method, operation, mut draft, call, successes, .. } = self;
        let operation = operation?;
        let takes_key = draft.is_call && matches!(method, HttpMethod::Post);
        if takes_key {
            add_key(&mut draft);
        }
        if draft.is_call {
            draft.reasons(&problem::OF_CALLS);
        }
        if call.is_some_and(|(method, _)| access(method) == Some(Access::Write)) {
            draft.reason(Reason::OutcomeUnknown);
        }
        let mut operation = OperationBuilder::from(operation);
        for parameter in draft.parameters.clone() {
            operation = operation.parameter(parameter);
        }
        operation = operation.request_body(draft.body.clone());
        for (status, response) in successes {
            let is_created = status == StatusCode::CREATED;
            let response = if is_created { with_record(response) } else { response };
            let response = with_common_headers(response, draft.is_call, takes_key);
            operation = operation.response(status.as_str(), response);
        }
        for (status, words) in problems::by_status(&draft) {
            let response = problems::response(status, &words, draft.is_call);
            operation = operation.response(status.to_string(), response);
        }
        let operation = with_call(operation, call).build();
        Some(Described { path, method, operation, draft })
    }
}

/// Requests to create something take an idempotency key.
fn add_key(draft: &mut Draft) {
    draft.header::<KeyText>(
        &IDEMPOTENCY_KEY,
        "Makes the request safe to repeat: a repeat with the same key creates nothing twice, and gets the \
         first response. A random UUID for each new request is a good key.",
    );
    draft.reason(Reason::IdempotencyKeyReused);
}

/// Adds links to operations.
fn with_links(
    response: ResponseBuilder,
    operations: &[&str],
    parameters: &[(&str, &str)],
) -> ResponseBuilder {
    operations.iter().fold(response, |response, operation| {
        let link = LinkBuilder::new().operation_id(*operation);
        let link =
            parameters.iter().fold(link, |link, (name, value)| link.parameter(*name, *value));
        response.link(*operation, link.build())
    })
}

/// Adds the link to the record of the idempotency key.
fn with_record(response: ResponseBuilder) -> ResponseBuilder {
    let key = format!("$request.header.{}", wire::written(&IDEMPOTENCY_KEY));
    with_links(response, &["getIdempotencyRecord"], &[("key", &key)])
}

/// Adds the headers that every successful response of its kind has.
fn with_common_headers(response: ResponseBuilder, is_call: bool, takes_key: bool) -> Response {
    let mut names = vec![&REQUEST_ID];
    if is_call {
        names.extend([&RATELIMIT, &RATELIMIT_POLICY]);
    }
    if takes_key {
        names.push(&IDEMPOTENCY_REPLAYED);
    }
    let response = names.into_iter().fold(response, |response, name| {
        let (name, reference) = header::reference(name);
        response.header_ref(name, reference)
    });
    response.build()
}

/// Adds the method that is called, and who may call it.
fn with_call(
    operation: OperationBuilder,
    call: Option<(&'static str, &'static [Scope])>,
) -> OperationBuilder {
    let Some((method, scopes)) = call else {
        // Everybody may.
        return operation.securities(Some([]));
    };
    let method = method.trim_start_matches('/');
    let schemes = [BEARER, USER_TOKEN];
    let securities = scopes
        .iter()
        .flat_map(|scope| schemes.map(|scheme| SecurityRequirement::new(scheme, [scope.as_str()])));
    operation
        .securities(Some(securities))
        .extensions(Some(ExtensionsBuilder::new().add(GRPC_METHOD, method).build()))
}

fn filter(method: &HttpMethod) -> MethodFilter {
    match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Options => MethodFilter::OPTIONS,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Trace => MethodFilter::TRACE,
    }
}
