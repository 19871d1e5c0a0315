//! Command lines that are read or refused before anything is opened.

use std::{error::Error, process::ExitCode};

use clap::{
    Parser,
    error::{ContextKind, ContextValue},
};

/// The exit code for a bad command line or configuration: EX_USAGE of BSD's sysexits.
pub const USAGE: u8 = 64;

/// Reads the command line and the environment.
///
/// # Errors
/// The exit code to end with, after the help that was asked for (0) or a sentence about what is
/// wrong ([`USAGE`]) was printed.
pub fn parse<T: Parser>() -> Result<T, ExitCode> {
    T::try_parse().map_err(|mut error| {
        hide_secret(&mut error);
        // Nobody is left to tell where not even this can be printed.
        let _unprinted = error.print();
        if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
    })
}

/// Options whose values may hold a password.
const SECRET: [&str; 1] = ["--database-url"];

/// clap repeats what it refuses. A value that may be a secret is taken out, and so is a URL with a
/// user that stands where none belongs.
fn hide_secret(error: &mut clap::Error) {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return;
    };
    let hidden = || ContextValue::String("…".to_owned());
    if SECRET.iter().any(|secret| argument.starts_with(secret)) {
        error.insert(ContextKind::InvalidValue, hidden());
    } else if argument.contains("://") && argument.contains('@') {
        error.insert(ContextKind::InvalidArg, hidden());
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[arg(long)]
        database_url: Option<u8>,
        #[arg(long)]
        writers: Option<u8>,
    }

    fn refusal(arguments: &[&str]) -> String {
        let mut error = Cli::try_parse_from(arguments).unwrap_err();
        hide_secret(&mut error);
        error.to_string()
    }

    #[test]
    fn a_refused_secret_is_not_repeated() {
        const URL: &str = "postgresql://me:hunter2@db.example/caseload";
        for arguments in [&["test", "--database-url", URL][..], &["test", URL]] {
            let refusal = refusal(arguments);
            assert!(!refusal.contains("hunter2") && refusal.contains('…'), "{refusal}");
        }
        assert!(refusal(&["test", "--writers", "many"]).contains("'many'"));
    }
}
