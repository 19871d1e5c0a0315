//! Metrics: what a process counts and measures, in the text format of OpenMetrics.
//!
//! Whoever counts something has handles of his own, which are atomics, and registers them once, when
//! the process starts. On the way of a request, nothing is looked up by labels that come from the
//! request, so no caller can make more time series than there are in the code.

mod certificates;
mod latency;
mod listeners;
mod process;
mod reading;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::info::Info,
    registry::Registry,
};
use tls::Validity;

pub use latency::{Latencies, Latency};
pub use listeners::{HandshakeResult, ListenerMetrics, OpenConnection};
pub use reading::Reading;

use certificates::Certificates;
use listeners::Listeners;
use process::Process;

/// What the names of Caseload's own metrics begin with.
const PREFIX: &str = "caseload";

/// The media type of what [`Metrics::encode`] returns.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of a process. Clones are of the same process.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    build: Build,
    registry: Mutex<Registry>,
    latencies: Mutex<Vec<Latencies>>,
    listeners: Listeners,
    certificates: Certificates,
}

/// Which program a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet, serde::Serialize)]
pub(crate) struct Build {
    /// The name of the program.
    pub(crate) program: &'static str,
    /// Its version, as `--version` prints it.
    pub(crate) version: &'static str,
}

impl Metrics {
    /// Returns what every process shows: which program it runs, what it uses of the system, and its
    /// listeners.
    #[must_use]
    pub fn new(program: &'static str, version: &'static str) -> Self {
        let build = Build { program, version };
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process::started(SystemTime::now())));
        let caseload = registry.sub_registry_with_prefix(PREFIX);
        caseload.register("build", "The program that runs, and its version", Info::new(build));
        let listeners = Listeners::default();
        listeners.register(caseload);
        let certificates = Certificates::default();
        caseload.register_collector(Box::new(certificates.clone()));
        let (registry, latencies) = (Mutex::new(registry), Mutex::default());
        Self(Arc::new(Shared { build, registry, latencies, listeners, certificates }))
    }

    /// Registers metrics of Caseload's own: their names get its prefix.
    pub fn register(&self, register: impl FnOnce(&mut Registry)) {
        self.register_unprefixed(|registry| register(registry.sub_registry_with_prefix(PREFIX)));
    }

    /// Registers metrics whose names are a convention of many programs.
    pub fn register_unprefixed(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.0.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Registers a metric of how long requests take. The name gets no prefix, and ends with `_seconds`.
    #[must_use]
    pub fn latencies(&self, name: &'static str, help: &'static str) -> Latencies {
        let latencies = Latencies::new(name, help);
        let mut all = self.0.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(latencies.clone());
        latencies
    }

    /// Returns the metrics of the listener with this name.
    #[must_use]
    pub fn listener(&self, name: &'static str) -> ListenerMetrics {
        self.0.listeners.named(name)
    }

    /// Shows from when to when the certificate is valid that is used for something. What tells so is called each time
    /// that metrics are read.
    pub fn certificate(
        &self,
        used_for: &'static str,
        validity: impl Fn() -> Option<Validity> + Send + Sync + 'static,
    ) {
        self.0.certificates.add(used_for, validity);
    }

    /// Returns which program the process runs.
    pub(crate) fn build(&self) -> Build {
        self.0.build
    }

    /// Returns all metrics with their values of now, in the text format of OpenMetrics 1.0. That takes
    /// milliseconds, and must not be done on a thread that serves calls.
    ///
    /// # Errors
    /// If a metric can't be written: one that has a bug.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        text::encode_registry(&mut text, &registry)?;
        drop(registry);
        for latencies in &*self.0.latencies.lock().unwrap_or_else(PoisonError::into_inner) {
            latencies.encode(&mut text)?;
        }
        text::encode_eof(&mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering::Relaxed},
        time::{Duration, UNIX_EPOCH},
    };

    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn metrics_are_written_with_their_prefix_unit_and_type() {
        let metrics = Metrics::new("caseload", "1.2.3");
        let (own, common) = (Counter::<u64>::default(), Counter::<u64>::default());
        metrics.register(|registry| registry.register("things", "Things", own.clone()));
        metrics.register_unprefixed(|registry| registry.register("others", "O", common.clone()));
        metrics.register(|registry| {
            registry.register("level", "Level", Reading(|| 7_u64));
        });
        metrics
            .latencies("time_seconds", "Time")
            .with(&[("a", "b")])
            .observe(Default::default(), None);
        own.inc_by(3);
        common.inc();
        let text = metrics.encode().unwrap();
        for line in [
            "# TYPE caseload_things counter",
            "caseload_things_total 3",
            "others_total 1",
            "# TYPE caseload_level gauge",
            "caseload_level 7",
            r#"time_seconds_count{a="b"} 1"#,
            r#"caseload_build_info{program="caseload",version="1.2.3"} 1"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn a_listener_counts_what_is_open_and_what_was() {
        let metrics = Metrics::new("caseload", "1.2.3");
        let listener = metrics.listener("rest");
        let _other = metrics.listener("grpc").accepted();
        let (first, second) = (listener.accepted(), listener.accepted());
        listener.rejected_beyond_limit();
        drop(first);
        let text = metrics.encode().unwrap();
        for line in [
            r#"caseload_connections{listener="rest"} 1"#,
            r#"caseload_connections{listener="grpc"} 1"#,
            r#"caseload_connections_accepted_total{listener="rest"} 2"#,
            r#"caseload_connections_rejected_total{listener="rest",reason="limit"} 1"#,
            r#"caseload_connections_rejected_total{listener="rest",reason="address_share"} 0"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        drop(second);
    }

    #[test]
    fn the_certificate_that_is_in_use_at_the_moment_is_shown_and_nothing_if_none_is() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let metrics = Metrics::new("caseload", "1.2.3");
        metrics.certificate("none", || None);
        metrics.certificate("rest", || panic!("another one takes its place"));
        metrics.certificate("rest", || None);
        assert!(!metrics.encode().unwrap().contains("certificate"));
        let not_after = Arc::new(AtomicU64::new(2_000_000_000));
        let current = Arc::clone(&not_after);
        metrics.certificate("rest", move || {
            let not_after = at(current.load(Relaxed));
            Some(Validity { not_before: at(1_000_000_000), not_after })
        });
        for until in [2_000_000_000, 2_000_000_001] {
            not_after.store(until, Relaxed);
            let text = metrics.encode().unwrap();
            for line in [
                "# TYPE caseload_tls_certificate_not_after_seconds gauge",
                &format!(r#"caseload_tls_certificate_not_after_seconds{{use="rest"}} {until}"#),
                r#"caseload_tls_certificate_not_before_seconds{use="rest"} 1000000000"#,
            ] {
                assert!(text.lines().any(|it| it == line), "{line}\n{text}");
            }
            assert!(!text.contains("none"), "{text}");
        }
    }

    /// Only Linux says what a process uses in files.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_shows_what_it_uses() {
        let text = Metrics::new("caseload", "1.2.3").encode().unwrap();
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.split(' ').next() == Some(name));
            let value = line.and_then(|line| line.split(' ').nth(1));
            value.unwrap_or_else(|| panic!("{name}: {text}")).parse().unwrap()
        };
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        assert!(value("process_start_time_seconds") > 1.7e9);
        assert!(value("process_threads") >= 1.0);
    }
}
