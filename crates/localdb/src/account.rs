//! The unprivileged user that runs Postgres for root.

use std::{
    fs::{self, File},
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::geteuid;

use crate::Error;

const PASSWORDS: &str = "/etc/passwd";

/// The user that runs Postgres if this process runs as root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// Chooses the user that runs Postgres. Returns `None` if this process does not run as root:
    /// Postgres then runs as the same user. For root it is the owner of `data_dir` if that exists,
    /// else `postgres`, else `nobody`.
    ///
    /// # Errors
    /// [`Error::NoAccount`]; [`Error::Io`] if `/etc/passwd` can't be read.
    pub(crate) fn choose(data_dir: &Path) -> Result<Option<Self>, Error> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let passwords = fs::read(PASSWORDS).map_err(Error::io(format!("read {PASSWORDS}")))?;
        let passwords = String::from_utf8_lossy(&passwords);
        if let Ok(owner) = fs::metadata(data_dir)
            && owner.uid() != 0
        {
            return Ok(Some(Self::owner(&passwords, owner.uid(), owner.gid())));
        }
        let account = named(&passwords, "postgres").or_else(|| named(&passwords, "nobody"));
        account.map(Some).ok_or(Error::NoAccount)
    }

    fn owner(passwords: &str, uid: u32, gid: u32) -> Self {
        let known = accounts(passwords).find(|account| account.uid == uid);
        known.unwrap_or_else(|| Self { name: format!("number {uid}"), uid, gid })
    }

    /// Makes `command` run as this user, in its primary group only.
    pub(crate) fn run(&self, command: &mut Command) {
        // For a process of root, std also clears the supplementary groups.
        command.uid(self.uid).gid(self.gid);
    }

    /// Makes this user the owner of a directory.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub(crate) fn take_ownership(&self, directory: &Path) -> Result<(), Error> {
        let action = format!("change the owner of {} to {}", directory.display(), self.name);
        chown(directory, Some(self.uid), Some(self.gid)).map_err(Error::io(action))
    }

    /// Whether this user can enter `directory` by its path. A process tries it: modes alone would
    /// miss access control lists.
    ///
    /// # Errors
    /// [`Error::Io`] if no program can be run as this user.
    pub(crate) fn can_enter(&self, directory: &Path) -> Result<bool, Error> {
        self.try_entering(directory, Stdio::null())
    }

    /// Whether this user can enter `directory` through an open descriptor. See
    /// [`Launcher`](crate::launcher::Launcher).
    ///
    /// # Errors
    /// [`Error::Io`]
    pub(crate) fn can_enter_open(&self, directory: File) -> Result<bool, Error> {
        self.try_entering(Path::new("/proc/self/fd/0"), directory.into())
    }

    fn try_entering(&self, directory: &Path, stdin: Stdio) -> Result<bool, Error> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"cd "$1""#, "can-enter"]).arg(directory).current_dir("/");
        command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null());
        self.run(&mut command);
        let status = command.status();
        let action = format!("run a program as user {}", self.name);
        status.map(|status| status.success()).map_err(Error::io(action))
    }

    /// Returns the outermost ancestor of `directory` that this user can't enter, or `directory`
    /// itself if it can enter all ancestors.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub(crate) fn first_closed(&self, directory: &Path) -> Result<PathBuf, Error> {
        let mut ancestors: Vec<_> = directory.ancestors().collect();
        ancestors.reverse();
        for ancestor in ancestors {
            if !self.can_enter(ancestor)? {
                return Ok(ancestor.to_path_buf());
            }
        }
        Ok(directory.to_path_buf())
    }
}

/// Parses the lines of a passwd(5) file, `name:password:uid:gid:…`; skips malformed ones.
fn accounts(passwords: &str) -> impl Iterator<Item = Account> {
    passwords.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = number(fields.nth(1)?)?;
        let gid = number(fields.next()?)?;
        Some(Account { name, uid, gid })
    })
}

fn named(passwords: &str, name: &str) -> Option<Account> {
    accounts(passwords).find(|account| account.name == name && account.uid != 0)
}

/// Parses the number of a user or a group. macOS writes that of nobody as -2, meaning 2^32 - 2.
fn number(field: &str) -> Option<u32> {
    let number: i64 = field.parse().ok()?;
    u32::try_from(number).ok().or_else(|| i32::try_from(number).ok().map(i32::cast_unsigned))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# a comment\nroot:x:0:0:root:/root:/bin/bash\nbroken\n\
                        nobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false\n\
                        postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n";

    fn account(name: &str, uid: u32, gid: u32) -> Account {
        Account { name: name.to_owned(), uid, gid }
    }

    #[test]
    fn users_are_found_by_name() {
        assert_eq!(named(FILE, "postgres"), Some(account("postgres", 101, 104)));
        assert_eq!(named(FILE, "nobody"), Some(account("nobody", u32::MAX - 1, u32::MAX - 1)));
        assert_eq!(named(FILE, "post"), None);
    }

    #[test]
    fn root_is_never_chosen() {
        assert_eq!(named(FILE, "root"), None);
    }

    #[test]
    fn an_owner_without_an_entry_is_named_by_its_number() {
        assert_eq!(Account::owner(FILE, 101, 7), account("postgres", 101, 104));
        assert_eq!(Account::owner(FILE, 1234, 7), account("number 1234", 1234, 7));
    }
}
