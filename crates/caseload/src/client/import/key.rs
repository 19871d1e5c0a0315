//! The idempotency keys of an import.
//!
//! A key stands for a place in a file, not for what is there: so lines that were created under a key
//! are found again in a file that was changed since, and are not created a second time.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// What distinguishes an import from others.
#[derive(Clone, Debug)]
pub(super) struct ImportKey {
    digest: [u8; 32],
}

impl ImportKey {
    /// Returns the key of an import of this name into a case.
    pub(super) fn new(case_id: i64, name: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"caseload tasks import 1");
        hash.update(case_id.to_be_bytes());
        hash.update(name.as_bytes());
        Self { digest: hash.finalize().into() }
    }

    /// Returns the idempotency key of the window whose first record has this number.
    pub(super) fn of_window(&self, first: u64) -> String {
        self.key(b"window", first)
    }

    /// Returns the idempotency key of the record of this number.
    pub(super) fn of_record(&self, number: u64) -> String {
        self.key(b"record", number)
    }

    fn key(&self, part: &[u8], number: u64) -> String {
        let mut hash = Sha256::new();
        hash.update(self.digest);
        hash.update(part);
        hash.update(number.to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        digest.iter().take(20).fold("import-".to_owned(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// A key that changed with a release would create the tasks of an import that was stopped again.
    #[test]
    fn keys_never_change() {
        let key = ImportKey::new(7, "tasks.csv");
        assert_eq!(key.of_window(25), "import-20df5d273117f490d1ba305d6d8ed54fb0cb7622");
        assert_eq!(key.of_record(25), "import-59aed1828f55ca703f52291000a8b54b6a3ada05");
    }

    #[test]
    fn different_places_of_different_imports_have_different_keys() {
        let imports =
            [ImportKey::new(1, "a.csv"), ImportKey::new(2, "a.csv"), ImportKey::new(1, "b.csv")];
        let keys: HashSet<String> = imports
            .iter()
            .flat_map(|key| {
                (0..3).flat_map(|number| [key.of_window(number), key.of_record(number)])
            })
            .collect();
        assert_eq!(keys.len(), imports.len() * 6);
        assert!(keys.iter().all(|key| key.len() == 47));
    }
}
