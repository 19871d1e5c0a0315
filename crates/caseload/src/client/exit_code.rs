//! The exit codes of commands that call a server. Those above 64 are BSD's sysexits.

/// EX_DATAERR: the server refused what it was asked for, or lines of a file.
pub(crate) const REFUSED: u8 = 65;

/// EX_NOINPUT: the file can't be opened.
pub(crate) const NO_INPUT: u8 = 66;

/// EX_UNAVAILABLE: no server took the call, until the time was over.
pub(crate) const UNAVAILABLE: u8 = 69;

/// EX_SOFTWARE: the server failed in an unexpected way.
pub(crate) const INTERNAL: u8 = 70;

/// EX_IOERR: a file can't be read or written.
pub(crate) const IO: u8 = 74;

/// EX_TEMPFAIL: the call took too long, its outcome is unknown, or a limit was reached.
pub(crate) const TRY_AGAIN: u8 = 75;

/// EX_PROTOCOL: there is no TLS connection, as the server's certificate is not accepted, for instance.
pub(crate) const INSECURE: u8 = 76;

/// EX_NOPERM: the API key is not valid, or does not permit the call.
pub(crate) const NO_PERMISSION: u8 = 77;

/// What shells report of a program that SIGINT ended.
pub(crate) const INTERRUPTED: u8 = 130;
