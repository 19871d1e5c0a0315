//! Talking SQL to a cluster, through `psql`.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{Error, launcher::shield};

/// The most bytes that Postgres keeps of a name.
const LONGEST_NAME: usize = 63;

/// Runs `sql` and returns what it printed: rows as lines, columns parted by `|`.
///
/// # Errors
/// [`Error::Psql`] with psql's own words; [`Error::Io`] where it can't be run.
pub(crate) fn run(psql: &Path, url: &str, sql: &str) -> Result<String, Error> {
    let mut command = Command::new(psql);
    shield(&mut command);
    command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password"]);
    command.args(["--set=ON_ERROR_STOP=1", "--command", sql, "--dbname", url]);
    // A paused server accepts connections, and then says nothing.
    command.env("PGCONNECT_TIMEOUT", "10").stdin(Stdio::null());
    let output = command.output().map_err(Error::io(format!("run {}", psql.display())))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        return Err(Error::Psql { message });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Checks a database's name: it's put into SQL as it is.
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
    fn names_are_plain() {
        for good in ["a", "case_load_7", "7", &"x".repeat(63)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a-b", "a b", "a\"b", "a'b", "ä", "a\0", &"x".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
