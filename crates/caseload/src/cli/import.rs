//! The options of imports.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use runtime::command_line::count;

/// A file of lines to import.
#[derive(Args)]
pub(crate) struct ImportOptions {
    /// The file; - stands for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The format of the file [default: by its name, .csv, .ndjson or .jsonl]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,

    /// Write the refused lines to this file, in the format of the imported one
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,

    /// Check every line, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values (RFC 4180) in UTF-8; the first line names the columns
    Csv,
    /// A JSON object on each line
    Ndjson,
}

/// The most batches of tasks under way at once. It never grows: a run relies on it to find out how far
/// one before may have come.
pub(crate) const MAX_CONCURRENCY: usize = 32;

#[derive(Args)]
pub(crate) struct TaskImportOptions {
    #[command(flatten)]
    pub(crate) import: ImportOptions,

    /// The case to which the tasks belong
    #[arg(long = "case", value_parser = clap::value_parser!(i64).range(1..), value_name = "ID")]
    pub(crate) case_id: i64,

    /// The most batches under way at once
    #[arg(long, default_value = "8", value_parser = count(1..=MAX_CONCURRENCY), value_name = "COUNT")]
    pub(crate) concurrency: usize,

    /// What makes this import another one than those before: 1 to 200 characters [default: the
    /// name of the file]
    #[arg(long, value_parser = import_id, value_name = "TEXT")]
    pub(crate) import_id: Option<String>,
}

#[derive(Args)]
pub(crate) struct DirectoryImportOptions {
    #[command(flatten)]
    pub(crate) import: ImportOptions,

    /// The file has users [default: if it has a column "email"]
    #[arg(long, conflicts_with = "cases")]
    pub(crate) users: bool,

    /// The file has cases [default: if it has no column "email"]
    #[arg(long)]
    pub(crate) cases: bool,

    /// The most calls under way at once
    #[arg(long, default_value = "2", value_parser = count(1_usize..=8), value_name = "COUNT")]
    pub(crate) concurrency: usize,
}

fn import_id(text: &str) -> Result<String, &'static str> {
    match text.chars().count() {
        1..=200 => Ok(text.to_owned()),
        _ => Err("it must have 1 to 200 characters"),
    }
}
