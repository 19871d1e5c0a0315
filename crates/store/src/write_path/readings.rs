//! How many batches wait, read when metrics are.

use std::{fmt, sync::Weak};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
};

use super::{job::Job, queue::Queue};

/// Reads the queue, for as long as there is one.
#[derive(Debug)]
pub(super) struct QueueReadings(pub(super) Weak<Queue<Job>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Place {
    place: &'static str,
}

impl Collector for QueueReadings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(queue) = self.0.upgrade() else { return Ok(()) };
        let (queued, in_lane) = queue.lengths();
        let kind = MetricType::Gauge;
        let help = "Batches that wait: for a writer (queue), or for locks that other sessions hold \
                    (lane).";
        let mut waiting = encoder.encode_descriptor("write_waiting_batches", help, None, kind)?;
        for (place, count) in [("queue", queued), ("lane", in_lane)] {
            gauge(count).encode(waiting.encode_family(&Place { place })?)?;
        }
        let help = "The most batches that may wait in the queue, by --queue-length.";
        let limit = encoder.encode_descriptor("write_waiting_batches_limit", help, None, kind)?;
        gauge(queue.limit()).encode(limit)
    }
}

fn gauge(count: usize) -> ConstGauge {
    ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX))
}
