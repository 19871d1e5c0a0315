//! Exports spans to a collector, by the OpenTelemetry protocol (OTLP), as the variables `OTEL_*` say.
//!
//! The protocol is a message and one way to send it, over HTTP/1.1 or as a gRPC call. Both are written here, on
//! hyper, rather than taken from OpenTelemetry's libraries: their exporters bring a second HTTP client or tonic's
//! channel, and their processor tells nobody how many spans it drops.

mod collector;
mod connection;
mod counts;
mod endpoint;
mod exporter;
mod list;
mod message;
mod reply;
mod resource;
mod sampler;
mod settings;
mod variables;

use std::{env, io, time::Duration};

use tls::{ClientTls, TlsError};
use tokio::{sync::oneshot, time::timeout};
use traces::Tracer;

pub use variables::SettingsError;

use self::{
    collector::Collector,
    counts::Counts,
    exporter::Exporter,
    settings::{Environment, Settings},
    variables::Warning,
};
use crate::metrics::Metrics;

/// How long a process waits at its end for its last spans to be exported.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// The traces of one program, and their export. They are off unless the environment switches them on.
#[derive(Debug)]
pub struct Traces {
    tracer: Tracer,
    /// Completed by the exporter when it ends.
    ended: Option<oneshot::Receiver<()>>,
}

/// Why traces can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The environment says where to, but not in a way that can be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The files with certificates can't be used.
    #[error("failed to read the certificates of OTEL_EXPORTER_OTLP_*")]
    Tls(#[from] TlsError),
    /// The system can't start another thread.
    #[error("failed to start the export of traces")]
    Thread(#[source] io::Error),
}

impl TracesError {
    /// Whether somebody has to change what the program is configured with.
    #[must_use]
    pub fn is_misconfiguration(&self) -> bool {
        !matches!(self, Self::Thread(_))
    }
}

impl Traces {
    /// No traces.
    const OFF: Self = Self { tracer: Tracer::OFF, ended: None };

    /// Starts to export the traces of a program, if the environment switches that on. They are of the service
    /// with this name, unless the environment gives another. Must be called on a runtime.
    ///
    /// # Errors
    /// [`TracesError`]. Values that don't say where spans go are not among these errors: they are logged, and
    /// their defaults used.
    pub fn start(
        service: &'static str,
        version: &'static str,
        metrics: &Metrics,
    ) -> Result<Self, TracesError> {
        let [traces] = Self::start_all([service], version, metrics)?;
        Ok(traces)
    }

    /// Starts as [`Self::start`] does, for each of several services that run in this process.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_all<const N: usize>(
        services: [&'static str; N],
        version: &'static str,
        metrics: &Metrics,
    ) -> Result<[Self; N], TracesError> {
        let counts = Counts::register(metrics);
        let mut all = [const { Self::OFF }; N];
        for (traces, service) in all.iter_mut().zip(services) {
            // What is not Unicode is invalid wherever that matters.
            let variable = |name: &str| Some(env::var_os(name)?.to_string_lossy().into_owned());
            match Settings::read(variable, service, version)? {
                Environment::On(settings) => {
                    *traces = Self::export(*settings, counts.clone(), metrics)?;
                }
                Environment::Off(warnings) => log(warnings),
            }
        }
        Ok(all)
    }

    fn export(settings: Settings, counts: Counts, metrics: &Metrics) -> Result<Self, TracesError> {
        log(settings.warnings);
        let Settings { endpoint, protocol, headers, files, sampling, limits, .. } = settings;
        let tls = match endpoint.is_secure {
            true => Some(ClientTls::start(files, None)?),
            false => None,
        };
        if let Some(tls) = &tls {
            metrics.certificate("traces", tls.validity());
        }
        let (tracer, spans) = Tracer::new(sampling, limits);
        // Neither the path nor the headers: both may have secrets.
        tracing::info!(collector = %endpoint.authority(), %protocol, ?sampling, "exporting traces");
        let exporter = Exporter {
            collector: Collector::new(endpoint, protocol, headers, tls),
            resource: settings.resource,
            request_timeout: settings.request_timeout,
            batch_timeout: settings.batch_timeout,
            counts,
            not_before: None,
        };
        let ended = exporter.start(spans).map_err(TracesError::Thread)?;
        Ok(Self { tracer, ended: Some(ended) })
    }

    /// Returns what begins spans.
    #[must_use]
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Exports what is left, within 2 s. Spans that end later are dropped.
    pub async fn end(self) {
        self.tracer.close();
        if let Some(ended) = self.ended
            && timeout(END_TIMEOUT, ended).await.is_err()
        {
            tracing::warn!("the last spans were not exported in time");
        }
    }
}

fn log(warnings: Vec<Warning>) {
    for Warning { variable, problem, used } in warnings {
        tracing::warn!(variable, problem, used, "a variable of OpenTelemetry is not used");
    }
}
