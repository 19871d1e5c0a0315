//! Logs must not harm the service: nobody reads them, or everything fails at once.

mod suppression;
mod texts;
mod unread;
