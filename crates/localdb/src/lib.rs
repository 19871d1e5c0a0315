//! A private Postgres from the installed server binaries.
//!
//! ```no_run
//! let cluster = localdb::Cluster::temporary().start()?;
//! cluster.create_database("orders", None)?;
//! println!("{}", cluster.url("orders"));
//! # Ok::<(), localdb::Error>(())
//! ```
//!
//! [`Cluster::temporary`] is for tests and benches, [`Cluster::persistent`] for the data of a
//! developer, [`Cluster::standby_of`] for tests of failovers. Postgres stops when the [`Cluster`]
//! is dropped, and also when its process is killed or ends without running destructors: a guardian,
//! a small shell script in its own process, then stops it.
//!
//! The server listens only on a Unix socket, in a directory that only its user and root can enter,
//! and asks for no password. For tests of TLS it also listens on a loopback port
//! ([`Builder::loopback_port`]). Postgres refuses to run as root; the clusters of root run as the user
//! `postgres`, else `nobody`.
//!
//! All calls block. Linux and macOS.

mod account;
mod binaries;
mod builder;
mod cluster;
mod error;
mod guardian;
mod home;
mod initdb;
mod launcher;
mod leftover;
mod lock;
mod log;
mod pid_file;
mod postmaster;
mod process;
mod psql;
mod version;

pub use builder::Builder;
pub use cluster::Cluster;
pub use error::Error;
