//! How Caseload's processes are observed: logs, request ids, trace ids, a span for each request,
//! metrics, the admin port that shows them, and the export of traces.

mod admin;
mod cut;
pub mod layers;
mod log_filter;
mod log_writer;
pub mod logs;
pub mod metrics;
mod otlp;
mod panics;
mod peer_identity;
mod repeats;
pub mod request_id;
mod request_log;
mod request_span;
mod span_fields;
mod span_layer;
mod throttle;
mod trace_context;

pub use admin::Admin;
pub use cut::cut;
pub use otlp::{SettingsError, Traces, TracesError};
pub use peer_identity::PeerIdentity;
pub use request_span::record_caller;
pub use span_layer::{InTrace, SpanLayer};
pub use throttle::Throttle;
pub use trace_context::{TraceId, header as traceparent};
