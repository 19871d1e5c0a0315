//! The environment variables that configure OpenTelemetry, and what is wrong with them.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

/// A variable that says where spans go, but not in a way that can be used. Its value is not shown: it may have a
/// secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}")]
pub struct SettingsError {
    /// Which variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// A variable whose value is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Warning {
    pub(super) variable: &'static str,
    pub(super) problem: &'static str,
    /// What is used instead.
    pub(super) used: String,
}

/// Reads variables, and collects warnings.
pub(super) struct Variables<F> {
    read: F,
    pub(super) warnings: Vec<Warning>,
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    pub(super) fn new(read: F) -> Self {
        Self { read, warnings: Vec::new() }
    }

    /// Returns the value of a variable. One that is empty counts as not set.
    pub(super) fn get(&self, variable: &'static str) -> Option<String> {
        let value = (self.read)(variable)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Returns the first of two variables that is set, the one about traces alone, and its value.
    pub(super) fn either(
        &self,
        of_traces: &'static str,
        of_all: &'static str,
    ) -> Option<(&'static str, String)> {
        let of_traces = self.get(of_traces).map(|value| (of_traces, value));
        of_traces.or_else(|| self.get(of_all).map(|value| (of_all, value)))
    }

    /// Whether a variable is `true`. Anything else is false.
    pub(super) fn flag(&mut self, variable: &'static str) -> bool {
        match self.get(variable).map(|value| value.to_ascii_lowercase()).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.warn(variable, "is neither true nor false", "false");
                false
            }
        }
    }

    /// Returns the number in a variable, or the default if it is not set or can't be used.
    pub(super) fn number<T>(
        &mut self,
        variable: &'static str,
        valid: &RangeInclusive<T>,
        default: T,
    ) -> T
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let Some(value) = self.get(variable) else { return default };
        match value.parse() {
            Ok(number) if valid.contains(&number) => number,
            Ok(_) => self.warned(variable, "is out of range", default),
            Err(_) => self.warned(variable, "is no number", default),
        }
    }

    /// Returns the time that a variable has in milliseconds: at least one, and at most an hour.
    pub(super) fn millis(&mut self, variable: &'static str, default: u64) -> Duration {
        Duration::from_millis(self.number(variable, &(1..=3_600_000), default))
    }

    fn warned<T: Display>(&mut self, variable: &'static str, problem: &'static str, used: T) -> T {
        self.warn(variable, problem, &used.to_string());
        used
    }

    pub(super) fn warn(&mut self, variable: &'static str, problem: &'static str, used: &str) {
        self.warnings.push(Warning { variable, problem, used: used.to_owned() });
    }
}
