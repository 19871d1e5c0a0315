//! What the gateway counts and measures of its requests.

use std::{
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use axum::extract::{MatchedPath, Request};
use http::{Method, StatusCode};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::{Registry, Unit},
};
use proto::wire::Reason;
use serving::{LateMetrics, Quota};
use telemetry::{
    TraceId,
    metrics::{Latencies, Latency, Metrics, Reading},
};
use traces::Span;

/// The label of paths that there is nothing at: callers choose them. Likewise of methods.
const UNKNOWN: &str = "unknown";

/// The label of reasons that only newer servers know.
const OTHER_REASON: &str = "OTHER";

/// The status under which a request is counted whose client left before there was a response, as nginx
/// logs it.
const CLIENT_LEFT: u16 = 499;

/// The methods that routes have. There may be any others.
const METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];

/// The names of these methods, and of all others.
const METHOD_NAMES: [&str; METHODS.len() + 1] = ["GET", "HEAD", "POST", "PUT", "DELETE", UNKNOWN];

/// The statuses that responses have; the last one stands for all others, which there are none of.
const STATUSES: [u16; 25] = [
    200,
    201,
    204,
    304,
    400,
    401,
    403,
    404,
    405,
    408,
    409,
    412,
    413,
    415,
    421,
    422,
    429,
    431,
    CLIENT_LEFT,
    500,
    501,
    502,
    503,
    504,
    0,
];

/// The metrics of all routes. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct RequestMetrics(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// All routes; the last one stands for paths that there is nothing at.
    routes: Vec<Route>,
    requests: Family<RequestLabels, Counter>,
    durations: Latencies,
    /// The problems of each reason, and those of reasons that are not known here.
    refused: [(Reason, Counter); Reason::ALL.len()],
    refused_otherwise: Counter,
    /// The requests that the gateway itself rejected as overloaded, by the limit that was reached.
    overloaded: [Counter; Limit::ALL.len()],
}

/// A limit of the gateway for all clients together. Beyond it, requests are rejected as overloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Requests in flight, or whose bodies have not arrived.
    Requests,
    /// Memory for bodies.
    BodyMemory,
}

impl Limit {
    const ALL: [Self; 2] = [Self::Requests, Self::BodyMemory];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::BodyMemory => "body_memory",
        }
    }
}

#[derive(Debug)]
struct Route {
    path: &'static str,
    /// What is counted of each method, from its first request on.
    methods: [OnceLock<RouteMethod>; METHOD_NAMES.len()],
}

/// What is counted of one method of a route: each counter is found once.
#[derive(Debug)]
struct RouteMethod {
    duration: Latency,
    statuses: [OnceLock<Counter>; STATUSES.len()],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Overloaded {
    limit: &'static str,
}

/// A request from its head to its response. One that is dropped before that was given up by its client,
/// or has panicked.
#[derive(Debug)]
pub(crate) struct RunningRequest {
    metrics: RequestMetrics,
    route: usize,
    method: usize,
    begun: Instant,
    trace: Option<TraceId>,
    /// The span of the request, if its trace is recorded.
    span: Span,
    has_ended: bool,
}

impl RequestMetrics {
    /// Registers the metrics of these routes.
    pub(crate) fn new(routes: &'static [String], metrics: &Metrics) -> Self {
        let requests = Family::<RequestLabels, Counter>::default();
        let refused = Family::<Refused, Counter>::default();
        let overloaded = Family::<Overloaded, Counter>::default();
        metrics.register_unprefixed(|registry| {
            let help =
                "Requests that have got a response, by its status; 499 if their clients left before";
            registry.register("http_server_requests", help, requests.clone());
        });
        metrics.register(|registry| {
            let help = "Requests that got a problem document, by its reason";
            registry.register("refused_requests", help, refused.clone());
            let help = "Requests that the gateway itself rejected with OVERLOADED: by --max-requests and --max-lag \
                        (requests), or by --body-memory (body_memory)";
            registry.register("gateway_overloaded", help, overloaded.clone());
        });
        let durations = metrics.latencies(
            "http_server_request_duration_seconds",
            "How long requests take, from their heads until their responses are ready to be sent",
        );
        let of_reason = |reason| refused.get_or_create_owned(&Refused { reason });
        let route = |path| Route { path, methods: Default::default() };
        Self(Arc::new(Shared {
            routes: routes.iter().map(String::as_str).chain([UNKNOWN]).map(route).collect(),
            requests,
            durations,
            refused: Reason::ALL.map(|reason| (reason, of_reason(reason.as_str()))),
            refused_otherwise: of_reason(OTHER_REASON),
            overloaded: Limit::ALL
                .map(|limit| overloaded.get_or_create_owned(&Overloaded { limit: limit.as_str() })),
        }))
    }

