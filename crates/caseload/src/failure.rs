//! How a command fails.

use std::error::Error;

/// Why a command failed. It is reported in one line, and the exit code is 1.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;
