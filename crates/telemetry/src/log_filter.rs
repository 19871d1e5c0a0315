//! Which events are logged, which can be changed while the process runs.

use std::sync::{Mutex, PoisonError};

use tracing_subscriber::{
    EnvFilter, Registry,
    filter::{ParseError, Targets},
    reload,
};

/// The longest filter, in bytes. Each directive of it costs a moment where an event is logged for the
/// first time.
const MAX_BYTES: usize = 1024;

/// The filter of a log.
#[derive(Debug)]
pub(crate) struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    at_start: String,
    in_use: Mutex<String>,
}

/// Why the filter of a log was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It is not one.
    #[error("the filter is invalid: {0}")]
    Invalid(String),
    /// It has too many directives.
    #[error("the filter is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// The process writes no log.
    #[error("logging has not been started")]
    NotStarted,
}

impl LogFilter {
    /// Returns the layer that filters events by this text, and what changes it. A directive of the text
    /// that is invalid has no effect.
    pub(crate) fn new(text: &str) -> (reload::Layer<EnvFilter, Registry>, Self) {
        let (layer, handle) = reload::Layer::new(EnvFilter::new(text));
        let filter =
            Self { handle, at_start: text.to_owned(), in_use: Mutex::new(text.to_owned()) };
        (layer, filter)
    }

    /// Returns the text of the filter that is in use.
    pub(crate) fn in_use(&self) -> String {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the filter. Returns its text.
    ///
    /// # Errors
    /// [`ChangeError`]; then nothing was changed.
    pub(crate) fn change(&self, text: &str) -> Result<String, ChangeError> {
        if text.len() > MAX_BYTES {
            return Err(ChangeError::TooLong);
        }
        if text.is_empty() {
            return Err(ChangeError::Invalid("it is empty".to_owned()));
        }
        // Conditions on spans and their fields are patterns, which can take any time to be compiled: for
        // whoever starts the program they do, and not for whoever reaches the port.
        if text.contains(['[', '{']) {
            let why = "while the process runs, directives are LEVEL, or TARGET=LEVEL";
            return Err(ChangeError::Invalid(why.to_owned()));
        }
        text.parse::<Targets>().map_err(|error| ChangeError::Invalid(error.to_string()))?;
        self.apply(text)
    }

    fn apply(&self, text: &str) -> Result<String, ChangeError> {
        let filter = EnvFilter::try_new(text)
            .map_err(|error: ParseError| ChangeError::Invalid(error.to_string()))?;
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        // The old filter still applies: the new one may hide this.
        tracing::warn!(from = %*in_use, to = text, "the filter of the log is changed");
        self.handle.reload(filter).map_err(|_gone| ChangeError::NotStarted)?;
        text.clone_into(&mut in_use);
        Ok(text.to_owned())
    }

    /// Returns to the filter at the start. Returns its text.
    ///
    /// # Errors
    /// [`ChangeError::NotStarted`] if there is no log any more.
    pub(crate) fn reset(&self) -> Result<String, ChangeError> {
        self.apply(&self.at_start)
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn a_change_takes_effect_and_a_reset_takes_it_back() {
        let (layer, filter) = LogFilter::new("info");
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let logs_debug = || tracing::enabled!(Level::DEBUG);
        assert!(!logs_debug());

        assert_eq!(filter.change("caseload_telemetry=debug").unwrap(), "caseload_telemetry=debug");
        assert!(logs_debug());
        assert_eq!(filter.in_use(), "caseload_telemetry=debug");

        assert_eq!(filter.reset().unwrap(), "info");
        assert!(!logs_debug());
        assert_eq!(filter.in_use(), "info");
    }

    #[test]
    fn an_invalid_filter_changes_nothing() {
        let (_layer, filter) = LogFilter::new("info");
        for (text, problem) in [
            ("", "the filter is invalid: it is empty"),
            ("a=b=c", "the filter is invalid: "),
            ("info,caseload=loud", "the filter is invalid: "),
            ("[a{b=(x|y)*(x|y)*z}]=info", "the filter is invalid: while the process runs"),
            ("[request]=debug", "the filter is invalid: while the process runs"),
            (&"a=info,".repeat(200), "the filter is longer than 1024 bytes"),
        ] {
            let error = filter.change(text).unwrap_err().to_string();
            assert!(error.starts_with(problem), "{text}: {error}");
        }
        assert_eq!(filter.in_use(), "info");
    }
}
