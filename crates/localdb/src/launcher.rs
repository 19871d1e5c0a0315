//! Running the server's programs: as whom, and how they get to the data directory.

use std::{
    env,
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Error, account::Account, binaries::Binaries};

/// Hands the directory that is standard input on as descriptor 9, and becomes the program.
const PASS_DIRECTORY: &str = r#"exec 9<&0 </dev/null; exec "$@""#;

/// What the directory's path is to the programs then.
const PASSED_DIRECTORY: &str = "/proc/self/fd/9";

/// Runs `initdb` and `postgres`.
///
/// Root's Postgres runs as another user, and that one may be unable to get to the data directory:
/// in root's home, say, or in a directory by `mktemp -d`. Linux has a way around that. We open the
/// directory as root and pass the descriptor on, and Postgres names it `/proc/self/fd/9`, which
/// leads there without going through the directories above. Postgres' own processes inherit it.
#[derive(Debug)]
pub(crate) struct Launcher {
    pub(crate) binaries: Binaries,
    /// `None`: as whoever we are.
    pub(crate) account: Option<Account>,
}

impl Launcher {
    /// A command for `program` on this data directory (`-D`), which must exist, with its messages
    /// going to `log`. It's given none of our `PG…` variables.
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
        shield(&mut command);
        Ok(command)
    }

    /// Gives a new directory to the user that Postgres runs as.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub(crate) fn own(&self, directory: &Path) -> Result<(), Error> {
        self.account.as_ref().map_or(Ok(()), |account| account.own(directory))
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

/// Keeps our surroundings from the programs: libpq's and Postgres' variables (`PGPORT`, `PGDATA`,
/// `PGOPTIONS`, …), the language, the time zone, and a working directory that they may not see.
pub(crate) fn shield(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
}
