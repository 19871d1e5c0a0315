//! Parses command lines before the program opens anything.

use std::{error::Error, process::ExitCode, time::Duration};

use clap::{
    Parser,
    error::{ContextKind, ContextValue},
};

/// The exit code for a bad command line or configuration: EX_USAGE of BSD's sysexits.
pub const USAGE: u8 = 64;

/// Parses the command line and the environment.
///
/// # Errors
/// The exit code of the process: 0 after the requested help was printed, [`USAGE`] after an error
/// message was printed.
pub fn parse<T: Parser>() -> Result<T, ExitCode> {
    T::try_parse().map_err(|mut error| {
        hide_secret(&mut error);
        // If not even this can be printed, nothing can be reported.
        let _unprinted = error.print();
        if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
    })
}

/// Options whose values may hold a password.
const SECRET: [&str; 1] = ["--database-url"];

/// Removes secrets from an error message: clap quotes what it rejects. The value of a secret option
/// is removed, and so is a URL with a user anywhere.
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

/// Parses a duration that must be more than zero, such as `10s`.
///
/// # Errors
/// A message for clap to print.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("it must be more than 0s".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

/// Prints why a program fails, with all causes in one line. Returns its exit code.
pub fn fail(error: &dyn Error) -> ExitCode {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    // libpq's messages have several lines, the last of which is empty.
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

    fn error_message(arguments: &[&str]) -> String {
        let mut error = Cli::try_parse_from(arguments).unwrap_err();
        hide_secret(&mut error);
        error.to_string()
    }

    #[test]
    fn an_error_message_does_not_contain_a_rejected_secret() {
        const URL: &str = "postgresql://me:hunter2@db.example/caseload";
        for arguments in [
            &["test", "--database-url", "hunter2"][..],
            &["test", "--writers", URL],
            &["test", URL],
        ] {
            let message = error_message(arguments);
            assert!(!message.contains("hunter2") && message.contains('…'), "{message}");
        }
        assert!(error_message(&["test", "--writers", "many"]).contains("'many'"));
    }
}