    /// Starts to measure a request. If its trace is recorded, the current span is that of the request.
    pub(crate) fn start(&self, request: &Request) -> RunningRequest {
        let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let method = METHODS.iter().position(|method| method == request.method());
        RunningRequest {
            metrics: self.clone(),
            route: self.index_of(path),
            method: method.unwrap_or(METHODS.len()),
            begun: Instant::now(),
            trace: TraceId::of_sampled(request.headers()),
            span: traces::current(),
            has_ended: false,
        }
    }

    fn index_of(&self, path: Option<&str>) -> usize {
        let routes = &self.0.routes;
        let last = routes.len() - 1;
        path.and_then(|path| routes.iter().position(|route| route.path == path)).unwrap_or(last)
    }

    /// Counts a request as refused, for a reason; `None` stands for one that this version does not know.
    pub(crate) fn refused(&self, reason: Option<Reason>) {
        let known = self.0.refused.iter().find(|(it, _)| Some(*it) == reason);
        known.map_or(&self.0.refused_otherwise, |(_, counter)| counter).inc();
    }

    /// Counts a request as rejected by the gateway itself, as this limit was reached.
    pub(crate) fn overloaded(&self, limit: Limit) {
        let [requests, body_memory] = &self.0.overloaded;
        let counter = match limit {
            Limit::Requests => requests,
            Limit::BodyMemory => body_memory,
        };
        counter.inc();
    }

    fn record(
        &self,
        (route, method): (usize, usize),
        status: u16,
        time: Duration,
        trace: Option<TraceId>,
    ) {
        let Some(route) = self.0.routes.get(route) else { return };
        let name = METHOD_NAMES.get(method).copied().unwrap_or(UNKNOWN);
        let Some(counted) = route.methods.get(method) else { return };
        let counted = counted.get_or_init(|| RouteMethod {
            duration: self.0.durations.with(&[("route", route.path), ("method", name)]),
            statuses: Default::default(),
        });
        counted.duration.observe(time, trace);
        let index = STATUSES.iter().position(|it| *it == status).unwrap_or(STATUSES.len() - 1);
        if let Some(counter) = counted.statuses.get(index) {
            let labels = RequestLabels { route: route.path, method: name, status };
            counter.get_or_init(|| self.0.requests.get_or_create_owned(&labels)).inc();
        }
    }
}

impl RunningRequest {
    /// Records that the request gets a response with this status.
    pub(crate) fn end(mut self, status: StatusCode) {
        self.record(status.as_u16());
    }

    fn record(&mut self, status: u16) {
        self.has_ended = true;
        let place = (self.route, self.method);
        self.metrics.record(place, status, self.begun.elapsed(), self.trace);
        if self.span.is_recording() {
            self.end_span(status);
        }
    }

