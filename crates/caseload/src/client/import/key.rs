//! The idempotency keys of an import.
//!
//! A key stands for a place in a file, not for what is there: so lines that were created under a key
//! are found again in a file that was changed since, and are not created a second time.

use std::fmt::Write as _;

use proto::tasks::v1::NewTask;
use sha2::{Digest, Sha256};

/// What distinguishes an import from others.
#[derive(Clone, Debug)]
pub(super) struct ImportKey {
    digest: [u8; 32],
}

impl ImportKey {
    /// Returns the key of an import that has a name, into a case.
    pub(super) fn named(case_id: i64, name: &str) -> Self {
        Self::new(case_id, b"name", [name.as_bytes()])
    }

    /// Returns the key of an import that has no name: its first tasks stand for it.
    pub(super) fn of_content<'a>(case_id: i64, tasks: impl Iterator<Item = &'a NewTask>) -> Self {
        let texts = tasks.flat_map(|task| {
            let emails = task.assignee_emails.iter().map(String::as_bytes);
            [task.description.as_bytes()].into_iter().chain(emails).chain([&b""[..]])
        });
        Self::new(case_id, b"content", texts)
    }

    fn new<'a>(case_id: i64, origin: &'a [u8], texts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"caseload tasks import 1");
        hash.update(case_id.to_be_bytes());
        for text in [origin].into_iter().chain(texts) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
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

    fn task(description: &str, emails: &[&str]) -> NewTask {
        let assignee_emails = emails.iter().map(|email| (*email).to_owned()).collect();
        NewTask { description: description.to_owned(), assignee_emails }
    }

    fn of(tasks: &[NewTask]) -> ImportKey {
        ImportKey::of_content(1, tasks.iter())
    }

    /// A key that changed with a release would create the tasks of an import that was stopped again.
    #[test]
    fn keys_never_change() {
        let key = ImportKey::named(7, "tasks.csv");
        assert_eq!(key.of_window(25), "import-5ec9a3841acdfd5345358cfaddbc2516b39ad25e");
        assert_eq!(key.of_record(25), "import-01572d55e795ba9b6a0dd1a02477544488419687");
        let key = of(&[task("a", &["b@c"])]);
        assert_eq!(key.of_window(0), "import-bb5b958f1b0e1308629295e6a565eb5a2f0996ee");
    }

    #[test]
    fn different_places_of_different_imports_have_different_keys() {
        let imports = [
            ImportKey::named(1, "a.csv"),
            ImportKey::named(2, "a.csv"),
            ImportKey::named(1, "b.csv"),
            of(&[]),
            of(&[task("a.csv", &[])]),
            of(&[task("a", &["b@c"])]),
            of(&[task("a", &[]), task("b@c", &[])]),
            of(&[task("ab@c", &[])]),
        ];
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
