//! The admin port, metrics, the dashboard, the rules, and traces.

mod admin_port;
mod alerts;
mod certificates;
mod collector;
mod dashboard;
mod documented;
mod installation;
mod lag;
mod metrics;
mod otlp;
mod promql;
mod rules;
mod scrape;
mod trace_export;
mod trace_tls;
mod traced;
mod traces;

use std::{fs, path::PathBuf};

/// Returns a file of the repository.
fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
