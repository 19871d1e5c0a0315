//! The thread that exports spans.

use std::{
    hash::{BuildHasher as _, RandomState},
    io, thread,
    time::Duration,
};

use bytes::Bytes;
use prost::Message as _;
use tokio::{
    runtime::Builder,
    sync::oneshot,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use traces::EndedSpans;

use super::{
    collector::Collector, counts::Counts, message::ExportTraceServiceRequest, reply::ExportError,
};
use crate::throttle::Throttle;

/// The first pause before a batch is sent again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// How often a pause looks for the end of the process.
const END_INTERVAL: Duration = Duration::from_millis(100);

/// The shortest interval between two log lines about spans that were not exported.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Exports spans, on a thread and a runtime of its own: whatever the collector does, only spans are lost.
#[derive(Debug)]
pub(super) struct Exporter {
    pub(super) collector: Collector,
    pub(super) resource: Vec<(String, String)>,
    pub(super) request_timeout: Duration,
    pub(super) batch_timeout: Duration,
    pub(super) counts: Counts,
}

impl Exporter {
    /// Starts the thread. It ends once the tracer is closed and its spans are exported, or lost; then the receiver
    /// is completed.
    ///
    /// # Errors
    /// If the system can't start another thread.
    pub(super) fn start(mut self, spans: EndedSpans) -> io::Result<oneshot::Receiver<()>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (ending, ended) = oneshot::channel();
        thread::Builder::new().name("traces".to_owned()).spawn(move || {
            let (failures, drops) = (Throttle::new(LOG_INTERVAL), Throttle::new(LOG_INTERVAL));
            let counts = self.counts.clone();
            let (mut counted, mut unreported) = (0, 0);
            let mut count_drops = || {
                let new = spans.dropped() - counted;
                counted += new;
                unreported += new;
                counts.dropped(new);
                if unreported > 0 && drops.allow(std::time::Instant::now()).is_some() {
                    tracing::warn!(
                        spans = unreported,
                        "spans were dropped, as too many waited to be exported"
                    );
                    unreported = 0;
                }
            };
            while let Some(batch) = spans.take() {
                let count = batch.len() as u64;
                let message = ExportTraceServiceRequest::new(&self.resource, batch);
                let message = Bytes::from(message.encode_to_vec());
                match runtime.block_on(self.export(message, &spans)) {
                    Ok(rejected) => counts.exported(count, rejected),
                    Err(error) => {
                        counts.failed(count);
                        report(&failures, &error, count);
                    }
                }
                count_drops();
            }
            count_drops();
            // A look-up of a name may go on.
            runtime.shutdown_background();
            let _gone = ending.send(());
        })?;
        Ok(ended)
    }

    /// Sends a batch, again and again while it may pass and there is time; at the end of the process once.
    async fn export(&mut self, message: Bytes, spans: &EndedSpans) -> Result<u64, ExportError> {
        let end = Instant::now() + self.batch_timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            let sending = timeout(self.request_timeout, self.collector.export(message.clone()));
            let error = match timeout_at(end, sending).await {
                Ok(Ok(Ok(rejected))) => return Ok(rejected),
                Ok(Ok(Err(error))) => error,
                Ok(Err(_elapsed)) | Err(_elapsed) => ExportError::TimedOut,
            };
            let wait = error.retry_after().unwrap_or_else(|| jittered(pause));
            let left = end.saturating_duration_since(Instant::now());
            if !error.may_pass() || spans.is_closed() || wait >= left {
                return Err(error);
            }
            wait_until(Instant::now() + wait, spans).await;
            pause *= 2;
        }
    }
}

/// Waits until this moment, or the end of the process: what is sent then at last is not to wait for a pause.
async fn wait_until(moment: Instant, spans: &EndedSpans) {
    while Instant::now() < moment && !spans.is_closed() {
        sleep_until(moment.min(Instant::now() + END_INTERVAL)).await;
    }
}

/// Returns half of a time to one and a half of it, so that processes whose collector comes back don't all send at
/// once.
fn jittered(time: Duration) -> Duration {
    let luck = RandomState::new().hash_one(0) % 1000;
    time / 2 + time * u32::try_from(luck).unwrap_or(0) / 1000
}

fn report(throttle: &Throttle, error: &ExportError, spans: u64) {
    let Some(suppressed) = throttle.allow(std::time::Instant::now()) else { return };
    // What is below says which: that a name is unknown, or a connection refused.
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(%error, cause, spans, suppressed, "failed to export spans");
}
