//! `GET /problems` and `GET /problems/{reason}`

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    response::Response,
};
use http::{StatusCode, request::Parts};
use proto::wire::Reason;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    asset::{Asset, AssetHeaders, Negotiated},
    html::{page, sentence},
};
use crate::{
    extract::Rejection,
    openapi::{
        Draft, Input, Route,
        schema::{self, Link},
    },
    problem::meaning::{self, Explanation},
};

/// What all problems mean.
#[derive(Serialize, ToSchema)]
struct Problems {
    /// The problems, in the order of their statuses.
    problems: Vec<ProblemType>,
}

/// What a problem means.
#[derive(Serialize, ToSchema)]
struct ProblemType {
    /// The `type` of problem documents.
    #[schema(value_type = Link)]
    r#type: &'static str,
    /// The reason: `details` of an item of a problem.
    reason: &'static str,
    /// With which statuses it comes; mostly one.
    occurrences: Vec<ProblemOccurrence>,
    /// What to do.
    advice: &'static str,
    /// Whether only the gRPC server says it, and never the REST API.
    grpc_only: bool,
}

/// A status with which a problem comes.
#[derive(Serialize, ToSchema)]
struct ProblemOccurrence {
    /// The status of the response. Of gRPC, the one that the REST API would use.
    #[schema(value_type = StatusCodeNumber)]
    status: u16,
    /// The code over gRPC.
    code: &'static str,
    /// The `title` of problem documents.
    title: &'static str,
    /// When that happens.
    when: &'static str,
}

schema::values! {
    /// A status.
    StatusCodeNumber = schema::status();
    /// The last part of the `type` of a problem.
    ReasonInPathSchema = schema::one_of(meaning::names());
}

impl ProblemType {
    fn of(explanation: &'static Explanation) -> Self {
        let occurrences = explanation.occurrences.iter().map(|occurrence| ProblemOccurrence {
            status: occurrence.status.as_u16(),
            code: occurrence.code_name(),
            title: occurrence.title,
            when: occurrence.when,
        });
        Self {
            r#type: &explanation.path,
            reason: explanation.word,
            occurrences: occurrences.collect(),
            advice: explanation.advice,
            grpc_only: explanation.is_grpc_only,
        }
    }

    /// Returns the JSON about a reason.
    fn of_reason(reason: Reason) -> String {
        let explanation = meaning::explanation(reason.as_str());
        explanation.map_or(String::new(), |explanation| json(&Self::of(explanation)))
    }

    fn to_html(&self) -> String {
        let mut html = String::new();
        for ProblemOccurrence { status, code, title, when } in &self.occurrences {
            html += &format!(
                "<h2>{status} {title}</h2>\n<p>{}</p>\n<p>gRPC code: <code>{code}</code></p>\n",
                sentence(when)
            );
        }
        html += &format!("<h2>What to do</h2>\n<p>{}</p>\n", sentence(self.advice));
        if self.grpc_only {
            html += "<p>Only over gRPC.</p>\n";
        }
        html + &format!("<p><a href=\"{}\">All problems</a></p>", meaning::PATH)
    }
}

/// The operations of the OpenAPI document.
struct OfAll;
struct OfOne;

/// Returns the route of the list.
pub(super) fn route_of_all<S: Clone + Send + Sync + 'static>() -> Route<S> {
    let all = all();
    let example = all.json.text().to_owned();
    let handler = async move |headers: AssetHeaders| of_all(&all, &headers);
    Route::new(OfAll, handler)
        .returns::<Problems>(StatusCode::OK, "What all problems mean.", &example)
        .or_html()
        .cached()
}

/// Returns the route of the page of each problem.
pub(super) fn route_of_one<S: Clone + Send + Sync + 'static>() -> Route<S> {
    let pages = Arc::new(pages());
    let example = ProblemType::of_reason(Reason::IdempotencyKeyReused);
    let handler = async move |ReasonInPath(name): ReasonInPath, headers: AssetHeaders| {
        of_one(&pages, &name, &headers)
    };
    Route::new(OfOne, handler)
        .returns::<ProblemType>(StatusCode::OK, "What the problem means.", &example)
        .or_html()
        .cached()
}

/// Returns what all problems mean.
///
/// A page for browsers, JSON for programs.
#[utoipa::path(
    impl_for = OfAll,
    get,
    path = "/problems",
    operation_id = "listProblems"
)]
fn of_all(all: &Negotiated, headers: &AssetHeaders) -> Response {
    all.response(headers)
}

/// Returns what a problem means, and what to do.
///
/// The `type` of each problem document is the URL of this. A page for browsers, JSON for programs.
#[utoipa::path(
    impl_for = OfOne,
    get,
    path = "/problems/{reason}",
    operation_id = "getProblem"
)]
fn of_one(
    pages: &BTreeMap<&'static str, Negotiated>,
    name: &str,
    headers: &AssetHeaders,
) -> Result<Response, Rejection> {
    let page = pages.get(name).ok_or(Rejection::RouteNotFound)?;
    Ok(page.response(headers))
}

fn all() -> Negotiated {
    let problems: Vec<ProblemType> = meaning::EXPLANATIONS.iter().map(ProblemType::of).collect();
    let mut rows = String::new();
    for problem in &problems {
        for ProblemOccurrence { status, when, .. } in &problem.occurrences {
            let (link, reason, when) = (problem.r#type, problem.reason, sentence(when));
            rows += &format!(
                "<tr><td>{status}</td><td><a href=\"{link}\"><code>{reason}</code></a></td>\
                 <td>{when}</td></tr>\n"
            );
        }
    }
    let content = format!(
        "<p>Each error is a problem document (RFC 9457). <code>details</code> of its items is one of these.</p>\n\
         <table>\n<tr><th>Status</th><th>Reason</th><th>When</th></tr>\n{rows}</table>"
    );
    let html = Asset::html(page("Problems", &content));
    Negotiated { json: Asset::json(json(&Problems { problems })), html }
}

/// Returns the page of each problem, by the last part of its path.
fn pages() -> BTreeMap<&'static str, Negotiated> {
    let pages = meaning::EXPLANATIONS.iter().map(|explanation| {
        let problem = ProblemType::of(explanation);
        let html = Asset::html(page(explanation.word, &problem.to_html()));
        (explanation.name(), Negotiated { json: Asset::json(json(&problem)), html })
    });
    pages.collect()
}

/// Texts and numbers can always be written.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The path parameter `{reason}`.
struct ReasonInPath(String);

impl<S: Send + Sync> FromRequestParts<S> for ReasonInPath {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| Rejection::RouteNotFound)?;
        let reason = params.iter().find(|(name, _)| *name == "reason");
        reason.map(|(_, reason)| Self(reason.to_owned())).ok_or(Rejection::RouteNotFound)
    }
}

impl Input for ReasonInPath {
    fn describe(draft: &mut Draft) {
        let description = "The reason, in lower case and with hyphens.";
        draft.path::<ReasonInPathSchema>("reason", description);
        draft.reason(Reason::RouteNotFound);
    }
}
