//! What a tracer and its spans share.

use crate::{data::SpanData, ids::Ids, queue::Queue, sampling::Sampling};

/// What a tracer and its spans share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ids: Ids,
    pub(crate) sampling: Sampling,
    pub(crate) ended: Queue<SpanData>,
}
