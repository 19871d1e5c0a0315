//! The commands of a page, in a shell.

use std::{env, path::Path, process::Command};

use super::{commands::commands_to_run, page::root};
use crate::support::{CASELOAD, postgres_program};

/// The blocks of a page with the same name, which are run in one shell, in their order.
pub(crate) struct PageCommands {
    page: String,
    text: String,
    shell: Command,
}

impl PageCommands {
    /// Returns the commands of a page in blocks after `<!-- run: NAME -->`. They find the programs of this
    /// project and of Postgres, and run in the root of the project.
    pub(crate) fn of(page: &str, name: &str) -> Self {
        let mut shell = Command::new("sh");
        let psql = postgres_program("psql");
        let programs = [Path::new(CASELOAD), Path::new(psql.get_program())];
        let directories = programs.into_iter().filter_map(Path::parent).map(Path::to_owned);
        let path = env::var_os("PATH").unwrap();
        let path = env::join_paths(directories.chain(env::split_paths(&path))).unwrap();
        shell.current_dir(root()).env("PATH", path).env("no_proxy", "*");
        Self { page: page.to_owned(), text: commands_to_run(page, name).join("\n"), shell }
    }

    /// Replaces what a reader replaces: addresses, keys.
    pub(crate) fn replace(mut self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "{} has no {from:?}:\n{}", self.page, self.text);
        self.text = self.text.replace(from, to);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.shell.env(name, value);
        self
    }

    pub(crate) fn in_directory(mut self, directory: &Path) -> Self {
        self.shell.current_dir(directory);
        self
    }

    /// Runs the commands, which must all succeed, and returns what they print.
    #[track_caller]
    pub(crate) fn run(mut self) -> String {
        let output = self.shell.args(["-euc", &self.text]).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let succeeded = output.status.success();
        assert!(succeeded, "{}: {}\n{stdout}\n{stderr}", self.page, self.text);
        stdout
    }
}
