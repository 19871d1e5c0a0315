//! What the server counts and measures.

mod audit;
mod call_layer;
mod calls;
mod keys;
mod sweeps;
mod tenants;

use prometheus_client::{
    metrics::counter::Counter,
    registry::{Registry, Unit},
};
use serving::LateMetrics;
use telemetry::metrics::{Metrics, Reading};

pub(crate) use audit::AuditMetrics;
pub(crate) use call_layer::CallMetricsLayer;
pub(crate) use calls::CallMetrics;
pub(crate) use keys::KeyMetrics;
pub(crate) use sweeps::SweepMetrics;
pub(crate) use tenants::TenantMetrics;

use crate::{readiness::Readiness, tenant_quota::TenantQuota};

/// The metrics of a server, apart from those of its listener and its database.
#[derive(Clone, Debug)]
pub(crate) struct ServerMetrics {
    pub(crate) audit: AuditMetrics,
    pub(crate) calls: CallMetrics,
    pub(crate) keys: KeyMetrics,
    pub(crate) sweeps: SweepMetrics,
    pub(crate) replays: Counter,
    /// `None` unless calls are counted for each tenant.
    pub(crate) tenants: Option<TenantMetrics>,
}

impl ServerMetrics {
    /// Registers the metrics of a server, with those of so many tenants, if of any.
    pub(crate) fn new(metrics: &Metrics, tenants: Option<usize>) -> Self {
        let server = Self {
            audit: AuditMetrics::default(),
            calls: CallMetrics::new(metrics),
            keys: KeyMetrics::default(),
            sweeps: SweepMetrics::default(),
            replays: Counter::default(),
            tenants: tenants.map(TenantMetrics::new),
        };
        metrics.register(|registry| {
            server.audit.register(registry);
            server.keys.register(registry);
            server.sweeps.register(registry);
            registry.register(
                "replays",
                "Calls that got the result of an earlier one with the same idempotency key",
                server.replays.clone(),
            );
            if let Some(tenants) = &server.tenants {
                registry.register_collector(Box::new(tenants.clone()));
            }
        });
        server
    }
}

/// Registers readings of what the server has and what is used of it.
pub(crate) fn register_readings(
    registry: &mut Registry,
    readiness: Readiness,
    (in_flight, late): (&TenantQuota, LateMetrics),
    memory: &TenantQuota,
) {
    let is_ready = Reading(move || i64::from(readiness.is_ready()));
    registry.register("server_ready", "Whether the server is ready (1) or not (0)", is_ready);
    let quota = in_flight.clone();
    registry.register(
        "calls_in_flight",
        "Calls that are worked on, or whose responses are being sent",
        Reading(move || quota.used()),
    );
    let quota = in_flight.clone();
    registry.register(
        "calls_in_flight_limit",
        "The most calls in flight at the moment, by --max-in-flight and --max-lag",
        Reading(move || quota.limit()),
    );
    late.register("server_late", registry);
    let (used, total) = (memory.clone(), memory.total());
    registry.register_with_unit(
        "message_memory",
        "Memory that the messages of calls have",
        Unit::Bytes,
        Reading(move || used.used()),
    );
    registry.register_with_unit(
        "message_memory_limit",
        "The most memory for messages, by --message-memory",
        Unit::Bytes,
        Reading(move || total),
    );
}
