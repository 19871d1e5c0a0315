//! Gauges whose values are somewhere else.

use std::fmt;

use prometheus_client::{
    encoding::{EncodeGaugeValue, EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric},
};

/// A gauge that is read each time that metrics are. What it calls must be cheap, and must not keep
/// alive what would otherwise end.
pub struct Reading<F>(pub F);

impl<F> TypedMetric for Reading<F> {
    const TYPE: MetricType = MetricType::Gauge;
}

impl<F: Fn() -> V, V: EncodeGaugeValue> EncodeMetric for Reading<F> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_gauge(&(self.0)())
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl<F> fmt::Debug for Reading<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reading").finish()
    }
}
