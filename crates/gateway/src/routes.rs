//! The routes, each a few lines from bytes to a call and from its answer to bytes.

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use runtime::CancellationToken;
use serde_json::json;
use telemetry::layers::RequestLayers;
use tokio::time::{Instant, timeout_at};
use tonic::Code;
use tower::ServiceBuilder;

use crate::{
    body,
    budget::Budget,
    convert,
    dto::CreateTasks,
    headers::Terms,
    problem::{self, Problem},
    upstream::{Answer, Client, Failure},
};

/// Tells that a request was answered before.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What the routes work with.
#[derive(Clone)]
struct Context {
    client: Client,
    bodies: Budget,
    ending: CancellationToken,
}

/// The whole REST API. It is not ready any more once the token is cancelled.
pub(crate) fn router(client: Client, bodies: Budget, ending: CancellationToken) -> Router {
    let layers =
        ServiceBuilder::new().layer(RequestLayers).layer(middleware::from_fn(problem::render));
    Router::new()
        .route("/api/v2/cases/{case_id}/tasks/batch", post(batch_create_tasks))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(layers)
        .with_state(Context { client, bodies, ending })
}

async fn batch_create_tasks(
    State(Context { client, bodies, .. }): State<Context>,
    case_id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Some(case_id) = case_id.ok().and_then(|Path(id)| to_case_id(&id)) else {
        body::discard(&headers, body).await;
        return Err(no_such_case());
    };
    let Terms { request_id, timeout } = match Terms::of(&headers, client.timeout()) {
        Ok(terms) => terms,
        Err(header) => {
            body::discard(&headers, body).await;
            return Err(header.into());
        }
    };
    let deadline = Instant::now() + timeout;
    let Ok(body) = timeout_at(deadline, body::read::<CreateTasks>(&headers, body, &bodies)).await
    else {
        return Err(convert::to_problem(Failure::TimedOut));
    };
    // The share is kept until the call is over: the texts are as large as the body was.
    let (body, mut share) = body?;
    share.take(body.size_of_slots())?;
    let request = convert::to_request(case_id, body, request_id);
    let answer = client.batch_create_tasks(&headers, request, deadline).await;
    let Answer { response, is_replay, rates } = answer.map_err(convert::to_problem)?;
    let mut response = (StatusCode::CREATED, Json(convert::to_body(response))).into_response();
    response.headers_mut().extend(rates);
    if is_replay {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The process runs.
async fn livez() -> Json<serde_json::Value> {
    Json(json!({"status": "live"}))
}

/// The server behind it serves.
async fn readyz(
    State(Context { client, ending, .. }): State<Context>,
) -> Result<Json<serde_json::Value>, Problem> {
    if !ending.is_cancelled() && client.is_serving().await {
        Ok(Json(json!({"status": "ready"})))
    } else {
        Err(Problem::new(Code::Unavailable, "NOT_READY", "the service is not ready"))
    }
}

async fn no_route(headers: HeaderMap, body: Body) -> Problem {
    body::discard(&headers, body).await;
    Problem::new(Code::NotFound, "ROUTE_NOT_FOUND", "there is nothing at this path")
}

/// axum adds the `Allow` header.
async fn no_method(headers: HeaderMap, body: Body) -> Problem {
    body::discard(&headers, body).await;
    Problem::new(Code::Unimplemented, "METHOD_NOT_ALLOWED", "this path does not take this method")
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
}

fn no_such_case() -> Problem {
    Problem::new(Code::NotFound, "CASE_NOT_FOUND", "a case's id is a positive integer")
}

/// Ids are written in one way only: decimal digits, no sign, no leading zero.
fn to_case_id(text: &str) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_id_is_a_plain_positive_int64() {
        assert_eq!(to_case_id("1"), Some(1));
        assert_eq!(to_case_id("9223372036854775807"), Some(i64::MAX));
        for text in ["", "0", "01", "+1", "-1", "1.0", "1e3", "a", "9223372036854775808", "١", " 1"]
        {
            assert_eq!(to_case_id(text), None, "{text:?}");
        }
    }
}
