//! What the gateway counts and measures of its requests.

use std::{
    sync::Arc,
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
use serving::Quota;
use telemetry::{
    TraceId,
    metrics::{Latency, Reading, latency},
};

/// The label of paths that there is nothing at: callers choose them. Likewise of methods.
const UNKNOWN: &str = "unknown";

/// The label of reasons that only newer servers know.
const OTHER_REASON: &str = "OTHER";

/// The status under which a request is counted whose client left before there was a response, as nginx
/// logs it.
const CLIENT_LEFT: u16 = 499;

/// The metrics of all routes. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct RequestMetrics(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The paths of the routes.
    routes: &'static [String],
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Latency, fn() -> Latency>,
    refused: Family<Refused, Counter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
    method: &'static str,
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

/// A request from its head to its response. One that is dropped before that was given up by its client.
#[derive(Debug)]
pub(crate) struct RunningRequest {
    metrics: RequestMetrics,
    labels: RouteLabels,
    begun: Instant,
    trace: Option<TraceId>,
    has_ended: bool,
}

impl RequestMetrics {
    /// Returns the metrics of these routes.
    pub(crate) fn new(routes: &'static [String]) -> Self {
        let refused = Family::<Refused, Counter>::default();
        for reason in Reason::ALL.map(Reason::as_str).into_iter().chain([OTHER_REASON]) {
            let _registered = refused.get_or_create(&Refused { reason });
        }
        Self(Arc::new(Shared {
            routes,
            requests: Family::default(),
            durations: Family::new_with_constructor(latency),
            refused,
        }))
    }

    /// Starts to measure a request.
    pub(crate) fn start(&self, request: &Request) -> RunningRequest {
        let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let labels = RouteLabels { route: self.route_at(path), method: name(request.method()) };
        let trace = TraceId::of(request.headers());
        RunningRequest {
            metrics: self.clone(),
            labels,
            begun: Instant::now(),
            trace,
            has_ended: false,
        }
    }

    fn route_at(&self, path: Option<&str>) -> &'static str {
        let route = self.0.routes.iter().find(|route| Some(route.as_str()) == path);
        route.map_or(UNKNOWN, String::as_str)
    }

    /// Counts a request as refused, for a reason; `None` stands for one that this version does not know.
    pub(crate) fn refused(&self, reason: Option<Reason>) {
        let reason = reason.map_or(OTHER_REASON, Reason::as_str);
        self.0.refused.get_or_create(&Refused { reason }).inc();
    }

    fn record(&self, labels: RouteLabels, status: u16, took: Duration, trace: Option<TraceId>) {
        let RouteLabels { route, method } = labels;
        self.0.requests.get_or_create(&RequestLabels { route, method, status }).inc();
        let duration = self.0.durations.get_or_create(&labels);
        duration.observe(took.as_secs_f64(), trace, None);
    }

    /// Registers what has names that are a convention.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_server_requests",
            "Requests that have got a response, by its status; 499 if their clients left before",
            self.0.requests.clone(),
        );
        registry.register_with_unit(
            "http_server_request_duration",
            "How long requests take, from their heads until their responses are ready to be sent",
            Unit::Seconds,
            self.0.durations.clone(),
        );
    }

    /// Registers what has not.
    pub(crate) fn register_refusals(&self, registry: &mut Registry) {
        registry.register(
            "refused_requests",
            "Requests that got a problem document, by its reason",
            self.0.refused.clone(),
        );
    }
}

impl RunningRequest {
    /// Records that the request gets a response with this status.
    pub(crate) fn end(mut self, status: StatusCode) {
        self.has_ended = true;
        self.metrics.record(self.labels, status.as_u16(), self.begun.elapsed(), self.trace);
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        if !self.has_ended {
            self.metrics.record(self.labels, CLIENT_LEFT, self.begun.elapsed(), self.trace);
        }
    }
}

/// Registers readings of what the gateway has, and what is used of it.
pub(crate) fn register_readings(
    registry: &mut Registry,
    in_flight: &Arc<Quota>,
    body_memory: &Arc<Quota>,
) {
    let used = |quota: &Arc<Quota>| {
        let quota = Arc::clone(quota);
        Reading(move || quota.used())
    };
    let total = |quota: &Arc<Quota>| {
        let total = quota.total();
        Reading(move || total)
    };
    registry.register(
        "requests_in_flight",
        "Requests that are worked on, or whose responses are being sent",
        used(in_flight),
    );
    registry.register(
        "requests_in_flight_limit",
        "The most requests in flight, by --max-requests",
        total(in_flight),
    );
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
        total(body_memory),
    );
}

/// Returns the name of a method. There may be any others than those of routes.
fn name(method: &Method) -> &'static str {
    const KNOWN: [(Method, &str); 5] = [
        (Method::GET, "GET"),
        (Method::HEAD, "HEAD"),
        (Method::POST, "POST"),
        (Method::PUT, "PUT"),
        (Method::DELETE, "DELETE"),
    ];
    KNOWN.iter().find(|(known, _)| known == method).map_or(UNKNOWN, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use axum::body::Body;
    use prometheus_client::encoding::text;

    use super::*;

    static ROUTES: LazyLock<Vec<String>> = LazyLock::new(|| vec!["/a/{id}".to_owned()]);

    fn request(method: &str, path: &str) -> Request {
        Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
    }

    #[test]
    fn a_request_that_its_client_gives_up_is_counted_as_such() {
        let metrics = RequestMetrics::new(&ROUTES);
        drop(metrics.start(&request("GET", "/a/1")));
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut encoded = String::new();
        text::encode(&mut encoded, &registry).unwrap();
        let line = r#"http_server_requests_total{route="unknown",method="GET",status="499"} 1"#;
        assert!(encoded.lines().any(|it| it == line), "{encoded}");
    }

    #[test]
    fn what_callers_make_up_gets_no_label_of_its_own() {
        let metrics = RequestMetrics::new(&ROUTES);
        for (path, route) in [
            (None, UNKNOWN),
            (Some(""), UNKNOWN),
            (Some("/a/1"), UNKNOWN),
            (Some("/a/{id}"), "/a/{id}"),
        ] {
            assert_eq!(metrics.route_at(path), route);
        }
        for (method, label) in
            [("GET", "GET"), ("DELETE", "DELETE"), ("get", UNKNOWN), ("X", UNKNOWN)]
        {
            assert_eq!(name(&Method::from_bytes(method.as_bytes()).unwrap()), label);
        }
        assert_eq!(metrics.0.refused.get_or_create(&Refused { reason: OTHER_REASON }).get(), 0);
    }
}
