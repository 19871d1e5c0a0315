//! What happened in a run, counted by kind.

use std::{collections::BTreeMap, fmt, sync::Mutex};

/// How many of the things that went wrong are told in words.
const TOLD: usize = 20;

#[derive(Default)]
pub(crate) struct Tally {
    is_verbose: bool,
    faults: Mutex<BTreeMap<String, u64>>,
    replies: Mutex<BTreeMap<String, u64>>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    wrongs: Mutex<u64>,
    findings: Mutex<Vec<String>>,
}

impl Tally {
    pub(crate) fn new(is_verbose: bool) -> Self {
        Self { is_verbose, ..Self::default() }
    }

    /// A fault was injected.
    pub(crate) fn fault(&self, kind: String) {
        if self.is_verbose {
            println!("{kind}");
        }
        *self.faults.lock().unwrap().entry(kind).or_default() += 1;
    }

    /// A try came back with less than an answer.
    pub(crate) fn reply(&self, kind: String) {
        *self.replies.lock().unwrap().entry(kind).or_default() += 1;
    }

    pub(crate) fn count(&self, what: &'static str) {
        *self.counts.lock().unwrap().entry(what).or_default() += 1;
    }

    /// Something happened that must not.
    pub(crate) fn wrong(&self, what: String) {
        self.finding(what);
        *self.wrongs.lock().unwrap() += 1;
    }

    /// What is wrong, in words; it is counted elsewhere.
    pub(crate) fn finding(&self, what: String) {
        let mut findings = self.findings.lock().unwrap();
        if findings.len() < TOLD {
            findings.push(what);
        }
    }

    pub(crate) fn faults(&self) -> u64 {
        self.faults.lock().unwrap().values().sum()
    }

    pub(crate) fn counted(&self, what: &'static str) -> u64 {
        self.counts.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    pub(crate) fn wrongs(&self) -> u64 {
        *self.wrongs.lock().unwrap()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "faults injected: {}", self.faults())?;
        for (kind, count) in &*self.faults.lock().unwrap() {
            writeln!(f, "{count:>8}  {kind}")?;
        }
        let replies = self.replies.lock().unwrap();
        writeln!(f, "tries without an answer: {}", replies.values().sum::<u64>())?;
        for (kind, count) in &*replies {
            writeln!(f, "{count:>8}  {kind}")?;
        }
        writeln!(f, "batches and answers:")?;
        for (what, count) in &*self.counts.lock().unwrap() {
            writeln!(f, "{count:>8}  {what}")?;
        }
        write!(f, "other things that must not happen: {}", self.wrongs())?;
        let findings = self.findings.lock().unwrap();
        findings.iter().try_for_each(|what| write!(f, "\n          {what}"))
    }
}
