//! What the audit log has of upserts.

use domain::{AuditDetails, AuditEvent, Change, Principal};

use crate::audit::{AuditLog, Origin};

/// Notes how many things an upsert has created or changed; nothing if there were none.
pub(super) fn note(
    audit: &AuditLog,
    event: AuditEvent,
    (caller, origin): (&Principal, &Origin),
    changes: impl Iterator<Item = Change>,
) {
    let (mut created, mut updated) = (0_u32, 0_u32);
    for change in changes {
        match change {
            Change::Created => created += 1,
            Change::Updated => updated += 1,
            Change::Unchanged => {}
        }
    }
    if created + updated > 0 {
        let details = AuditDetails::default().with("created", created).with("updated", updated);
        audit.note(caller.tenant, event, origin.agent(caller.key), details);
    }
}
