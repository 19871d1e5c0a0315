//! Logs: one line per event, on standard error.

use std::{
    fs::File,
    io::{self, IsTerminal as _},
    os::fd::AsFd as _,
    sync::OnceLock,
    time::Duration,
};

use clap::{Args, ValueEnum};
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::{
    log_filter::LogFilter, log_writer::LogWriter, panics, repeats::Repeats, span_fields::SpanFields,
};

pub use crate::log_filter::ChangeError;

/// Selects the events that are logged, and their format.
#[derive(Args, Clone, Debug)]
pub struct LogOptions {
    /// The least severe level that is logged: error, warn, info, debug or trace; also per module,
    /// as in `info,caseload_server=debug`
    #[arg(long, env = "CASELOAD_LOG_LEVEL", default_value = "info", value_parser = filter, value_name = "FILTER", global = true)]
    pub log_level: String,

    /// The format of log lines
    #[arg(long, env = "CASELOAD_LOG_FORMAT", default_value = "auto", global = true)]
    pub log_format: LogFormat,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere
    Auto,
    /// Text for people
    Text,
    /// One JSON object per line
    Json,
}

fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The most bytes of log lines that wait to be written. As many again may be on their way.
const CAPACITY: usize = 2 * 1024 * 1024;

/// How long a process waits at its end for its log lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

static STARTED: OnceLock<Started> = OnceLock::new();

/// The parts of a log that is being written.
#[derive(Debug)]
struct Started {
    writer: LogWriter,
    repeats: Repeats,
    filter: LogFilter,
}

/// Flushes the log when it is dropped, also by a panic. To be kept until the process ends.
#[derive(Debug)]
#[must_use]
pub struct FlushOnDrop(());

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        flush();
    }
}

/// Starts logging for the process, panics included. A second call changes nothing.
///
/// Nobody waits for a line to be written: a thread writes them. Lines are dropped while nobody reads
/// standard error, and lines of one kind are limited in number; both are counted, and logged.
///
/// # Errors
/// If standard error can't be used, or the system can't start another thread.
pub fn start(options: &LogOptions) -> io::Result<FlushOnDrop> {
    let is_terminal = io::stderr().is_terminal();
    let as_json = match options.log_format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    // A file of its own: a write that blocks must not hold the lock of the standard library's.
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let writer = LogWriter::start(stderr, CAPACITY, |dropped| {
        tracing::error!(dropped, "log lines were dropped");
    })?;
    let repeats = Repeats::default();
    repeats.start_reports()?;
    let (layer, filter) = LogFilter::new(&options.log_level);
    let registry = tracing_subscriber::registry().with(layer).with(repeats.clone());
    let started = if as_json {
        registry.with(json(writer.clone())).try_init()
    } else {
        let text = fmt::layer().with_writer(writer.clone());
        registry.with(text.with_ansi(is_terminal).with_target(false)).try_init()
    };
    if started.is_err() {
        tracing::debug!("logging has already been started");
    } else {
        panics::log();
        STARTED.get_or_init(|| Started { writer, repeats, filter });
    }
    Ok(FlushOnDrop(()))
}

/// Blocks until all lines so far are written, a second at most: for a process that is about to exit,
/// or to print to standard error.
pub fn flush() {
    if let Some(Started { writer, repeats, .. }) = STARTED.get() {
        repeats.report();
        writer.flush(FLUSH_TIMEOUT);
    }
}

/// Returns the filter of the process's log; `None` if logging was not started.
#[must_use]
pub fn filter_in_use() -> Option<String> {
    STARTED.get().map(|started| started.filter.in_use())
}

/// Replaces the filter of the process's log, of the same form as `--log-level`. Returns it.
///
/// # Errors
/// [`ChangeError`]; then nothing was changed.
pub fn change_filter(filter: &str) -> Result<String, ChangeError> {
    STARTED.get().ok_or(ChangeError::NotStarted)?.filter.change(filter)
}

/// Returns to the filter with which the process was started. Returns it.
///
/// # Errors
/// [`ChangeError::NotStarted`].
pub fn reset_filter() -> Result<String, ChangeError> {
    STARTED.get().ok_or(ChangeError::NotStarted)?.filter.reset()
}