    /// Says in the span of the request what it was, and how it has ended.
    fn end_span(&self, status: u16) {
        let span = &self.span;
        let method = METHOD_NAMES.get(self.method).copied().unwrap_or(UNKNOWN);
        let route = self.metrics.0.routes.get(self.route).map(|route| route.path);
        let is_known = method != UNKNOWN;
        span.set("http.request.method", if is_known { method } else { "_OTHER" });
        let shown = if is_known { method } else { "HTTP" };
        match route.filter(|route| *route != UNKNOWN) {
            Some(route) => {
                span.rename(|| format!("{shown} {route}").into());
                span.set("http.route", route);
            }
            None => span.rename(|| shown.into()),
        }
        span.set("http.response.status_code", status);
        if status >= 500 {
            span.set("error.type", status.to_string());
            span.fail();
        }
        span.end();
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        if !self.has_ended {
            let has_panicked = thread::panicking();
            self.record(if has_panicked { 500 } else { CLIENT_LEFT });
        }
    }
}

/// Registers readings of what the gateway has, and what is used of it.
pub(crate) fn register_readings(
    registry: &mut Registry,
    (in_flight, late): (&Arc<Quota>, LateMetrics),
    body_memory: &Arc<Quota>,
) {
    let used = |quota: &Arc<Quota>| {
        let quota = Arc::clone(quota);
        Reading(move || quota.used())
    };
    let limit = |quota: &Arc<Quota>| {
        let quota = Arc::clone(quota);
        Reading(move || quota.limit())
    };
    registry.register(
        "requests_in_flight",
        "Requests that are worked on, or whose responses are being sent",
        used(in_flight),
    );
    registry.register(
        "requests_in_flight_limit",
        "The most requests in flight at the moment, by --max-requests and --max-lag",
        limit(in_flight),
    );
    late.register("gateway_late", registry);
    registry.register_with_unit(
        "body_memory",
        "Memory that the bodies of requests and responses have",
        Unit::Bytes,
        used(body_memory),
    );
    registry.register_with_unit(
        "body_memory_limit",
        "The most memory for bodies, by --body-memory",
        Unit::Bytes,
        limit(body_memory),
    );
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::LazyLock,
    };

    use axum::body::Body;

    use super::*;

    static ROUTES: LazyLock<Vec<String>> = LazyLock::new(|| vec!["/a/{id}".to_owned()]);

    fn request(method: &str) -> Request {
        Request::builder().method(method).uri("/a/1").body(Body::empty()).unwrap()
    }

    #[test]
    fn requests_that_are_given_up_or_panic_are_counted_as_such() {
        let metrics = Metrics::new("test", "0");
        let requests = RequestMetrics::new(&ROUTES, &metrics);
        drop(requests.start(&request("GET")));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _running = requests.start(&request("PUT"));
            panic!("a defect");
        }));
        assert!(panicked.is_err());
        requests.start(&request("X")).end(StatusCode::NOT_FOUND);
        let text = metrics.encode().unwrap();
        for line in [
            r#"http_server_requests_total{route="unknown",method="GET",status="499"} 1"#,
            r#"http_server_requests_total{route="unknown",method="PUT",status="500"} 1"#,
            r#"http_server_requests_total{route="unknown",method="unknown",status="404"} 1"#,
            r#"http_server_request_duration_seconds_count{route="unknown",method="GET"} 1"#,
            r#"caseload_refused_requests_total{reason="OTHER"} 0"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_callers_make_up_is_no_route() {
        let requests = RequestMetrics::new(&ROUTES, &Metrics::new("test", "0"));
        for (path, route) in [
            (None, UNKNOWN),
            (Some(""), UNKNOWN),
            (Some("/a/1"), UNKNOWN),
            (Some("/a/{id}"), "/a/{id}"),
        ] {
            assert_eq!(requests.0.routes[requests.index_of(path)].path, route);
        }
    }

    #[test]
    fn each_status_of_a_problem_has_its_counter() {
        for reason in Reason::ALL {
            assert!(STATUSES.contains(&reason.http_status()), "{reason:?}");
        }
    }
}
