//! What the benches share: the programs that they run, the requests that they send, and what they
//! measure.

pub(crate) mod data;
pub(crate) mod figure;
#[path = "../../tests/guardian/mod.rs"]
pub(crate) mod guardian;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod pgbench;
pub(crate) mod program;
pub(crate) mod tally;
pub(crate) mod usage;
