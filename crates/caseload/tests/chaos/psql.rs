//! Statements that the test itself runs.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use localdb::Cluster;

/// Runs psql against a database, without a proxy.
#[derive(Clone)]
pub(crate) struct Psql {
    program: PathBuf,
    pub(crate) url: String,
}

impl Psql {
    pub(crate) fn new(cluster: &Cluster, database: &str) -> Self {
        Self { program: cluster.bin_dir().join("psql"), url: cluster.url(database) }
    }

    pub(crate) fn command(&self, sql: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args([&self.url, "-XAtqv", "ON_ERROR_STOP=1", "-c", sql]).stdin(Stdio::null());
        command
    }

    /// Runs SQL that fails while Postgres is down. Returns whether it succeeded.
    pub(crate) fn succeeds(&self, sql: &str) -> bool {
        self.command(sql).output().unwrap().status.success()
    }

    pub(crate) fn run(&self, sql: &str) -> String {
        let output = self.command(sql).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
