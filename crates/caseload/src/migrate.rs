//! `caseload migrate`: brings the schema up to date, or checks that it is.

use crate::{admin, cli::MigrateOptions, failure::Failure};

pub(crate) async fn run(options: MigrateOptions) -> Result<(), Failure> {
    let database = admin::open(&options.database.database_url);
    if options.check {
        let pending = database.pending_migrations().await?;
        for name in &pending {
            println!("pending: {name}");
        }
        return if pending.is_empty() {
            println!("the schema is up to date");
            Ok(())
        } else {
            Err("the schema is not up to date; run caseload migrate".into())
        };
    }
    let run = database.migrate().await?;
    for name in &run {
        println!("migrated: {name}");
    }
    println!("the schema is up to date");
    Ok(())
}
