//! The options that `cargo test` passes to every test program, this one included.

use clap::{ArgAction, Args};

/// Options that this program accepts and ignores, without and with a value.
const FLAGS: [&str; 7] =
    ["nocapture", "no-capture", "show-output", "include-ignored", "test", "bench", "shuffle"];
const VALUES: [&str; 4] = ["format", "color", "logfile", "shuffle-seed"];

/// libtest's options. Those that select tests have their effect; the others are ignored.
#[derive(Args)]
pub(crate) struct Libtest {
    #[arg(hide = true)]
    filters: Vec<String>,

    #[arg(long, hide = true)]
    skip: Vec<String>,

    #[arg(long, hide = true)]
    exact: bool,

    #[arg(long, hide = true)]
    list: bool,

    #[arg(long, hide = true)]
    ignored: bool,

    #[arg(short = 'q', long = "quiet", hide = true, action = ArgAction::Count, aliases = FLAGS)]
    flags: u8,

    #[arg(short = 'Z', long = "test-threads", hide = true, aliases = VALUES)]
    values: Vec<String>,
}

impl Libtest {
    /// Returns the tests that are to run, of all that there are. If a list of tests is requested
    /// instead, prints it, and returns none.
    pub(crate) fn selected<'a>(&self, tests: &[&'a str]) -> Vec<&'a str> {
        let mut chosen: Vec<_> = tests.iter().copied().filter(|test| self.chooses(test)).collect();
        if self.list {
            chosen.drain(..).for_each(|test| println!("{test}: test"));
        }
        chosen
    }

    fn chooses(&self, test: &str) -> bool {
        let is_named =
            |text: &String| if self.exact { text == test } else { test.contains(&**text) };
        !self.ignored
            && (self.filters.is_empty() || self.filters.iter().any(is_named))
            && !self.skip.iter().any(is_named)
    }
}
