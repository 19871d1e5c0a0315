//! The router, and what happens to every request around the handlers.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use telemetry::{layers::RequestLayers, request_id};
use tokio::time::Instant;
use tower::{ServiceBuilder, util::option_layer};

use crate::{
    context::Context,
    cors::{self, Cors},
    extract::{BodyMemory, MaxTimeout, Rejection, timeout},
    in_flight::{self, InFlight, NotBegun},
    metrics::{Limit, RequestMetrics},
    openapi::Route,
    options::Docs,
    problem::{self, Problem},
    routes, security_headers,
    upstream::Transport,
};

/// Returns the whole REST API, and what the gateway says about it.
pub(crate) fn router<T: Transport>(context: Context<T>, docs: Docs, cors: Option<Cors>) -> Router {
    let completion = Completion {
        max_timeout: context.max_timeout,
        body_memory: context.body_memory.clone(),
        in_flight: context.in_flight.clone(),
        metrics: context.metrics.clone(),
    };
    let admission = middleware::from_fn_with_state(context.in_flight.clone(), in_flight::admit);
    let router = with(Router::new(), routes::calls()).route_layer(admission);
    // Whatever needs no call is served under overload, too.
    let router = with(router, routes::open(docs))
        .fallback(async || Rejection::RouteNotFound)
        // axum adds the header `Allow`.
        .method_not_allowed_fallback(async || Rejection::MethodNotAllowed)
        .with_state(context);
    // What happens to every request, from the outermost layer to the innermost.
    let cors = cors.map(|cors| middleware::from_fn_with_state(cors, cors::apply));
    let layers = ServiceBuilder::new()
        .layer(RequestLayers)
        .layer(option_layer(cors))
        .layer(middleware::from_fn_with_state(completion, complete));
    router.layer(layers)
}

/// How long the body of a request that was not begun is read.
const UNBEGUN_BODY_TIMEOUT: Duration = Duration::from_millis(250);

/// What completes responses.
#[derive(Clone)]
struct Completion {
    max_timeout: MaxTimeout,
    body_memory: BodyMemory,
    in_flight: InFlight,
    metrics: RequestMetrics,
}

/// Completes each response: discards what was not read of the request's body, writes the document
/// of a problem, takes the memory for the response, and measures all that. For none of it a handler is
/// needed.
async fn complete(
    State(Completion { max_timeout, body_memory, in_flight, metrics }): State<Completion>,
    request: Request,
    next: Next,
) -> Response {
    let measured = metrics.start(&request);
    let request_id = request_id::of(request.extensions()).to_owned();
    let client = serving::Client::of(request.extensions());
    // A malformed timeout is rejected by the extractor.
    let timeout = timeout(request.headers(), max_timeout).unwrap_or(max_timeout.0);
    let deadline = Instant::now() + timeout;
    let (request, unread_body) = serving::watch_body(request, Body::new);
    let mut response = next.run(request).await;
    // A caller whose deadline has passed gets the response at once.
    let read_until = match response.extensions_mut().remove::<NotBegun>() {
        Some(NotBegun) => deadline.min(Instant::now() + UNBEGUN_BODY_TIMEOUT),
        None => deadline,
    };
    unread_body.discard_until(read_until, || in_flight.discard(&client)).await;
    if let Some(problem) = response.extensions().get::<Problem>() {
        metrics.refused(problem.reason());
    }
    if let Some(limit) = response.extensions_mut().remove::<Limit>() {
        metrics.overloaded(limit);
    }
    let mut response = problem::render(response, &request_id);
    security_headers::add(response.headers_mut());
    in_flight::hold_memory(&mut response, &body_memory, &client);
    measured.end(response.status());
    response
}

