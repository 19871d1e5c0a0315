//! What happened in a run, counted by kind, as it is printed at the end.

use std::{collections::BTreeMap, fmt, sync::Mutex};

/// The most findings that are printed.
const MAX_FINDINGS: usize = 20;

#[derive(Default)]
pub(crate) struct Report {
    is_verbose: bool,
    faults: Mutex<BTreeMap<String, u64>>,
    failures: Mutex<BTreeMap<String, u64>>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    unexpected: Mutex<u64>,
    findings: Mutex<Vec<String>>,
}

impl Report {
    pub(crate) fn new(is_verbose: bool) -> Self {
        Self { is_verbose, ..Self::default() }
    }

    /// Counts an injected fault.
    pub(crate) fn fault(&self, kind: String) {
        if self.is_verbose {
            println!("{kind}");
        }
        *self.faults.lock().unwrap().entry(kind).or_default() += 1;
    }

    /// Counts an attempt that failed in a way that the faults explain.
    pub(crate) fn failed_attempt(&self, kind: String) {
        *self.failures.lock().unwrap().entry(kind).or_default() += 1;
    }

    pub(crate) fn count(&self, what: &'static str) {
        *self.counts.lock().unwrap().entry(what).or_default() += 1;
    }

    /// Counts something that must not happen, whatever faults are injected. The run fails.
    pub(crate) fn unexpected(&self, what: String) {
        self.finding(what);
        *self.unexpected.lock().unwrap() += 1;
    }

    /// Adds a sentence for the reader about a failure that is counted elsewhere.
    pub(crate) fn finding(&self, what: String) {
        let mut findings = self.findings.lock().unwrap();
        if findings.len() < MAX_FINDINGS {
            findings.push(what);
        }
    }

    pub(crate) fn fault_count(&self) -> u64 {
        self.faults.lock().unwrap().values().sum()
    }

    pub(crate) fn counted(&self, what: &'static str) -> u64 {
        self.counts.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    pub(crate) fn unexpected_count(&self) -> u64 {
        *self.unexpected.lock().unwrap()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "faults injected: {}", self.fault_count())?;
        for (kind, count) in &*self.faults.lock().unwrap() {
            writeln!(f, "{count:>8}  {kind}")?;
        }
        let failures = self.failures.lock().unwrap();
        writeln!(f, "failed attempts: {}", failures.values().sum::<u64>())?;
        for (kind, count) in &*failures {
            writeln!(f, "{count:>8}  {kind}")?;
        }
        writeln!(f, "batches and responses:")?;
        for (what, count) in &*self.counts.lock().unwrap() {
            writeln!(f, "{count:>8}  {what}")?;
        }
        write!(f, "unexpected events: {}", self.unexpected_count())?;
        let findings = self.findings.lock().unwrap();
        findings.iter().try_for_each(|what| write!(f, "\n          {what}"))
    }
}
