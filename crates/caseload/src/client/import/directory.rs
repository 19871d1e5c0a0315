//! `caseload admin import`.

use super::{
    cases::Cases,
    engine::{self, Frame},
    input::Input,
    reader::Windows,
    records::Opened,
    rejects::Rejects,
    upsert::{Upsert, UpsertSink},
    users::Users,
};
use crate::{
    cli::DirectoryImportOptions,
    client::{connection::Client, error::ClientError, output::Output},
};

/// Creates or changes a user or a case for each line of a file. Returns the exit code.
pub(crate) async fn import(
    client: Client,
    options: DirectoryImportOptions,
    output: Output,
) -> Result<u8, ClientError> {
    let input = Input::open(&options.import)?;
    let size = input.size;
    let opened = input.read()?;
    let are_users = match (options.users, options.cases) {
        (true, _) => true,
        (_, true) => false,
        _ => opened.has_column_like("email").ok_or_else(|| {
            ClientError::Usage("give --users or --cases: the file has no header to tell".to_owned())
        })?,
    };
    let rejects = Rejects::create(&options.import, opened.header())?;
    let keeps_raw = options.import.rejects.is_some();
    let (concurrency, dry_run) = (options.concurrency, options.import.dry_run);
    let grace = client.timeout();
    let frame = Frame { concurrency, size, dry_run, rejects, output, grace };
    let client = client.wait_while_throttled();
    if are_users {
        run::<Users>(client, frame, opened, keeps_raw).await
    } else {
        run::<Cases>(client, frame, opened, keeps_raw).await
    }
}

async fn run<K: Upsert>(
    client: Client,
    frame: Frame,
    opened: Opened,
    keeps_raw: bool,
) -> Result<u8, ClientError> {
    let windows = Windows::start::<K>(opened.records::<K>()?, keeps_raw)
        .map_err(|error| ClientError::Io(error.to_string()))?;
    let sink = UpsertSink::<K>::new(client, frame.dry_run);
    engine::run(frame, sink, windows).await
}
