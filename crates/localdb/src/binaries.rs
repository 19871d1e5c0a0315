//! Finds the installed server programs.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Error,
    version::{self, OLDEST_MAJOR, leading_number},
};

/// The environment variable with the directory that is searched first.
const DIRECTORY_VARIABLE: &str = "CASELOAD_POSTGRES_BIN";

/// The directories of packages: a parent, and the prefix of its children, which end with a version.
const VERSIONED: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// The directory that Postgres' own `make install` uses.
const FROM_SOURCE: &str = "/usr/local/pgsql/bin";

/// One installed Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    /// The directory with `initdb`, `postgres`, `psql` and the rest.
    pub(crate) directory: PathBuf,
    /// The major version, such as 17.
    pub(crate) major: u32,
}

impl Binaries {
    /// Finds the first usable Postgres: in CASELOAD_POSTGRES_BIN, on PATH, in the directory that
    /// `pg_config` prints, and in the directories of the usual packages, newest version first.
    ///
    /// `data` is an existing data directory and the major version that it needs.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], [`Error::IncompleteBinaries`], [`Error::TooOld`], and
    /// [`Error::OtherMajor`] if `data` needs a version that is not installed.
    pub(crate) fn find(data: Option<(&Path, u32)>) -> Result<Self, Error> {
        let mut candidates = Vec::new();
        if let Some(named) = env::var_os(DIRECTORY_VARIABLE).filter(|value| !value.is_empty()) {
            let directory = PathBuf::from(named);
            if !is_complete(&directory) {
                return Err(Error::IncompleteBinaries { directory });
            }
            candidates.push(directory);
        }
        candidates.extend(on_path(env::var_os("PATH")));
        candidates.extend(from_pg_config());
        for (parent, prefix) in VERSIONED {
            candidates.extend(versioned(Path::new(parent), prefix));
        }
        candidates.push(PathBuf::from(FROM_SOURCE));
        choose(candidates, data, major_of)
    }

    /// Returns the path of a program.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Returns the first candidate with a usable version. `major_of` returns the version of a
/// directory.
fn choose(
    candidates: Vec<PathBuf>,
    data: Option<(&Path, u32)>,
    major_of: impl Fn(&Path) -> Option<u32>,
) -> Result<Binaries, Error> {
    let mut too_old: Option<Binaries> = None;
    let mut other_major: Option<Binaries> = None;
    for directory in candidates.into_iter().filter(|directory| is_complete(directory)) {
        let Some(major) = major_of(&directory) else {
            continue;
        };
        let found = Binaries { directory, major };
        if major < OLDEST_MAJOR {
            if too_old.as_ref().is_none_or(|newest| newest.major < major) {
                too_old = Some(found);
            }
            continue;
        }
        match data {
            Some((_, needed)) if needed != major => other_major = other_major.or(Some(found)),
            _ => return Ok(found),
        }
    }
    match (data, other_major, too_old) {
        (Some((data_dir, needed)), Some(other), _) => {
            Err(Error::OtherMajor { data_dir: data_dir.to_path_buf(), needed, found: other.major })
        }
        (_, _, Some(old)) => Err(Error::TooOld { directory: old.directory, major: old.major }),
        (_, _, None) => Err(Error::NotInstalled),
    }
}

/// Whether a directory has all three programs: Debian has wrappers of `psql` and others on PATH, in
/// a directory without the server.
fn is_complete(directory: &Path) -> bool {
    ["initdb", "postgres", "psql"].iter().all(|program| directory.join(program).is_file())
}

fn on_path(path: Option<OsString>) -> Vec<PathBuf> {
    let directories = path.iter().flat_map(env::split_paths);
    directories.filter(|directory| directory.is_absolute()).collect()
}

fn from_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(printed.trim_end()))
}

/// Returns the `bin` directories of the children of `parent` whose name is `prefix` and a version,
/// newest first.
fn versioned(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|child| {
            let name = child.file_name().into_string().ok()?;
            let version = leading_number(name.strip_prefix(prefix)?)?;
            Some((version, child.path().join("bin")))
        })
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, bin)| bin).collect()
}

/// Runs `postgres --version`.
fn major_of(directory: &Path) -> Option<u32> {
    let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
    version::parse(&String::from_utf8(output.stdout).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates files with the names of the programs in `parent/name/bin`.
    fn install(parent: &Path, name: &str) -> PathBuf {
        let bin = parent.join(name).join("bin");
        fs::create_dir_all(&bin).unwrap();
        for program in ["initdb", "postgres", "psql"] {
            fs::write(bin.join(program), "").unwrap();
        }
        bin
    }

    /// Takes the version from the name of the directory instead of from the programs.
    fn major_by_name(bin: &Path) -> Option<u32> {
        leading_number(bin.parent()?.file_name()?.to_str()?.strip_prefix("pgsql-")?)
    }

    #[test]
    fn the_newest_version_comes_first_by_number() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["pgsql-9.6", "pgsql-17", "pgsql-14", "pgsql-common", "other-18"] {
            install(parent.path(), name);
        }
        let found = versioned(parent.path(), "pgsql-");
        assert_eq!(
            found.iter().filter_map(|bin| major_by_name(bin)).collect::<Vec<_>>(),
            [17, 14, 9]
        );
    }

    #[test]
    fn a_directory_without_the_server_is_skipped() {
        let parent = tempfile::tempdir().unwrap();
        let wrappers = install(parent.path(), "pgsql-17");
        fs::remove_file(wrappers.join("initdb")).unwrap();
        let server = install(parent.path(), "pgsql-16");
        let found = choose(vec![wrappers.clone(), server.clone()], None, major_by_name).unwrap();
        assert_eq!(found, Binaries { directory: server, major: 16 });
        let error = choose(vec![wrappers], None, major_by_name).unwrap_err();
        assert!(matches!(error, Error::NotInstalled));
    }

    #[test]
    fn old_versions_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        let older = install(parent.path(), "pgsql-9.6");
        let old = install(parent.path(), "pgsql-13");
        let error = choose(vec![older, old.clone()], None, major_by_name).unwrap_err();
        assert!(matches!(error, Error::TooOld { directory, major: 13 } if directory == old));
    }

    #[test]
    fn existing_data_need_their_own_version() {
        let parent = tempfile::tempdir().unwrap();
        let installed =
            vec![install(parent.path(), "pgsql-17"), install(parent.path(), "pgsql-15")];
        let choose_for =
            |major| choose(installed.clone(), Some((Path::new("/data"), major)), major_by_name);
        assert_eq!(choose_for(15).unwrap().directory, installed[1]);
        let error = choose_for(16).unwrap_err();
        assert!(matches!(error, Error::OtherMajor { needed: 16, found: 17, .. }));
    }

    #[test]
    fn relative_directories_on_path_are_skipped() {
        assert_eq!(on_path(Some(".:/a/bin:".into())), [PathBuf::from("/a/bin")]);
        assert_eq!(on_path(None), Vec::<PathBuf>::new());
    }
}
