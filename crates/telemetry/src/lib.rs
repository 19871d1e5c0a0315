//! How Caseload's processes are observed: logs, request ids, trace ids, a span for each request,
//! metrics, and the admin port that shows them.

mod admin;
mod cut;
pub mod layers;
mod log_filter;
mod log_writer;
pub mod logs;
pub mod metrics;
mod panics;
mod peer_identity;
mod repeats;
pub mod request_id;
mod request_log;
mod request_span;
mod span_fields;
mod throttle;
mod trace_context;

pub use admin::Admin;
pub use cut::cut;
pub use peer_identity::PeerIdentity;
pub use request_span::record_caller;
pub use throttle::Throttle;
pub use trace_context::TraceId;
