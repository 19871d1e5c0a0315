//! `caseload tasks` and `caseload admin import`: from a shell to rows in a database.

mod directory;
mod errors;
mod full_server;
mod import;
mod import_files;
mod import_progress;
mod import_stops;
mod shell;
mod tasks;
mod terminal;
mod tls;
mod tls_proxy;
mod tls_reconnects;
