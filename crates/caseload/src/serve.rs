//! `caseload serve`

use runtime::{CancellationToken, shutdown};
use server::Server;

use crate::{Failure, cli::ServeOptions};

pub(crate) async fn run(options: Box<ServeOptions>) -> Result<(), Failure> {
    let ServeOptions { database, server, connections, drain } = *options;
    let ending = CancellationToken::new();
    shutdown::on_signal(ending.clone())?;
    let server = Server::bind(server, &database.database_url).await?;
    tracing::info!(addr = %server.local_addr(), database = %database.database_url, "serving gRPC");
    Ok(server.run(connections, drain, ending).await?)
}
