//! README.md and the pages of docs/: their commands are run or marked as not run, their links lead
//! somewhere, and the files that they show are as the pages show them.

mod commands;
mod included_files;
mod links;
mod page;

pub(crate) use commands::commands_to_run;
