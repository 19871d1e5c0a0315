//! Counts calls by their methods, codes and reasons.
//!
//! Names and labels are those of other gRPC libraries, so that their dashboards fit:
//! `grpc_server_started_total`, `grpc_server_handled_total`, `grpc_server_handling_seconds`.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::{Registry, Unit},
};
use proto::wire::{METHODS, Reason};
use telemetry::{
    TraceId,
    metrics::{Latency, latency},
};
use tonic::Code;

/// The methods that are served besides those of the contract, and what they exchange.
const OTHER_METHODS: [(&str, &str); 4] = [
    ("/grpc.health.v1.Health/Check", UNARY),
    ("/grpc.health.v1.Health/Watch", "server_stream"),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "bidi_stream"),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "bidi_stream"),
];

const UNARY: &str = "unary";

/// The label of whatever is not served: callers choose the paths of their requests.
const UNKNOWN: &str = "unknown";

/// The names of the codes, by their numbers, as other gRPC libraries write them in metrics.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// The metrics of all methods. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct CallMetrics(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// All methods; the last one stands for those that don't exist.
    methods: Vec<Method>,
    started: Family<MethodLabels, Counter>,
    handled: Family<HandledLabels, Counter>,
    handling: Family<MethodLabels, Latency, fn() -> Latency>,
    refused: Family<Refused, Counter>,
}

