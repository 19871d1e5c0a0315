//! The thread that exports spans.

use std::{
    hash::{BuildHasher as _, RandomState},
    io,
    pin::pin,
    sync::mpsc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use prost::Message as _;
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use traces::EndedSpans;

use super::{
    collector::Collector,
    counts::Counts,
    message::ExportTraceServiceRequest,
    reply::{Accepted, ExportError},
};
use crate::{cut::cut, throttle::Throttle};

/// The first pause before a batch is sent again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause that a collector may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How often a pause looks for the end of the process.
const END_INTERVAL: Duration = Duration::from_millis(100);

/// How often the spans that were dropped are counted while a batch is exported.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

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
    /// Until when the collector has asked to be left alone, also with other batches.
    pub(super) not_before: Option<Instant>,
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
        let (hand_over, handed_over) = mpsc::channel::<Runtime>();
        let thread = thread::Builder::new().name("traces".to_owned()).spawn(move || {
            let Ok(runtime) = handed_over.recv() else { return };
            let [failures, rejections, drops] = [const { Throttle::new(LOG_INTERVAL) }; 3];
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
                let result = runtime.block_on(async {
                    let mut export = pin!(self.export(message, &spans));
                    // Also while the collector hangs.
                    loop {
                        match timeout(COUNT_INTERVAL, &mut export).await {
                            Ok(result) => break result,
                            Err(_elapsed) => count_drops(),
                        }
                    }
                });
                match result {
                    Ok(Accepted { rejected, message }) => {
                        counts.exported(count, rejected);
                        report_rejected(&rejections, rejected, &message);
                    }
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
        });
        // A runtime must not be dropped where other tasks run, as the closure would do if there is no thread.
        match thread {
            Ok(_thread) => {
                let _ended = hand_over.send(runtime);
                Ok(ended)
            }
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Sends a batch, again and again while it may pass and there is time; at the end of the process once.
    async fn export(
        &mut self,
        message: Bytes,
        spans: &EndedSpans,
    ) -> Result<Accepted, ExportError> {
        if let Some(moment) = self.not_before.take() {
            wait_until(moment, spans).await;
        }
        let end = Instant::now() + self.batch_timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            let sending = timeout(self.request_timeout, self.collector.export(message.clone()));
            let error = match timeout_at(end, sending).await {
                Ok(Ok(Ok(accepted))) => return Ok(accepted),
                Ok(Ok(Err(error))) => error,
                Ok(Err(_elapsed)) | Err(_elapsed) => ExportError::TimedOut,
            };
            let asked = error.retry_after().map(|asked| asked.min(LONGEST_PAUSE));
            let again = Instant::now() + asked.unwrap_or_default().max(jittered(pause));
            if !error.may_pass() || spans.is_closed() || again >= end {
                // The collector asks for itself, whatever becomes of this batch.
                self.not_before = asked.map(|_| again);
                return Err(error);
            }
            wait_until(again, spans).await;
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

/// Logs what the collector says of spans that it has rejected, or of others.
fn report_rejected(throttle: &Throttle, spans: u64, message: &str) {
    if spans == 0 && message.is_empty() {
        return;
    }
    if let Some(suppressed) = throttle.allow(std::time::Instant::now()) {
        let reason = &*cut(message);
        tracing::warn!(spans, reason, suppressed, "spans were rejected by the collector");
    }
}

fn report(throttle: &Throttle, error: &ExportError, spans: u64) {
    let Some(suppressed) = throttle.allow(std::time::Instant::now()) else { return };
    // What is below says which: that a name is unknown, or a connection refused.
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(%error, cause, spans, suppressed, "failed to export spans");
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use http::HeaderMap;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use traces::{Limits, Root, Sampling, Tracer};

    use super::*;
    use crate::{
        metrics::Metrics,
        otlp::endpoint::{Endpoint, Protocol},
    };

    /// Starts a collector that refuses all requests, and says this of when to come back. Returns what exports to it,
    /// and how many requests there were.
    async fn refusing(retry_after: &'static str) -> (Exporter, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let response = format!(
                    "HTTP/1.1 503 Busy\r\nretry-after: {retry_after}\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(response.as_bytes()).await.unwrap();
            }
        });
        let protocol = Protocol::HttpProtobuf;
        let endpoint = Endpoint::parse(&url, protocol, true).unwrap();
        let exporter = Exporter {
            collector: Collector::new(endpoint, protocol, HeaderMap::new(), None),
            resource: Vec::new(),
            request_timeout: Duration::from_secs(60),
            batch_timeout: Duration::from_millis(700),
            counts: Counts::register(&Metrics::new("test", "0")),
            not_before: None,
        };
        (exporter, requests)
    }

    fn tracer() -> (Tracer, EndedSpans) {
        let sampling = Sampling { is_parent_based: true, root: Root::Always };
        Tracer::new(sampling, Limits { queue: 9, batch: 9, delay: Duration::from_secs(3600) })
    }

    #[tokio::test]
    async fn a_collector_that_asks_for_no_pause_is_given_one() {
        let (mut exporter, requests) = refusing("0").await;
        let (_tracer, spans) = tracer();
        let error = exporter.export(Bytes::new(), &spans).await.unwrap_err();
        assert!(matches!(error, ExportError::Http(..)), "{error}");
        // A pause is 125 ms at least.
        let count = requests.load(Ordering::SeqCst);
        assert!((2..=6).contains(&count), "{count}");
    }

    #[tokio::test]
    async fn a_collector_that_asks_for_a_long_pause_gets_nothing_before_but_for_the_end() {
        let (mut exporter, requests) = refusing("60").await;
        let (tracer, spans) = tracer();
        exporter.export(Bytes::new(), &spans).await.unwrap_err();
        assert_eq!(requests.load(Ordering::SeqCst), 1);
        let asked = exporter.not_before.unwrap();
        assert!(asked > Instant::now() + Duration::from_secs(50));
        // Another batch waits.
        let more = timeout(Duration::from_millis(300), exporter.export(Bytes::new(), &spans)).await;
        assert!(more.is_err());
        assert_eq!(requests.load(Ordering::SeqCst), 1);

        exporter.not_before = Some(asked);
        tracer.close();
        exporter.export(Bytes::new(), &spans).await.unwrap_err();
        assert_eq!(requests.load(Ordering::SeqCst), 2);
    }
}
