//! The commands of a page, in a shell.

use std::{
    env,
    fs::File,
    io::{Read as _, Seek as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{commands::commands_to_run, page::root};
use crate::support::{CASELOAD, polling::TEST_TIMEOUT, postgres_program};

/// How long the commands of a page may take: they are several.
const LIMIT: Duration = TEST_TIMEOUT.saturating_mul(4);

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
        let mut shell = Command::new("bash");
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

    /// Has them run after a command that a reader finds elsewhere, in the same shell.
    pub(crate) fn after(mut self, command: &str) -> Self {
        self.text = format!("{command}\n{}", self.text);
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

    /// Runs the commands, which must all succeed in time, and returns what they print.
    #[track_caller]
    pub(crate) fn run(mut self) -> String {
        let (mut stdout, mut stderr) =
            (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        self.shell.args(["-euo", "pipefail", "-c", &self.text]).stdin(Stdio::null());
        self.shell.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
        let status = wait(self.shell.process_group(0).spawn().unwrap());
        let (stdout, stderr) = (text(&mut stdout), text(&mut stderr));
        let succeeded = status.is_some_and(|status| status.success());
        assert!(succeeded, "{}: {status:?}: {}\n{stdout}\n{stderr}", self.page, self.text);
        stdout
    }
}

/// Waits for a process, the leader of its group. Kills all of the group, and returns `None`, if it takes too
/// long.
fn wait(mut process: Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        if let Some(status) = process.try_wait().unwrap() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    let group = format!("-{}", process.id());
    let _gone = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
    let _killed = process.wait();
    None
}

/// Returns what was written to a file.
fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
