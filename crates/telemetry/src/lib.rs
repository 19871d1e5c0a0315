//! How Caseload's processes are observed: logs, request ids, and a span for each request.

pub mod logs;
pub mod request_id;
pub mod request_log;
mod throttle;

pub use throttle::Throttle;
