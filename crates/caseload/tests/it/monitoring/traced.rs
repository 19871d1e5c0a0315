//! Programs whose traces are exported, and requests in a trace.

use super::installation::Process;
use crate::support::Exited;

/// The trace of a caller, and its span.
pub(super) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(super) const CALLER: &str = "b7ad6b7169203331";

/// The method that [`App::post`](crate::support::App::post) leads to.
pub(super) const METHOD: &str = "caseload.tasks.v1.TaskService/BatchCreateTasks";

/// Exports almost at once.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "20");

/// Variables of a process whose spans a collector gets.
pub(super) fn exporting<'a>(url: &'a str, protocol: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=hunter%32"),
        SOON,
    ]
}

pub(super) fn traceparent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-{CALLER}-{flags}")
}

/// Ends both programs, and returns what they have written.
pub(super) fn end(server: Process, gateway: Process) -> [Exited; 2] {
    [gateway, server].map(end_one)
}

/// Ends a program, and returns what it has written.
pub(super) fn end_one(process: Process) -> Exited {
    process.program.terminate();
    process.program.wait_for_exit()
}
