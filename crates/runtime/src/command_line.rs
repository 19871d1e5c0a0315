//! Command lines that are read or refused before anything is opened.

use std::{error::Error, process::ExitCode, time::Duration};

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

/// clap repeats what it refuses. The value of a secret option is taken out, and so is a URL with a
/// user wherever it stands.
fn hide_secret(error: &mut clap::Error) {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let has_user = |text: &str| text.contains("://") && text.contains('@');
    let (argument, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
    let hides_value = has_user(value) || SECRET.iter().any(|secret| argument.starts_with(secret));
    let hides_argument = has_user(argument);
    let hidden = || ContextValue::String("…".to_owned());
    if hides_value {
        error.insert(ContextKind::InvalidValue, hidden());
    }
    if hides_argument {
        error.insert(ContextKind::InvalidArg, hidden());
    }
}

/// Reads a duration that is more than none.
///
/// # Errors
/// What is wrong with it, for clap to print.
pub fn above_zero(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("more than 0s is needed".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
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
    // libpq's messages have several lines, and end in an empty one.
    let words: Vec<&str> = line.split_whitespace().collect();
    eprintln!("error: {}", words.join(" "));
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
        for arguments in [
            &["test", "--database-url", "hunter2"][..],
            &["test", "--writers", URL],
            &["test", URL],
        ] {
            let refusal = refusal(arguments);
            assert!(!refusal.contains("hunter2") && refusal.contains('…'), "{refusal}");
        }
        assert!(refusal(&["test", "--writers", "many"]).contains("'many'"));
    }
}
