//! Logs: one line an event, to standard error.

use std::io::{self, IsTerminal as _};

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// What is logged, and how it looks.
#[derive(Args, Clone, Debug)]
pub struct LogOptions {
    /// What is logged: error, warn, info, debug or trace; also by module, as in
    /// `info,caseload_server=debug`
    #[arg(long, env = "CASELOAD_LOG_LEVEL", default_value = "info", value_parser = filter, value_name = "FILTER", global = true)]
    pub log_level: String,

    /// How a line of the log looks
    #[arg(long, env = "CASELOAD_LOG_FORMAT", default_value = "auto", global = true)]
    pub log_format: LogFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere
    Auto,
    /// For people
    Text,
    /// For machines: one JSON object a line
    Json,
}

fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Starts logging for the process. A second call changes nothing.
pub fn start(options: &LogOptions) {
    let is_terminal = io::stderr().is_terminal();
    let as_json = match options.log_format {
        LogFormat::Auto => !is_terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let lines = fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(EnvFilter::new(&options.log_level));
    let started = if as_json {
        registry.with(lines.json().flatten_event(true).with_span_list(false)).try_init()
    } else {
        registry.with(lines.with_ansi(is_terminal).with_target(false)).try_init()
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
