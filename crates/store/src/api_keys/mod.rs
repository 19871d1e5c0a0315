//! API keys. Only their digests are stored.

mod changes;
mod notifications;
mod reads;
mod record;
mod uses;

pub use notifications::KeyChange;
pub use record::{ApiKeyRecord, KeyState, NewApiKey};
pub use uses::KeyUse;
