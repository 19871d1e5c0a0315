//! The attacks, one file for each kind.

mod aborted_lookups;
mod case_flood;
mod case_lists;
mod decode_bomb;
mod directory_flood;
mod every_call;
mod flood;
mod frozen;
mod keyless;
mod locked_row;
mod locked_tasks;
mod log_pipe;
mod long_lists;
mod many_connections;
mod mix;
mod rapid_reset;
mod slow;
mod unknown_keys;
mod unread;

use std::pin::Pin;

use crate::{figures::Figures, stage::Stage};

/// An attack, and the figures that it leaves.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Whether it is part of the short form.
    pub(crate) is_short: bool,
    pub(crate) run: fn(Stage) -> Pin<Box<dyn Future<Output = Figures>>>,
}

/// All cases, in the order in which they run.
pub(crate) const CASES: &[Case] = &[
    Case { name: "locked-row", is_short: true, run: |stage| Box::pin(locked_row::run(stage)) },
    Case { name: "locked-tasks", is_short: true, run: |stage| Box::pin(locked_tasks::run(stage)) },
    Case { name: "long-lists", is_short: false, run: |stage| Box::pin(long_lists::run(stage)) },
    Case { name: "unread-rest", is_short: false, run: |stage| Box::pin(unread::run_rest(stage)) },
    Case { name: "unread-grpc", is_short: true, run: |stage| Box::pin(unread::run_grpc(stage)) },
    Case { name: "keyless", is_short: true, run: |stage| Box::pin(keyless::run(stage)) },
    Case { name: "unknown-keys", is_short: true, run: |stage| Box::pin(unknown_keys::run(stage)) },
    Case { name: "decode-bomb", is_short: true, run: |stage| Box::pin(decode_bomb::run(stage)) },
    Case { name: "mix", is_short: false, run: |stage| Box::pin(mix::run(stage)) },
    Case { name: "flood", is_short: false, run: |stage| Box::pin(flood::run(stage)) },
    Case {
        name: "directory-flood",
        is_short: true,
        run: |stage| Box::pin(directory_flood::run(stage)),
    },
    Case { name: "every-call", is_short: true, run: |stage| Box::pin(every_call::run(stage)) },
    Case { name: "case-flood", is_short: true, run: |stage| Box::pin(case_flood::run(stage)) },
    Case { name: "case-lists", is_short: false, run: |stage| Box::pin(case_lists::run(stage)) },
    Case { name: "log-pipe", is_short: true, run: |stage| Box::pin(log_pipe::run(stage)) },
    Case {
        name: "frozen-server",
        is_short: true,
        run: |stage| Box::pin(frozen::run_server(stage)),
    },
    Case {
        name: "frozen-postgres",
        is_short: false,
        run: |stage| Box::pin(frozen::run_postgres(stage)),
    },
    Case { name: "rapid-reset", is_short: false, run: |stage| Box::pin(rapid_reset::run(stage)) },
    Case {
        name: "aborted-lookups",
        is_short: false,
        run: |stage| Box::pin(aborted_lookups::run(stage)),
    },
    Case { name: "slow", is_short: false, run: |stage| Box::pin(slow::run(stage)) },
    Case {
        name: "many-connections",
        is_short: true,
        run: |stage| Box::pin(many_connections::run(stage)),
    },
];
