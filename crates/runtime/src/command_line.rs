//! Parses command lines before the program opens anything.

use std::{error::Error, fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use clap::{
    CommandFactory, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// The exit code for success.
pub const SUCCESS: u8 = 0;

/// The exit code for a failure.
pub const FAILURE: u8 = 1;

/// The exit code for a bad command line or configuration: EX_USAGE of BSD's sysexits.
pub const USAGE: u8 = 64;

/// Parses the command line and the environment.
///
/// # Errors
/// The exit code of the process: [`SUCCESS`] after the requested help was printed, [`USAGE`] after an error
/// message was printed.
pub fn parse<T: Parser>() -> Result<T, u8> {
    T::try_parse().map_err(|mut error| {
        hide_secret(&mut error);
        // If not even this can be printed, nothing can be reported.
        let _unprinted = error.print();
        if error.use_stderr() { USAGE } else { SUCCESS }
    })
}

/// Prints that options contradict each other. Returns the exit code, [`USAGE`].
pub fn reject<T: CommandFactory>(message: &str) -> u8 {
    let error = T::command().error(ErrorKind::ArgumentConflict, message);
    // If not even this can be printed, nothing can be reported.
    let _unprinted = error.print();
    USAGE
}

/// Options whose values may hold a password.
const SECRET: [&str; 1] = ["--database-url"];

/// How API keys begin.
const KEY_PREFIX: &str = "cl_";

/// Removes secrets from an error message: clap quotes what it rejects. The value of a secret option
/// is removed, and so is a URL with a user or an API key anywhere.
fn hide_secret(error: &mut clap::Error) {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let is_secret =
        |text: &str| (text.contains("://") && text.contains('@')) || text.contains(KEY_PREFIX);
    let (argument, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
    let hides_value = is_secret(value) || SECRET.iter().any(|secret| argument.starts_with(secret));
    let hides_argument = is_secret(argument);
    let hidden = || ContextValue::String("…".to_owned());
    if hides_value {
        error.insert(ContextKind::InvalidValue, hidden());
    }
    if hides_argument {
        error.insert(ContextKind::InvalidArg, hidden());
    }
}

/// The shortest timeout.
pub const MILLISECOND: Duration = Duration::from_millis(1);

/// The longest timeout.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// A year of 365.25 days, as in `1y` on the command line.
pub const YEAR: Duration = Duration::from_secs(31_557_600);

/// Returns a parser for an option that is a duration, such as `10s`, within bounds.
pub fn duration(
    bounds: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text: &str| {
        let show = |bound: &Duration| humantime::format_duration(*bound).to_string();
        bounded(humantime::parse_duration(text), &bounds, show)
    }
}

/// Returns a parser for an option that is a whole number within bounds. The type of the bounds must
/// be the type of the option.
pub fn count<T>(
    bounds: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr<Err: Display> + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text: &str| bounded(text.parse(), &bounds, T::to_string)
}

/// Returns the value if it is within the bounds, or else a message for clap to print.
fn bounded<T: PartialOrd, E: Display>(
    parsed: Result<T, E>,
    bounds: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Result<T, String> {
    let rule = || {
        format!("it must be at least {} and at most {}", show(bounds.start()), show(bounds.end()))
    };
    match parsed {
        Ok(value) if bounds.contains(&value) => Ok(value),
        Ok(_) => Err(rule()),
        Err(error) => Err(format!("{error}; {}", rule())),
    }
}

/// Prints why a program fails, with all causes in one line. Returns its exit code, [`FAILURE`].
pub fn fail(error: &dyn Error) -> u8 {
    print_causes(error);
    FAILURE
}

/// Prints what is wrong with the files that configure a program, with all causes in one line. Returns the
/// exit code, [`USAGE`].
pub fn misconfigured(error: &dyn Error) -> u8 {
    print_causes(error);
    USAGE
}

fn print_causes(error: &dyn Error) {
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
            &["test", "cl_hunter2"],
            &["test", "--writers", "cl_hunter2"],
        ] {
            let message = error_message(arguments);
            assert!(!message.contains("hunter2") && message.contains('…'), "{message}");
        }
        let message = error_message(&["test", "--api-key=cl_hunter2"]);
        assert!(!message.contains("hunter2"), "{message}");
        assert!(error_message(&["test", "--writers", "many"]).contains("'many'"));
    }

    #[test]
    fn a_duration_is_accepted_from_the_lower_to_the_upper_bound() {
        let parse = duration(MILLISECOND..=DAY);
        for (text, parsed) in [
            ("1ms", MILLISECOND),
            ("0.5s", Duration::from_millis(500)),
            ("1h 30m", Duration::from_secs(5400)),
            ("24h", DAY),
        ] {
            assert_eq!(parse(text), Ok(parsed));
        }
        for text in [
            "",
            "0",
            "0s",
            "1ns",
            "999us",
            "24h 1ns",
            "8000y",
            "18446744073709551615",
            "-1",
            "1e9",
            "18446744073709551615y",
            "99999999999y",
            "10",
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.ends_with("it must be at least 1ms and at most 1day"), "{message}");
        }
        assert_eq!(duration(Duration::ZERO..=YEAR)("0s"), Ok(Duration::ZERO));
        assert_eq!(duration(Duration::ZERO..=YEAR)("1y"), Ok(YEAR));
    }

    #[test]
    fn a_count_is_accepted_from_the_lower_to_the_upper_bound() {
        let parse = count(1_u32..=1024);
        assert_eq!((parse("1"), parse("1024")), (Ok(1), Ok(1024)));
        for text in ["", "0", "1025", "18446744073709551615", "-1", "1e9", "1.5", " 1", "0x10"] {
            let message = parse(text).unwrap_err();
            assert!(message.ends_with("it must be at least 1 and at most 1024"), "{message}");
        }
    }
}
