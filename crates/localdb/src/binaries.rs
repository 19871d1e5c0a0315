//! Finding the installed server binaries.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Error;

/// The oldest major version that will do.
pub(crate) const OLDEST_MAJOR: u32 = 14;

/// The variable that names a directory to be looked in before all others.
const DIRECTORY_VARIABLE: &str = "CASELOAD_POSTGRES_BIN";

/// Where packages put each version's programs: a parent, and the prefix of its versioned children.
const VERSIONED: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// Where Postgres' own `make install` puts them.
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
    /// Finds the first installed Postgres that will do: in CASELOAD_POSTGRES_BIN, on PATH, where
    /// `pg_config` says, and in the places of the usual packages, newest first.
    ///
    /// `data` is an existing data directory and the major version that it needs.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], [`Error::IncompleteBinaries`], [`Error::TooOld`], and
    /// [`Error::OtherMajor`] where `data` needs a version that isn't among those found.
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

    /// The path of one of the programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Takes the first candidate of a version that will do. `major_of` tells a directory's.
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

/// Debian has wrappers of `psql` and others on PATH with no server beside them: only a directory
/// with all three counts.
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

/// The `bin` directories of the children of `parent` named `prefix` and a version, newest first.
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

/// Asks `postgres --version`, which prints `postgres (PostgreSQL) 15.18 (Debian …)`.
fn major_of(directory: &Path) -> Option<u32> {
    let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
    parse_version(&String::from_utf8(output.stdout).ok()?)
}

fn parse_version(printed: &str) -> Option<u32> {
    leading_number(printed.split_once("(PostgreSQL) ")?.1)
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts files with the names of the programs into `parent/name/bin`.
    fn install(parent: &Path, name: &str) -> PathBuf {
        let bin = parent.join(name).join("bin");
        fs::create_dir_all(&bin).unwrap();
        for program in ["initdb", "postgres", "psql"] {
            fs::write(bin.join(program), "").unwrap();
        }
        bin
    }

    /// The version is in the name, as if the programs had told it.
    fn major_by_name(bin: &Path) -> Option<u32> {
        leading_number(bin.parent()?.file_name()?.to_str()?.strip_prefix("pgsql-")?)
    }

    #[test]
    fn versions_are_read() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(parse_version(debian), Some(15));
        assert_eq!(parse_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_version("postgres (PostgreSQL) devel\n"), None);
        assert_eq!(parse_version(""), None);
    }

    #[test]
    fn newest_version_comes_first_by_number() {
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
    fn directory_without_the_server_does_not_count() {
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
    fn existing_data_choose_their_own_version() {
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
    fn relative_places_on_path_are_left_out() {
        assert_eq!(on_path(Some(".:/a/bin:".into())), [PathBuf::from("/a/bin")]);
        assert_eq!(on_path(None), Vec::<PathBuf>::new());
    }
}