/// What is counted of one method: each counter is found once.
#[derive(Debug)]
struct Method {
    path: &'static str,
    labels: MethodLabels,
    started: Counter,
    handled: [OnceLock<Counter>; CODES.len()],
    handling: Latency,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    grpc_type: &'static str,
    grpc_service: &'static str,
    grpc_method: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandledLabels {
    grpc_type: &'static str,
    grpc_service: &'static str,
    grpc_method: &'static str,
    grpc_code: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

/// A call from its head to its status. One that is dropped before that was cancelled.
#[derive(Debug)]
pub(super) struct RunningCall {
    metrics: CallMetrics,
    method: usize,
    begun: Instant,
    trace: Option<TraceId>,
    has_ended: bool,
}

impl MethodLabels {
    fn of(path: &'static str, grpc_type: &'static str) -> Self {
        let (grpc_service, grpc_method) =
            path.trim_start_matches('/').split_once('/').unwrap_or((UNKNOWN, UNKNOWN));
        Self { grpc_type, grpc_service, grpc_method }
    }
}

impl CallMetrics {
    /// Returns the metrics of all methods. They are there before the first call of each, so that the
    /// first calls count in rates.
    pub(super) fn new() -> Self {
        let started = Family::<MethodLabels, Counter>::default();
        let handling = Family::new_with_constructor(latency as fn() -> Latency);
        let contract = METHODS.iter().map(|(path, _)| (*path, UNARY));
        let known = contract.chain(OTHER_METHODS).chain([("", UNKNOWN)]);
        let methods: Vec<Method> = known
            .map(|(path, grpc_type)| {
                let labels = MethodLabels::of(path, grpc_type);
                Method {
                    path,
                    labels,
                    started: started.get_or_create_owned(&labels),
                    handled: Default::default(),
                    handling: handling.get_or_create_owned(&labels),
                }
            })
            .collect();
        let (handled, refused) = (Family::default(), Family::default());
        let shared = Shared { methods, started, handled, handling, refused };
        for method in &shared.methods {
            shared.handled(method, Code::Ok);
        }
        for reason in Reason::ALL {
            let _registered = shared.refused.get_or_create(&Refused { reason: reason.as_str() });
        }
        Self(Arc::new(shared))
    }

    /// Counts a call to the method with this path as started.
    pub(super) fn start(&self, path: &str, trace: Option<TraceId>) -> RunningCall {
        let methods = &self.0.methods;
        let found = methods.iter().position(|method| method.path == path && !path.is_empty());
        let method = found.unwrap_or(methods.len() - 1);
        if let Some(method) = methods.get(method) {
            method.started.inc();
        }
        let metrics = self.clone();
        RunningCall { metrics, method, begun: Instant::now(), trace, has_ended: false }
    }

    /// Counts a call as refused, for this reason.
    pub(super) fn refused(&self, reason: Reason) {
        self.0.refused.get_or_create(&Refused { reason: reason.as_str() }).inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let Shared { started, handled, handling, .. } = &*self.0;
        registry.register("grpc_server_started", "Calls whose heads were read", started.clone());
        registry.register(
            "grpc_server_handled",
            "Calls that have ended, by the code of their status",
            handled.clone(),
        );
        registry.register_with_unit(
            "grpc_server_handling",
            "How long calls take, from their heads until their statuses were made",
            Unit::Seconds,
            handling.clone(),
        );
    }

    pub(super) fn register_refusals(&self, registry: &mut Registry) {
        registry.register(
            "refused_calls",
            "Calls that failed, by the reason of their status",
            self.0.refused.clone(),
        );
    }
}

impl Shared {
    fn handled<'a>(&'a self, method: &'a Method, code: Code) -> Option<&'a Counter> {
        let code = code as usize;
        let counter = method.handled.get(code)?.get_or_init(|| {
            let MethodLabels { grpc_type, grpc_service, grpc_method } = method.labels;
            let grpc_code = CODES.get(code).copied().unwrap_or(UNKNOWN);
            let labels = HandledLabels { grpc_type, grpc_service, grpc_method, grpc_code };
            self.handled.get_or_create_owned(&labels)
        });
        Some(counter)
    }
}

impl RunningCall {
    /// Counts the call as ended.
    pub(super) fn end(mut self, code: Code) {
        self.record(code);
    }

    fn record(&mut self, code: Code) {
        self.has_ended = true;
        let shared = &self.metrics.0;
        let Some(method) = shared.methods.get(self.method) else { return };
        if let Some(handled) = shared.handled(method, code) {
            handled.inc();
        }
        method.handling.observe(self.begun.elapsed().as_secs_f64(), self.trace, None);
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        if !self.has_ended {
            self.record(Code::Cancelled);
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;

    use super::*;

    fn encoded(metrics: &CallMetrics) -> String {
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        metrics.register_refusals(&mut registry);
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn the_names_of_codes_are_in_the_order_of_their_numbers() {
        assert_eq!(CODES[Code::Unauthenticated as usize], "Unauthenticated");
        for (number, name) in (0..).zip(CODES).skip(2) {
            assert_eq!(format!("{:?}", Code::from(number)), name);
        }
    }

    #[test]
    fn calls_are_counted_by_method_and_code_and_unknown_methods_as_one() {
        let metrics = CallMetrics::new();
        let get = "/caseload.tasks.v1.TaskService/GetTask";
        metrics.start(get, None).end(Code::Ok);
        metrics.start(get, None).end(Code::NotFound);
        drop(metrics.start(get, None));
        for path in ["", "/", "/caseload.tasks.v1.TaskService/Nothing", "/a/b\"}\n{", "unknown"] {
            metrics.start(path, None).end(Code::Unimplemented);
        }
        metrics.refused(Reason::TaskNotFound);
        let text = encoded(&metrics);
        let of_get = r#"grpc_type="unary",grpc_service="caseload.tasks.v1.TaskService",grpc_method="GetTask""#;
        let unknown = r#"grpc_type="unknown",grpc_service="unknown",grpc_method="unknown""#;
        for line in [
            format!("grpc_server_started_total{{{of_get}}} 3"),
            format!(r#"grpc_server_handled_total{{{of_get},grpc_code="OK"}} 1"#),
            format!(r#"grpc_server_handled_total{{{of_get},grpc_code="NotFound"}} 1"#),
            format!(r#"grpc_server_handled_total{{{of_get},grpc_code="Canceled"}} 1"#),
            format!("grpc_server_handling_seconds_count{{{of_get}}} 3"),
            format!("grpc_server_started_total{{{unknown}}} 5"),
            format!(r#"grpc_server_handled_total{{{unknown},grpc_code="Unimplemented"}} 5"#),
            r#"refused_calls_total{reason="TASK_NOT_FOUND"} 1"#.to_owned(),
            r#"refused_calls_total{reason="OVERLOADED"} 0"#.to_owned(),
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        let started = text.lines().filter(|line| line.starts_with("grpc_server_started_total"));
        assert_eq!(started.count(), METHODS.len() + OTHER_METHODS.len() + 1);
    }
}
