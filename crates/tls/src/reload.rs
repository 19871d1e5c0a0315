//! Files that are read again when they change.
//!
//! Their contents are compared every few seconds, rather than the system asked to report changes: this sees
//! every way of replacing files, the swapped symbolic links of Kubernetes and files on network volumes
//! included, and reads a few kilobytes.

use std::{
    fmt::Debug,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
    time::{Duration, Instant, SystemTime},
};

use sha2::{Digest as _, Sha256};
use tokio::{task::spawn_blocking, time::sleep};

use crate::{
    certificate::{Expiry, Summary, Validity},
    error::TlsError,
    hangup::hangups,
    pem::read_start,
};

/// How often the files are compared with what is in use.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long changed contents must stay the same before they are read: somebody may be writing them. What is cut between
/// two certificates can't be told from a shorter file otherwise.
const SETTLING_TIME: Duration = Duration::from_millis(250);

/// How often it is logged that files can't be used.
const LOG_INTERVAL: Duration = Duration::from_secs(600);

/// How often it is logged that a certificate is about to expire, or has expired.
const EXPIRY_LOG_INTERVAL: Duration = Duration::from_secs(3600);

/// A configuration that is loaded from files.
pub(crate) trait Source: Debug + Send + Sync + 'static {
    type Loaded: Loaded;

    /// Returns the files.
    fn paths(&self) -> Vec<&Path>;

    /// Reads the files.
    fn load(&self) -> Result<Self::Loaded, TlsError>;
}

/// A loaded configuration.
pub(crate) trait Loaded: Debug + Send + Sync + 'static {
    /// Returns what the log says of the certificate, if there is one.
    fn summary(&self) -> Option<&Summary>;
}

/// The last configuration that could be loaded. Clones share it.
#[derive(Debug)]
pub(crate) struct Reloading<S: Source>(Arc<Shared<S>>);

impl<S: Source> Clone for Reloading<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Shared<S: Source> {
    source: S,
    current: RwLock<Arc<S::Loaded>>,
    state: Mutex<State>,
}

/// A checksum of the contents of all files.
type Fingerprint = [u8; 32];

#[derive(Debug)]
struct State {
    in_use: Fingerprint,
    /// What the last comparison has found.
    seen: Fingerprint,
    /// What can't be used.
    failed: Option<Failed>,
    expiry_logged_at: Option<Instant>,
}

/// Whether somebody may be writing the files just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    Settled,
    Changing,
}

#[derive(Debug)]
struct Failed {
    fingerprint: Fingerprint,
    logged_at: Option<Instant>,
}

impl<S: Source> Reloading<S> {
    /// Reads the files, and again when they change, for as long as a clone is in use. Must be called on a
    /// runtime.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub(crate) fn start(source: S) -> Result<Self, TlsError> {
        // In this order: what changes in between is found by the next comparison.
        let in_use = fingerprint(&source);
        let current = RwLock::new(Arc::new(source.load()?));
        let state = Mutex::new(State::new(in_use));
        let shared = Arc::new(Shared { source, current, state });
        tokio::spawn(watch(Arc::downgrade(&shared)));
        Ok(Self(shared))
    }

    /// Returns what is in use now.
    pub(crate) fn current(&self) -> Arc<S::Loaded> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns what tells from when to when the certificate in use is valid; `None` if there is none. It keeps nothing
    /// in use.
    pub(crate) fn validity(&self) -> impl Fn() -> Option<Validity> + Send + Sync + use<S> {
        let shared = Arc::downgrade(&self.0);
        move || {
            let current = Self(shared.upgrade()?).current();
            current.summary().map(|summary| summary.validity)
        }
    }

    /// Returns the source.
    #[cfg(test)]
    pub(crate) fn source(&self) -> &S {
        &self.0.source
    }

    /// Compares the files once, as every few seconds.
    #[cfg(test)]
    pub(crate) fn compare(&self) {
        self.0.compare(false, Instant::now());
    }
}

