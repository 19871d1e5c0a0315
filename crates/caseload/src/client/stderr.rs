//! Messages on standard error.

use std::io::{self, Write as _};

/// Writes a line. Unlike `eprintln!`, it does not panic where nobody reads it.
pub(crate) fn line(text: &str) {
    let _unread = writeln!(io::stderr(), "{text}");
}
