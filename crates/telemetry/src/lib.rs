//! How Caseload's processes are observed: logs, request ids, trace ids, and a span for each
//! request.

mod cut;
pub mod layers;
mod log_writer;
pub mod logs;
mod panics;
mod peer_identity;
mod repeats;
pub mod request_id;
mod request_log;
mod request_span;
mod span_fields;
mod throttle;
mod trace_context;

pub use cut::cut;
pub use peer_identity::PeerIdentity;
pub use request_span::record_caller;
pub use throttle::Throttle;