/// Writes events as JSON objects: the event's fields, and those of the innermost span under `span`.
fn json<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    let layer = fmt::layer().with_writer(writer).json().flatten_event(true).with_span_list(false);
    layer.fmt_fields(SpanFields)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use serde_json::{Value, json};
    use tracing::{Level, field::Empty};
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    /// Captures the lines of a JSON log.
    #[derive(Default)]
    pub(crate) struct Lines(Mutex<Vec<u8>>);

    impl Lines {
        /// Returns a subscriber that writes these lines.
        pub(crate) fn subscriber(lines: &Arc<Self>, level: Level) -> impl Subscriber + use<> {
            let level = LevelFilter::from_level(level);
            tracing_subscriber::registry().with(level).with(json(Arc::clone(lines)))
        }

        /// Returns a subscriber that writes these lines, and limits those of one kind.
        fn limited(lines: &Arc<Self>, repeats: Repeats) -> impl Subscriber + use<> {
            tracing_subscriber::registry().with(repeats).with(json(Arc::clone(lines)))
        }

        /// Returns the lines so far.
        pub(crate) fn parsed(&self) -> Vec<Value> {
            let bytes = self.0.lock().unwrap();
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
        }
    }

    impl Write for &Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_json_line_has_the_fields_of_the_event_and_of_the_innermost_span() {
        let lines = Arc::new(Lines::default());
        tracing::subscriber::with_default(Lines::subscriber(&lines, Level::INFO), || {
            let _outer = tracing::info_span!("outer", a = 1).entered();
            let _inner = tracing::info_span!("inner", b = 2).entered();
            tracing::info!(c = 3, "something happened");
            tracing::debug!("a detail");
        });
        let lines = lines.parsed();
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((&line["message"], &line["c"]), (&"something happened".into(), &3.into()));
        assert_eq!((&line["span"]["name"], &line["span"]["b"]), (&"inner".into(), &2.into()));
        assert_eq!((line.get("spans"), line["span"].get("a")), (None, None));
    }

    #[test]
    fn every_kind_of_value_is_written_as_json() {
        let lines = Arc::new(Lines::default());
        let _guard = tracing::subscriber::set_default(Lines::subscriber(&lines, Level::INFO));
        let control = "tab\t, newline\n, bell\u{7}, \"quotes\", back\\slash, \u{e9}";
        let span = tracing::info_span!(
            "values",
            control,
            signed = -1_i64,
            unsigned = u64::MAX,
            flag = true,
            float = 0.5,
            infinite = f64::INFINITY,
            displayed = %"a\"b",
            none = None::<&str>,
            empty = "",
        );
        let _entered = span.entered();
        tracing::info!("logged");
        let expected = json!({
            "name": "values",
            "control": control,
            "signed": -1,
            "unsigned": u64::MAX,
            "flag": true,
            "float": 0.5,
            "infinite": null,
            "displayed": "a\"b",
            "empty": "",
        });
        assert_eq!(lines.parsed()[0]["span"], expected);
    }

    #[test]
    fn fields_that_are_recorded_later_are_appended() {
        let lines = Arc::new(Lines::default());
        let _guard = tracing::subscriber::set_default(Lines::subscriber(&lines, Level::INFO));
        for span in [
            tracing::info_span!("some", first = "a}", number = Empty, text = Empty, flag = Empty),
            tracing::info_span!("none", number = Empty, text = Empty, flag = Empty),
        ] {
            span.record("number", 7_u64);
            span.record("text", "\"quoted\" {}");
            span.record("flag", tracing::field::debug(Some(true)));
            let _entered = span.entered();
            tracing::info!("logged");
        }
        let log = lines.parsed();
        let later = json!({"number": 7, "text": "\"quoted\" {}", "flag": "Some(true)"});
        for (line, name) in log.iter().zip(["some", "none"]) {
            let span = line["span"].as_object().unwrap();
            assert_eq!(span["name"], name);
            for (field, value) in later.as_object().unwrap() {
                assert_eq!(span[field], *value, "{line}");
            }
        }
        assert_eq!(log[0]["span"]["first"], "a}");
        assert_eq!(log.len(), 2);
    }

    #[test]
    fn lines_of_one_kind_are_limited_and_the_suppressed_ones_counted() {
        let lines = Arc::new(Lines::default());
        let repeats = Repeats::default();
        let _guard = tracing::subscriber::set_default(Lines::limited(&lines, repeats.clone()));
        for count in 0..100 {
            tracing::error!(count, "call failed");
            tracing::debug!("a detail");
        }
        for number in 0..300 {
            tracing::info!(target: "caseload::audit", number, "audit");
        }
        tracing::error!("something else");
        repeats.report();
        repeats.report();

        let log = lines.parsed();
        let count = |message: &str| log.iter().filter(|line| line["message"] == message).count();
        let failed = count("call failed");
        // The first ten; more only where this took seconds.
        assert!((10..50).contains(&failed), "{failed}");
        assert_eq!(log[0]["count"], 0);
        assert_eq!((count("a detail"), count("something else")), (100, 1));
        assert_eq!(count("audit"), 300);
        let [report] = log.iter().filter(|it| !it["suppressed"].is_null()).collect::<Vec<_>>()[..]
        else {
            panic!("{log:?}")
        };
        assert_eq!(report["message"], "log lines were suppressed");
        assert_eq!((&report["level"], &report["kind"]), (&"ERROR".into(), &"call failed".into()));
        assert_eq!(report["suppressed"], 100 - failed);
    }
}
