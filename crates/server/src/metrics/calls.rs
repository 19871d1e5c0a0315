//! Counts calls by their methods, codes and reasons.
//!
//! Names and labels are those of other gRPC libraries, so that their dashboards fit:
//! `grpc_server_started_total`, `grpc_server_handled_total`, `grpc_server_handling_seconds`.

use std::{
    sync::{Arc, OnceLock},
    thread,
    time::Instant,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use proto::wire::{METHODS, Reason};
use telemetry::{
    TraceId,
    metrics::{Latency, Metrics},
};
use tonic::Code;
use traces::Span;

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
    handled: Family<HandledLabels, Counter>,
    /// The failures of each reason.
    refused: [(Reason, Counter); Reason::ALL.len()],
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

/// A call from its head to its status. One that is dropped before that was cancelled, or has panicked.
#[derive(Debug)]
pub(super) struct RunningCall {
    metrics: CallMetrics,
    method: usize,
    begun: Instant,
    trace: Option<TraceId>,
    /// The span of the call, if its trace is recorded.
    span: Span,
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
    /// Registers the metrics of all methods. They are there before the first call of each, so that the
    /// first calls count in rates.
    pub(super) fn new(metrics: &Metrics) -> Self {
        let started = Family::<MethodLabels, Counter>::default();
        let handled = Family::<HandledLabels, Counter>::default();
        let refused = Family::<Refused, Counter>::default();
        let handling = metrics.latencies(
            "grpc_server_handling_seconds",
            "How long calls take, from their heads until their statuses were made",
        );
        metrics.register_unprefixed(|registry| {
            let help = "Calls whose heads were read";
            registry.register("grpc_server_started", help, started.clone());
            let help = "Calls that have ended, by the code of their status";
            registry.register("grpc_server_handled", help, handled.clone());
        });
        metrics.register(|registry| {
            let help = "Calls that failed, by the reason of their status";
            registry.register("refused_calls", help, refused.clone());
        });
        let contract = METHODS.iter().map(|(path, _)| (*path, UNARY));
        let known = contract.chain(OTHER_METHODS).chain([("", UNKNOWN)]);
        let methods = known.map(|(path, grpc_type)| {
            let labels = MethodLabels::of(path, grpc_type);
            Method {
                path,
                labels,
                started: started.get_or_create_owned(&labels),
                handled: Default::default(),
                handling: handling.with(&[
                    ("grpc_type", labels.grpc_type),
                    ("grpc_service", labels.grpc_service),
                    ("grpc_method", labels.grpc_method),
                ]),
            }
        });
        let refused = Reason::ALL.map(|reason| {
            (reason, refused.get_or_create_owned(&Refused { reason: reason.as_str() }))
        });
        let shared = Shared { methods: methods.collect(), handled, refused };
        for method in &shared.methods {
            for code in [Code::Ok, Code::Internal, Code::Unavailable, Code::DeadlineExceeded] {
                shared.handled(method, code);
            }
        }
        Self(Arc::new(shared))
    }

    /// Counts a call to the method with this path as started. If its trace is recorded, the current span is
    /// that of the call.
    pub(super) fn start(&self, path: &str, trace: Option<TraceId>) -> RunningCall {
        let methods = &self.0.methods;
        let found = methods.iter().position(|method| method.path == path && !path.is_empty());
        let method = found.unwrap_or(methods.len() - 1);
        if let Some(method) = methods.get(method) {
            method.started.inc();
        }
        let metrics = self.clone();
        let (begun, span) = (Instant::now(), traces::current());
        RunningCall { metrics, method, begun, trace, span, has_ended: false }
    }

    /// Counts a call as refused, for this reason.
    pub(super) fn refused(&self, reason: Reason) {
        // Several reasons may have the same word, and so the same counter.
        if let Some((_, counter)) = self.0.refused.iter().find(|(it, _)| *it == reason) {
            counter.inc();
        }
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
        method.handling.observe(self.begun.elapsed(), self.trace);
        if self.span.is_recording() {
            end_span(&self.span, &method.labels, code);
        }
    }
}

/// Says in the span of a call what it was, and how it has ended.
fn end_span(span: &Span, labels: &MethodLabels, code: Code) {
    let MethodLabels { grpc_service, grpc_method, .. } = labels;
    span.rename(|| format!("{grpc_service}/{grpc_method}").into());
    span.set("rpc.system", "grpc");
    span.set("rpc.service", *grpc_service);
    span.set("rpc.method", *grpc_method);
    span.set("rpc.grpc.status_code", i64::from(i32::from(code)));
    if is_failure(code) {
        span.fail();
    }
    span.end();
}

/// Whether a call failed by the server's fault, as OpenTelemetry's conventions have it.
fn is_failure(code: Code) -> bool {
    match code {
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unauthenticated => false,
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        if !self.has_ended {
            let has_panicked = thread::panicking();
            self.record(if has_panicked { Code::Internal } else { Code::Cancelled });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    const GET: &str = "/caseload.tasks.v1.TaskService/GetTask";

    #[track_caller]
    fn assert_lines(metrics: &Metrics, lines: &[&str]) {
        let text = metrics.encode().unwrap();
        for line in lines {
            assert!(text.lines().any(|it| it == *line), "{line}\n{text}");
        }
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
        let metrics = Metrics::new("test", "0");
        let calls = CallMetrics::new(&metrics);
        calls.start(GET, None).end(Code::Ok);
        calls.start(GET, None).end(Code::NotFound);
        drop(calls.start(GET, None));
        for path in ["", "/", "/caseload.tasks.v1.TaskService/Nothing", "/a/b\"}\n{", "unknown"] {
            calls.start(path, None).end(Code::Unimplemented);
        }
        calls.refused(Reason::TaskNotFound);
        let of_get = r#"grpc_type="unary",grpc_service="caseload.tasks.v1.TaskService",grpc_method="GetTask""#;
        let unknown = r#"grpc_type="unknown",grpc_service="unknown",grpc_method="unknown""#;
        assert_lines(
            &metrics,
            &[
                &format!("grpc_server_started_total{{{of_get}}} 3"),
                &format!(r#"grpc_server_handled_total{{{of_get},grpc_code="OK"}} 1"#),
                &format!(r#"grpc_server_handled_total{{{of_get},grpc_code="NotFound"}} 1"#),
                &format!(r#"grpc_server_handled_total{{{of_get},grpc_code="Canceled"}} 1"#),
                &format!("grpc_server_handling_seconds_count{{{of_get}}} 3"),
                &format!("grpc_server_started_total{{{unknown}}} 5"),
                &format!(r#"grpc_server_handled_total{{{unknown},grpc_code="Unimplemented"}} 5"#),
                r#"caseload_refused_calls_total{reason="TASK_NOT_FOUND"} 1"#,
                r#"caseload_refused_calls_total{reason="OVERLOADED"} 0"#,
            ],
        );
        let text = metrics.encode().unwrap();
        let started = text.lines().filter(|line| line.starts_with("grpc_server_started_total"));
        assert_eq!(started.count(), METHODS.len() + OTHER_METHODS.len() + 1);
    }

    #[test]
    fn a_call_that_panics_is_not_one_that_was_cancelled() {
        let metrics = Metrics::new("test", "0");
        let calls = CallMetrics::new(&metrics);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _running = calls.start(GET, None);
            panic!("a defect");
        }));
        assert!(panicked.is_err());
        let of_get = r#"grpc_type="unary",grpc_service="caseload.tasks.v1.TaskService",grpc_method="GetTask""#;
        assert_lines(
            &metrics,
            &[&format!(r#"grpc_server_handled_total{{{of_get},grpc_code="Internal"}} 1"#)],
        );
    }
}
