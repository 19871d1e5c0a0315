//! Which records of a call the server found at fault.

use std::collections::BTreeMap;

use super::kind::Kind;
use crate::client::{error::CallError, refusal::Refusal};

/// Returns what is wrong with the items of a call that was refused, by their places. If the status does
/// not tell which ones are at fault, there are none, unless the call had one item only.
///
/// # Errors
/// The failure itself, if it is not a fault of the items.
pub(super) fn of<K: Kind>(
    error: CallError,
    items: &[(usize, &K::Item)],
) -> Result<BTreeMap<usize, String>, CallError> {
    let refusal = match error {
        CallError::Refused(refusal) if refusal.is_of_request() => refusal,
        error => return Err(error),
    };
    let mut faults = listed::<K>(&refusal, items);
    if let ([(place, _)], true) = (items, faults.is_empty()) {
        faults.insert(*place, format!("{} ({})", refusal.message, refusal.word));
    }
    Ok(faults)
}

fn listed<K: Kind>(refusal: &Refusal, items: &[(usize, &K::Item)]) -> BTreeMap<usize, String> {
    let mut faults: BTreeMap<usize, String> = BTreeMap::new();
    for violation in &refusal.violations {
        let Some((index, field)) = violation.item(K::LIST) else { continue };
        let Some((place, item)) = items.get(index) else { continue };
        let text = K::text(item, field).map(|text| format!(" {text:?}")).unwrap_or_default();
        let fault = format!("{field}{text}: {}", violation.sentence());
        let faults = faults.entry(*place).or_default();
        if !faults.is_empty() {
            faults.push_str("; ");
        }
        faults.push_str(&fault);
    }
    faults
}
