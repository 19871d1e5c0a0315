//! One user whom a client feeds, and what the client knows of them.

use proto::directory::v1::{UpsertUser, User, user_key};

use crate::{known::Known, random::Random};

pub(crate) struct Person {
    pub(crate) known: Known,
    /// The number of the last change that was acknowledged.
    pub(crate) step: usize,
    pub(crate) is_active: bool,
    /// Whether an attempt at the last change may still be under way, though a later one was answered.
    pub(crate) may_change: bool,
}

impl Person {
    /// Returns a user who was not fed yet.
    pub(crate) fn new(name: String) -> Self {
        Self { known: Known::new(name), step: 0, is_active: true, may_change: false }
    }

    /// Returns what the user is fed with in a step. The names and the email have the step in them.
    pub(crate) fn upsert(&self, step: usize) -> UpsertUser {
        let name = &self.known.name;
        UpsertUser {
            external_id: name.clone(),
            email: format!("{name}-{step}@example.com"),
            first_name: Some(format!("{name}-{step} First")),
            last_name: Some(format!("{name}-{step} Last")),
        }
    }

    pub(crate) fn email(&self) -> String {
        self.upsert(self.step).email
    }

    /// Returns the state that the database records for a step, and for whether the user is active then.
    pub(crate) fn state(step: usize, is_active: bool) -> String {
        format!("{step} {}", if is_active { "active" } else { "inactive" })
    }

    /// Returns one of the names of the user.
    pub(crate) fn key(&self, random: &mut Random) -> user_key::Key {
        match random.below(3) {
            0 => self.id(),
            1 => user_key::Key::Email(self.email().to_uppercase()),
            _ => user_key::Key::ExternalId(self.known.name.clone()),
        }
    }

    pub(crate) fn id(&self) -> user_key::Key {
        user_key::Key::Id(self.known.id.to_string())
    }

    /// Returns whether a response has the user as they are in a step.
    pub(crate) fn is(&self, user: &User, step: usize) -> bool {
        let UpsertUser { external_id, email, first_name, last_name } = self.upsert(step);
        user.external_id == external_id
            && user.email == email
            && Some(&user.first_name) == first_name.as_ref()
            && Some(&user.last_name) == last_name.as_ref()
            && user.deactivated_at.is_none() == self.is_active
            && user.erased_at.is_none()
            && (self.known.id == 0 || user.id == self.known.id.to_string())
    }
}
