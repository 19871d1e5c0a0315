//! Runs the server's programs as the right user, with access to the data directory.

use std::{
    env,
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Error, account::Account, binaries::Binaries};

/// Passes the directory that is standard input to the program as descriptor 9.
const PASS_DIRECTORY: &str = r#"exec 9<&0 </dev/null; exec "$@""#;

/// The path of that descriptor.
const PASSED_DIRECTORY: &str = "/proc/self/fd/9";

/// Runs `initdb` and `postgres`.
///
/// Root's Postgres runs as another user, who may have no access to the ancestors of the data
/// directory, for instance in root's home or below `mktemp -d`. On Linux, root then opens the
/// directory and passes the descriptor, and Postgres uses the path `/proc/self/fd/9`, which needs
/// no access to the ancestors. The child processes of Postgres inherit the descriptor.
#[derive(Debug)]
pub(crate) struct Launcher {
    pub(crate) binaries: Binaries,
    /// `None` for the user of this process.
    pub(crate) account: Option<Account>,
}

impl Launcher {
    /// Returns the command for `program` on a data directory (`-D`), which must exist. Its output
    /// goes to `log`. It inherits no `PG…` variables.
    ///
    /// # Errors
    /// [`Error::CannotEnter`], [`Error::Io`]
    pub(crate) fn command(
        &self,
        program: &str,
        data_dir: &Path,
        log: File,
    ) -> Result<Command, Error> {
        let program = self.binaries.program(program);
        let mut command = match &self.account {
            Some(account) if !account.can_enter(data_dir)? => {
                through_descriptor(&program, data_dir, account)?
            }
            _ => by_path(&program, data_dir),
        };
        if let Some(account) = &self.account {
            account.run(&mut command);
        }
        let messages = log.try_clone().map_err(Error::io("write to the log"))?;
        command.stdout(messages).stderr(log);
        reset_environment(&mut command);
        Ok(command)
    }

    /// Makes the user that runs Postgres the owner of a new directory.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub(crate) fn take_ownership(&self, directory: &Path) -> Result<(), Error> {
        self.account.as_ref().map_or(Ok(()), |account| account.take_ownership(directory))
    }
}

fn by_path(program: &PathBuf, data_dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("-D").arg(data_dir).stdin(Stdio::null());
    command
}

fn through_descriptor(
    program: &Path,
    data_dir: &Path,
    account: &Account,
) -> Result<Command, Error> {
    let open = || {
        let action = format!("open the directory {}", data_dir.display());
        File::open(data_dir).map_err(Error::io(action))
    };
    if !account.can_enter_open(open()?)? {
        let directory = account.first_closed(data_dir)?;
        return Err(Error::CannotEnter { directory, account: account.name.clone() });
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", PASS_DIRECTORY, "pass-directory"]).arg(program);
    command.args(["-D", PASSED_DIRECTORY]).stdin(open()?);
    Ok(command)
}

/// Resets the environment of a program: the variables of libpq and Postgres (`PGPORT`, `PGDATA`,
/// `PGOPTIONS`, …), the language, the time zone, and the working directory, which its user may not
/// be able to read.
pub(crate) fn reset_environment(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
}
