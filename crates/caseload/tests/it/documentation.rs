//! README.md and the pages of docs/: their commands are run or marked as not run, their links lead
//! somewhere, and the files that they show are as the pages show them.

mod commands;
mod included_files;
mod links;
mod page;
mod page_commands;

pub(crate) use page_commands::PageCommands;
