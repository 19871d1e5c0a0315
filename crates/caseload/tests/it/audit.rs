//! The audit log: what is in it, and that nobody changes it unnoticed.

mod calls;
mod changes;
mod commands;
mod hanging_database;
mod pruning;
mod tampering;

use serde_json::Value;

use crate::support::AdminShell;

impl AdminShell {
    /// Returns each entry of a tenant as `EVENT SUBJECT DETAILS`.
    fn entries(&self, tenant: &str) -> Vec<String> {
        let list = self.json(&["audit", "list", "--tenant", tenant, "--since", "1h"]);
        let entries = list.as_array().unwrap().iter();
        let text = |entry: &Value| {
            let [event, details] = ["event", "details"].map(|name| entry[name].as_str().unwrap());
            format!("{event} {} {details}", entry["subject"]).trim_end().to_owned()
        };
        entries.map(text).collect()
    }

    /// Verifies the log of a tenant. Returns the anchor, and what is wrong.
    fn verify(&self, tenant: &str, expected: &[&str]) -> (String, Vec<String>) {
        let expected = expected.iter().flat_map(|anchor| ["--expect", *anchor]);
        let args = ["audit", "verify", "--json", "--tenant", tenant];
        let exited = self.run(&args.into_iter().chain(expected).collect::<Vec<_>>());
        let found: Value = serde_json::from_str(&exited.stdout).unwrap();
        let faults: Vec<_> = found[0]["faults"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| fault.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(found[0]["intact"], faults.is_empty());
        assert_eq!(exited.code(), Some(i32::from(!faults.is_empty())), "{exited:?}");
        let error =
            format!("error: the log of tenant {tenant:?} is not intact: {}\n", faults.join("; "));
        assert_eq!(exited.stderr, if faults.is_empty() { String::new() } else { error });
        (found[0]["anchor"].as_str().unwrap().to_owned(), faults)
    }
}
