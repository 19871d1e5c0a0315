//! How many connections and queries there are, read when metrics are.

use std::{fmt, sync::Weak};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
};

use super::{current::CurrentPool, lane::Lane, threads::Load};
use crate::metrics::LaneLabel;

/// Reads the pool in use, for as long as there is one.
#[derive(Debug)]
pub(crate) struct PoolReadings(pub(crate) Weak<CurrentPool>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

impl Collector for PoolReadings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(current) = self.0.upgrade() else { return Ok(()) };
        let pool = current.get();
        let (open, idle) = pool.connections_open();
        let help = "Connections to the database: used, or idle.";
        let kind = MetricType::Gauge;
        let mut connections =
            encoder.encode_descriptor("database_connections", help, None, kind)?;
        for (state, count) in [("used", open.saturating_sub(idle)), ("idle", idle)] {
            let labels = State { state };
            ConstGauge::new(i64::from(count)).encode(connections.encode_family(&labels)?)?;
        }
        let loads = Lane::OF_THREADS.map(|lane| (lane.name(), pool.load(lane)));
        for (name, help, value) in READINGS {
            let mut gauge = encoder.encode_descriptor(name, help, None, kind)?;
            for (lane, load) in &loads {
                let count = i64::try_from(value(load)).unwrap_or(i64::MAX);
                ConstGauge::new(count).encode(gauge.encode_family(&LaneLabel { lane })?)?;
            }
        }
        Ok(())
    }
}

type Reading = (&'static str, &'static str, fn(&Load) -> usize);

const READINGS: [Reading; 3] = [
    ("database_queries_running", "Queries that have a connection.", |load| load.running),
    ("database_queries_waiting", "Queries that wait for a connection.", |load| load.waiting),
    ("database_queries_limit", "The most queries that may run at once.", |load| load.most),
];
