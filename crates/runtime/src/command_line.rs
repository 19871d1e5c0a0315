//! Command lines that are read or refused before anything is opened.

use std::{error::Error, process::ExitCode};

use clap::Parser;

/// The exit code for a bad command line or configuration: EX_USAGE of BSD's sysexits.
pub const USAGE: u8 = 64;

/// Reads the command line and the environment.
///
/// # Errors
/// The exit code to end with, after the help that was asked for (0) or a sentence about what is
/// wrong ([`USAGE`]) was printed.
pub fn parse<T: Parser>() -> Result<T, ExitCode> {
    T::try_parse().map_err(|error| {
        // Nobody is left to tell where not even this can be printed.
        let _unprinted = error.print();
        if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
    })
}

/// Tells why a program ends, with all causes in one line, and the exit code to end with.
pub fn fail(error: &dyn Error) -> ExitCode {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    eprintln!("error: {line}");
    ExitCode::FAILURE
}
