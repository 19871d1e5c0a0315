//! A private Postgres from the installed server binaries.
//!
//! ```no_run
//! let cluster = localdb::Cluster::temporary().start()?;
//! cluster.create_database("orders", None)?;
//! println!("{}", cluster.url("orders"));
//! # Ok::<(), localdb::Error>(())
//! ```
//!
//! [`Cluster::temporary`] is for tests and benches, [`Cluster::persistent`] for a developer's own
//! data, [`Cluster::standby_of`] for what a failover does. Each stops when the [`Cluster`] is dropped, and also when its process is killed or ends
//! without running destructors: a guardian, a small shell script in a process of its own, sees to it.
//!
//! The server listens on a Unix socket only, in a directory that nobody but its own user (and root)
//! can enter, and asks for no password there. Postgres refuses to run as root; root's clusters
//! run as the user `postgres`, else `nobody`.
//!
//! Every call blocks; there is no async runtime in here. Linux and macOS.

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

pub use builder::Builder;
pub use cluster::Cluster;
pub use error::Error;