/// Compares the files every few seconds, and on SIGHUP.
async fn watch<S: Source>(shared: Weak<Shared<S>>) {
    let mut hangups = hangups();
    let mut pause = INTERVAL;
    loop {
        let is_asked = tokio::select! {
            () = sleep(pause) => false,
            Ok(()) = hangups.changed() => true,
        };
        let Some(shared) = shared.upgrade() else { return };
        // A volume on a network may take its time.
        let compared = spawn_blocking(move || shared.compare(is_asked, Instant::now()));
        pause = match compared.await {
            Ok(Contents::Settled) => INTERVAL,
            Ok(Contents::Changing) => SETTLING_TIME,
            Err(error) => {
                tracing::error!(%error, "failed to compare the files of certificates");
                INTERVAL
            }
        };
    }
}

impl<S: Source> Shared<S> {
    /// Reads the files again if they have changed, and have stayed so, or somebody says that they are complete.
    fn compare(&self, is_asked: bool, now: Instant) -> Contents {
        let fingerprint = fingerprint(&self.source);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let has_stayed = std::mem::replace(&mut state.seen, fingerprint) == fingerprint;
        let contents = if fingerprint == state.in_use {
            state.failed = None;
            if is_asked {
                tracing::info!(files = self.files(), "certificates have not changed");
            }
            Contents::Settled
        } else if has_stayed || is_asked {
            self.reload(&mut state, fingerprint, is_asked, now)
        } else {
            Contents::Changing
        };
        self.log_expiry(&mut state, now);
        contents
    }

    /// Reads the files, which have this fingerprint, unless they change meanwhile.
    fn reload(
        &self,
        state: &mut State,
        found: Fingerprint,
        is_asked: bool,
        now: Instant,
    ) -> Contents {
        let loaded = self.source.load();
        let after = fingerprint(&self.source);
        if after != found {
            state.seen = after;
            return Contents::Changing;
        }
        match loaded {
            Ok(loaded) => {
                let summary = loaded.summary();
                let name = summary.map(|summary| &*summary.name);
                let not_after = summary.map(Summary::not_after);
                tracing::info!(files = self.files(), name, not_after, "certificates reloaded");
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
                *state = State::new(found);
            }
            Err(error) => {
                if state.is_logged(found, is_asked, now) {
                    tracing::error!(
                        files = self.files(),
                        %error,
                        "failed to reload certificates; those read before stay in use"
                    );
                }
            }
        }
        Contents::Settled
    }

    /// Logs that the certificate in use is about to expire, or has expired.
    fn log_expiry(&self, state: &mut State, now: Instant) {
        let is_due = |at: Instant| now.duration_since(at) >= EXPIRY_LOG_INTERVAL;
        let current = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let Some(summary) = current.summary() else { return };
        let expiry = summary.expiry(SystemTime::now());
        if expiry == Expiry::Far || !state.expiry_logged_at.is_none_or(is_due) {
            return;
        }
        state.expiry_logged_at = Some(now);
        let (files, name, not_after) = (self.files(), &*summary.name, summary.not_after());
        if expiry == Expiry::Near {
            tracing::warn!(files, name, not_after, "the certificate in use expires soon");
        } else {
            tracing::error!(files, name, not_after, "the certificate in use has expired");
        }
    }

    /// Returns the files, for the log.
    fn files(&self) -> String {
        let paths = self.source.paths();
        let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        names.join(", ")
    }
}

impl State {
    fn new(in_use: Fingerprint) -> Self {
        Self { in_use, seen: in_use, failed: None, expiry_logged_at: None }
    }

    /// Returns whether it is logged that contents can't be used. They may be half of a change, such as a new
    /// certificate whose key is not there yet, so that is so once they have stayed, or somebody asks.
    fn is_logged(&mut self, fingerprint: Fingerprint, is_asked: bool, now: Instant) -> bool {
        let logged_before = match &self.failed {
            Some(failed) if failed.fingerprint == fingerprint => Some(failed.logged_at),
            _ => None,
        };
        let is_due = match logged_before {
            None => false,
            Some(None) => true,
            Some(Some(at)) => now.duration_since(at) >= LOG_INTERVAL,
        };
        let is_logged = is_due || is_asked;
        let logged_at = if is_logged { Some(now) } else { logged_before.flatten() };
        self.failed = Some(Failed { fingerprint, logged_at });
        is_logged
    }
}

