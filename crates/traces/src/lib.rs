//! What is recorded of traces: the contexts that W3C Trace Context passes from program to program, which traces
//! are sampled, the spans of those that are, and the bounded queue from which ended spans are exported.
//!
//! Without a [`Tracer`] that is on there are no spans: [`current`] returns one that is empty, and whatever is done
//! with that is one check. So code that records need not know whether anybody exports.

mod context;
mod current;
mod data;
mod ids;
mod queue;
mod sampling;
mod shared;
mod span;
mod tracer;

pub use context::{Context, SpanId, TraceId};
pub use current::{InSpan, current};
pub use data::{Kind, SpanData, Value};
pub use queue::Limits;
pub use sampling::{Ratio, Root, Sampling};
pub use span::Span;
pub use tracer::{EndedSpans, Tracer};
