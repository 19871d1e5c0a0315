//! An entry of the audit log.

use std::{fmt, time::SystemTime};

use super::{agent::Agent, details::AuditDetails};
use crate::TenantId;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditEvent {
    /// A tenant was created.
    TenantCreated,
    /// A host name was bound to a tenant.
    HostAdded,
    /// A host name is no longer bound to a tenant.
    HostRemoved,
    /// It was changed whether a tenant's keys are accepted on its own hosts only.
    HostsExclusiveSet,
    /// A user was created by a command.
    UserCreated,
    /// A case was created by a command or a call.
    CaseCreated,
    /// An API key was created.
    KeyCreated,
    /// An API key was created to take the place of another one.
    KeyRotated,
    /// An API key was revoked.
    KeyRevoked,
    /// The scopes of an API key were changed.
    KeyScopesSet,
    /// The addresses from which an API key is accepted were changed.
    KeyNetworksSet,
    /// Users were created or changed by the service that feeds them.
    UsersFed,
    /// Cases were created or changed by the service that feeds them.
    CasesFed,
    /// A user was deactivated.
    UserDeactivated,
    /// A user was made active again.
    UserReactivated,
    /// A user was erased.
    UserErased,
    /// A case was closed by the service that feeds cases.
    CaseClosed,
    /// A case was changed by a call.
    CaseChanged,
    /// A case was deleted with its tasks.
    CaseDeleted,
    /// An API key was accepted from an address, for the first time in a day.
    KeyUsed,
    /// An API key was refused.
    KeyRefused,
    /// Entries were lost before they were written.
    EntriesDropped,
    /// The oldest entries were deleted.
    LogPruned,
}

impl AuditEvent {
    /// Every event.
    pub const ALL: [Self; 23] = [
        Self::TenantCreated,
        Self::HostAdded,
        Self::HostRemoved,
        Self::HostsExclusiveSet,
        Self::UserCreated,
        Self::CaseCreated,
        Self::KeyCreated,
        Self::KeyRotated,
        Self::KeyRevoked,
        Self::KeyScopesSet,
        Self::KeyNetworksSet,
        Self::UsersFed,
        Self::CasesFed,
        Self::UserDeactivated,
        Self::UserReactivated,
        Self::UserErased,
        Self::CaseClosed,
        Self::CaseChanged,
        Self::CaseDeleted,
        Self::KeyUsed,
        Self::KeyRefused,
        Self::EntriesDropped,
        Self::LogPruned,
    ];

    /// Returns the event's name, as it is stored and written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TenantCreated => "tenant.created",
            Self::HostAdded => "host.added",
            Self::HostRemoved => "host.removed",
            Self::HostsExclusiveSet => "host.exclusive_set",
            Self::UserCreated => "user.created",
            Self::CaseCreated => "case.created",
            Self::KeyCreated => "key.created",
            Self::KeyRotated => "key.rotated",
            Self::KeyRevoked => "key.revoked",
            Self::KeyScopesSet => "key.scopes_set",
            Self::KeyNetworksSet => "key.networks_set",
            Self::UsersFed => "users.fed",
            Self::CasesFed => "cases.fed",
            Self::UserDeactivated => "user.deactivated",
            Self::UserReactivated => "user.reactivated",
            Self::UserErased => "user.erased",
            Self::CaseClosed => "case.closed",
            Self::CaseChanged => "case.changed",
            Self::CaseDeleted => "case.deleted",
            Self::KeyUsed => "key.used",
            Self::KeyRefused => "key.refused",
            Self::EntriesDropped => "entries.dropped",
            Self::LogPruned => "log.pruned",
        }
    }
}

/// An entry to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAuditEntry {
    /// When it happened; `None` for now, by the database's clock.
    pub time: Option<SystemTime>,
    /// What happened.
    pub event: AuditEvent,
    /// Who did it.
    pub agent: Agent,
    /// The id of the key, user or case that it is about.
    pub subject: Option<i64>,
    /// What else there is to say.
    pub details: AuditDetails,
}

impl NewAuditEntry {
    /// Returns an entry about what happens now.
    #[must_use]
    pub fn now(event: AuditEvent, agent: Agent, subject: i64) -> Self {
        let details = AuditDetails::default();
        Self { time: None, event, agent, subject: Some(subject), details }
    }

    /// Adds what else there is to say.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.details = self.details.with(name, value);
        self
    }
}

/// An entry as it is stored. Its texts are as they were written, also by a newer release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The tenant whose log it is in.
    pub tenant: TenantId,
    /// Its number in the tenant's log, from 1.
    pub number: i64,
    /// When it happened, in microseconds since 1970.
    pub micros: i64,
    /// What happened, as [`AuditEvent::as_str`] names it.
    pub event: String,
    /// The API key that did it.
    pub key: Option<i64>,
    /// The role of the database that did it.
    pub role: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
    /// The id of what it is about.
    pub subject: Option<i64>,
    /// What else there is to say.
    pub details: String,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_event_is_listed_once_and_has_a_name_of_its_own() {
        for (index, event) in AuditEvent::ALL.into_iter().enumerate() {
            assert_eq!(event as usize, index);
        }
        let names: BTreeSet<_> = AuditEvent::ALL.iter().map(|event| event.as_str()).collect();
        assert_eq!(names.len(), AuditEvent::ALL.len());
    }
}