fn fingerprint(source: &impl Source) -> Fingerprint {
    let mut hash = Sha256::new();
    for path in source.paths() {
        match read_start(path) {
            Ok(bytes) => {
                hash.update(bytes.len().to_be_bytes());
                hash.update(bytes);
            }
            // No file is that large.
            Err(_) => hash.update(usize::MAX.to_be_bytes()),
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use tempfile::TempDir;

    use super::*;

    /// A file with a number.
    #[derive(Debug)]
    struct Number(PathBuf);

    #[derive(Debug)]
    struct Read(u8);

    impl Source for Number {
        type Loaded = Read;

        fn paths(&self) -> Vec<&Path> {
            vec![&self.0]
        }

        fn load(&self) -> Result<Read, TlsError> {
            let bytes = read_start(&self.0).unwrap_or_default();
            let number = str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
            number.map(Read).ok_or_else(|| TlsError::NoCertificate(self.0.clone()))
        }
    }

    impl Loaded for Read {
        fn summary(&self) -> Option<&Summary> {
            None
        }
    }

    fn start(text: &str) -> (TempDir, Result<Reloading<Number>, TlsError>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("number");
        fs::write(&path, text).unwrap();
        (dir, Reloading::start(Number(path)))
    }

    #[tokio::test]
    async fn what_could_last_be_used_stays_in_use() {
        assert!(start("x").1.is_err());
        let (dir, reloading) = start("1");
        let reloading = reloading.unwrap();
        let path = dir.path().join("number");
        let replace = |text: &str| fs::write(&path, text).unwrap();
        let mut before = 1;
        for (text, in_use) in [("2", 2), ("2", 2), ("x", 2), ("", 2), ("3", 3)] {
            replace(text);
            reloading.compare();
            assert_eq!(reloading.current().0, before, "{text}: it may not be complete");
            reloading.compare();
            assert_eq!(reloading.current().0, in_use, "{text}");
            before = in_use;
        }
        replace("4");
        reloading.0.compare(true, Instant::now());
        assert_eq!(reloading.current().0, 4, "somebody says that it is complete");
        fs::remove_file(&path).unwrap();
        reloading.0.compare(true, Instant::now());
        assert_eq!(reloading.current().0, 4);
    }

    #[tokio::test]
    async fn contents_that_change_all_the_time_are_not_read() {
        let (dir, reloading) = start("1");
        let reloading = reloading.unwrap();
        for text in ["2", "3", "2", "3"] {
            fs::write(dir.path().join("number"), text).unwrap();
            assert_eq!(reloading.0.compare(false, Instant::now()), Contents::Changing);
            assert_eq!(reloading.current().0, 1);
        }
        assert_eq!(reloading.0.compare(false, Instant::now()), Contents::Settled);
        assert_eq!(reloading.current().0, 3);
    }

    /// tokio's clock does not wait.
    #[tokio::test(start_paused = true)]
    async fn files_are_compared_by_themselves_while_they_are_in_use() {
        let (dir, reloading) = start("1");
        let reloading = reloading.unwrap();
        fs::write(dir.path().join("number"), "2").unwrap();
        while reloading.current().0 == 1 {
            sleep(INTERVAL).await;
        }
        let shared = Arc::downgrade(&reloading.0);
        drop(reloading);
        while shared.upgrade().is_some() {
            sleep(INTERVAL).await;
        }
    }

    #[test]
    fn contents_that_stay_unusable_are_logged_and_those_that_pass_are_not() {
        let mut state = State::new([0; 32]);
        let start = Instant::now();
        let mut is_logged = |content: u8, is_asked, after: Duration| {
            state.is_logged([content; 32], is_asked, start + after)
        };
        assert!(!is_logged(1, false, Duration::ZERO), "the change may not be over");
        assert!(!is_logged(2, false, INTERVAL));
        assert!(is_logged(2, false, 2 * INTERVAL));
        assert!(!is_logged(2, false, 3 * INTERVAL));
        assert!(is_logged(2, true, 4 * INTERVAL));
        assert!(!is_logged(2, false, LOG_INTERVAL));
        assert!(is_logged(2, false, 4 * INTERVAL + LOG_INTERVAL));
        assert!(is_logged(3, true, LOG_INTERVAL), "somebody asks");
    }
}