/// Adds routes.
fn with<T: Transport>(
    router: Router<Context<T>>,
    routes: Vec<Route<Context<T>>>,
) -> Router<Context<T>> {
    routes.into_iter().fold(router, |router, route| router.route(&route.path, route.handler))
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{self, Poll},
    };

    use axum::body::{Body, Bytes, HttpBody};
    use hyper::body::Frame;
    use tower::Service as _;

    use runtime::CancellationToken;

    use super::*;
    use crate::upstream::{Client, Servers};

    /// A body whose bytes never come.
    struct Stalled;

    impl HttpBody for Stalled {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut task::Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    /// Sends a request with a stalled body. Returns the status, and how long that took.
    async fn status_of(path: &str, content_type: &str, timeout: &str) -> (u16, Duration) {
        let context = Context {
            client: Client::new(Servers::connect(&"http://127.0.0.1:1".parse().unwrap(), 1)),
            max_timeout: MaxTimeout(Duration::from_secs(10)),
            body_memory: BodyMemory::of_mib(1, 100),
            in_flight: InFlight::new(1, 100),
            metrics: RequestMetrics::new(
                routes::paths(),
                &telemetry::metrics::Metrics::new("test", "0"),
            ),
            shutdown: CancellationToken::new(),
        };
        let request = Request::post(path)
            .header("content-type", content_type)
            .header("request-timeout", timeout)
            .body(Body::new(Stalled))
            .unwrap();
        let start = Instant::now();
        let response = router(context, Docs::On, None).call(request).await.unwrap();
        (response.status().as_u16(), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_early_response_waits_for_the_unread_body_up_to_the_limit_and_the_deadline() {
        for (timeout, waited) in [("5", 2000), ("0.5", 500), ("malformed", 2000)] {
            let status = async |path, content_type| {
                let (status, elapsed) = status_of(path, content_type, timeout).await;
                assert_eq!(elapsed, Duration::from_millis(waited), "{path} {timeout}");
                status
            };
            assert_eq!(status("/nowhere", "application/json").await, 404);
            assert_eq!(status("/api/v2/cases/0/tasks/batch", "").await, 404);
            let expected = if timeout == "malformed" { 400 } else { 415 };
            assert_eq!(status("/api/v2/cases/1/tasks/batch", "text/plain").await, expected);
            assert_eq!(status("/livez", "application/json").await, 405);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_without_their_bodies_are_not_in_flight_and_have_limits_of_their_own() {
        let metrics = telemetry::metrics::Metrics::new("test", "0");
        let context = Context {
            client: Client::new(Servers::connect(&"http://127.0.0.1:1".parse().unwrap(), 1)),
            max_timeout: MaxTimeout(Duration::from_secs(10)),
            body_memory: BodyMemory::of_mib(1, 100),
            in_flight: InFlight::new(4, 100),
            metrics: RequestMetrics::new(routes::paths(), &metrics),
            shutdown: CancellationToken::new(),
        };
        let router = router(context, Docs::On, None);
        let send = |path: &str, body: Body| {
            let request = Request::post(path).header("content-type", "application/json");
            let request = request.body(body).unwrap();
            let mut router = router.clone();
            tokio::spawn(async move {
                let start = Instant::now();
                let response = router.call(request).await.unwrap();
                (response.status().as_u16(), start.elapsed())
            })
        };
        let (tasks, stalled) = ("/api/v2/cases/1/tasks/batch", || Body::new(Stalled));
        let whole = || Body::from(r#"{"tasks":[]}{"#);
        let at_once = |status| (status, Duration::ZERO);

        let waiting: Vec<_> = (0..4).map(|_| send(tasks, stalled())).collect();
        tokio::task::yield_now().await;
        // Whose body is there is served, and reads to the error.
        assert_eq!(send(tasks, whole()).await.unwrap(), at_once(400));
        // There is no place to wait, but one to discard the body.
        let (status, elapsed) = send(tasks, stalled()).await.unwrap();
        assert_eq!((status, elapsed), (503, Duration::from_millis(100) + UNBEGUN_BODY_TIMEOUT));
        // While more than half of the places are taken, those of which nothing arrives make room.
        let mut results = Vec::new();
        for waiting in waiting {
            let (status, elapsed) = waiting.await.unwrap();
            results.push((status, elapsed.as_secs()));
        }
        results.sort_unstable();
        assert_eq!(results, [(503, 1), (503, 1), (504, 10), (504, 10)]);
        let counted = metrics.encode().unwrap();
        let expected = "caseload_gateway_overloaded_total{limit=\"requests\"} 3\n";
        assert!(counted.contains(expected), "{counted}");

        let discarded: Vec<_> = (0..4).map(|_| send("/nowhere", stalled())).collect();
        tokio::task::yield_now().await;
        assert_eq!(send("/nowhere", stalled()).await.unwrap(), at_once(404));
        for discarded in discarded {
            assert_eq!(discarded.await.unwrap(), (404, Duration::from_secs(2)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_past_the_deadline_does_not_wait_for_the_unread_body() {
        let path = "/api/v2/cases/1/tasks/batch";
        let (status, elapsed) = status_of(path, "application/json", "0.5").await;
        assert_eq!((status, elapsed), (504, Duration::from_millis(500)));
    }

    #[tokio::test]
    async fn what_is_the_same_for_everybody_takes_no_memory_for_bodies_and_no_place_of_calls() {
        let body_memory = BodyMemory::of_mib(1, 100);
        let in_flight = InFlight::new(1, 100);
        let context = Context {
            client: Client::new(Servers::connect(&"http://127.0.0.1:1".parse().unwrap(), 1)),
            max_timeout: MaxTimeout(Duration::from_secs(10)),
            body_memory: body_memory.clone(),
            in_flight: in_flight.clone(),
            metrics: RequestMetrics::new(
                routes::paths(),
                &telemetry::metrics::Metrics::new("test", "0"),
            ),
            shutdown: CancellationToken::new(),
        };
        let mut router = router(context, Docs::On, None);
        let mut unread = Vec::new();
        for path in ["/openapi.json", "/problems", "/", "/docs", "/docs/swagger-ui-bundle.js"] {
            for _ in 0..20 {
                let request = Request::get(path).body(Body::empty()).unwrap();
                let response = router.call(request).await.unwrap();
                assert_eq!(response.status(), 200);
                unread.push(response);
            }
        }
        let sizes = unread.iter().map(|response| response.body().size_hint().lower());
        assert!(sizes.sum::<u64>() > 2 * 1024 * 1024);
        assert!(!body_memory.is_scarce() && !in_flight.is_scarce());
    }
}
