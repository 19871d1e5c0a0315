//! Runs SQL with `psql`.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{Error, launcher::reset_environment};

/// The maximum length of a name in Postgres, in bytes.
const LONGEST_NAME: usize = 63;

/// Runs `sql` and returns its result: rows as lines, columns separated by `|`.
///
/// # Errors
/// [`Error::Psql`] with the message of psql; [`Error::Io`] if psql can't be run.
pub(crate) fn run(psql: &Path, url: &str, sql: &str) -> Result<String, Error> {
    let mut command = Command::new(psql);
    reset_environment(&mut command);
    command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password"]);
    command.args(["--set=ON_ERROR_STOP=1", "--command", sql, "--dbname", url]);
    // A paused server accepts connections, but never responds.
    command.env("PGCONNECT_TIMEOUT", "10").stdin(Stdio::null());
    let output = command.output().map_err(Error::io(format!("run {}", psql.display())))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        return Err(Error::Psql { message });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Checks the name of a database, which is put into SQL without escaping.
///
/// # Errors
/// [`Error::BadName`] unless it has 1 to 63 of `a-z`, `0-9` and `_`.
pub(crate) fn check_name(name: &str) -> Result<&str, Error> {
    let fits = (1..=LONGEST_NAME).contains(&name.len());
    if fits && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
        return Ok(name);
    }
    Err(Error::BadName { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_accepted() {
        for good in ["a", "case_load_7", "7", &"x".repeat(63)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a-b", "a b", "a\"b", "a'b", "ä", "a\0", &"x".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
