//! The private Postgres of `caseload dev`.

use std::path::PathBuf;

use localdb::Cluster;
use tokio::task::spawn_blocking;

use crate::failure::Failure;

const DATABASE: &str = "caseload";

/// A running private Postgres with the service's database.
pub(super) struct Postgres(Cluster);

impl Postgres {
    /// Starts Postgres on the data in this directory, and creates them if there are none.
    pub(super) async fn start(dir: PathBuf) -> Result<Self, Failure> {
        tracing::info!(dir = %dir.display(), "starting a private Postgres");
        let cluster = spawn_blocking(move || {
            let cluster = Cluster::persistent(dir).start()?;
            if !cluster.has_database(DATABASE)? {
                cluster.create_database(DATABASE, None)?;
            }
            Ok::<_, localdb::Error>(cluster)
        });
        Ok(Self(cluster.await??))
    }

    pub(super) fn url(&self) -> String {
        self.0.url(DATABASE)
    }

    /// Stops Postgres, after ending the sessions of its clients.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        Ok(spawn_blocking(move || self.0.stop()).await??)
    }
}
