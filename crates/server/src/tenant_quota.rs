//! What all tenants together may have of something, and each of them: of the memory for messages, and
//! of the calls that are worked on.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{Error, TenantId};

/// The units that tenants may have at once. Clones share them.
///
/// A tenant may have as much as is left for others: alone it gets half of the units, each of two
/// gets a third, and with any number of greedy tenants there is as much left as each of them has.
#[derive(Clone, Debug)]
pub(crate) struct TenantQuota(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// All units there are.
    total: usize,
    /// What a tenant may have, as long as that much is left, however little is left for others.
    minimum: usize,
    /// Units that calls have: more than all where responses took more than was left.
    used: usize,
    /// Units that the calls of each tenant have.
    held: HashMap<TenantId, usize>,
}

/// The units that one call has taken. They are returned on drop.
#[derive(Debug)]
pub(crate) struct TenantPermit {
    quota: TenantQuota,
    tenant: TenantId,
    units: usize,
}

impl TenantQuota {
    /// Creates so many units.
    pub(crate) fn new(total: usize) -> Self {
        Self::with_minimum(total, 0)
    }

    /// Creates so many units, of which a tenant may have `minimum` even if it leaves less for others.
    pub(crate) fn with_minimum(total: usize, minimum: usize) -> Self {
        Self(Arc::new(Mutex::new(State { total, minimum, used: 0, held: HashMap::new() })))
    }

    /// Returns a permit of a tenant, for no units yet.
    pub(crate) fn permit(&self, tenant: TenantId) -> TenantPermit {
        TenantPermit { quota: self.clone(), tenant, units: 0 }
    }

    /// Returns how many units are taken.
    pub(crate) fn used(&self) -> usize {
        self.lock().used
    }

    /// Returns how many units there are in all.
    pub(crate) fn total(&self) -> usize {
        self.lock().total
    }

    /// Returns whether more than half of the units are taken.
    pub(crate) fn is_scarce(&self) -> bool {
        let state = self.lock();
        state.used > state.total / 2
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TenantPermit {
    /// Takes so many units more.
    ///
    /// # Errors
    /// [`Error::TenantOverloaded`] if the tenant would have more than is left then,
    /// [`Error::Overloaded`] if nearly nothing is left. The permit stays as it was.
    pub(crate) fn grow(&mut self, units: usize) -> Result<(), Error> {
        let mut state = self.quota.lock();
        let left = state.total.saturating_sub(state.used);
        let left = left.checked_sub(units).ok_or(Error::Overloaded)?;
        let held = state.held.get(&self.tenant).copied().unwrap_or_default();
        if held + units > left.max(state.minimum) {
            // A tenant that has nothing is not to blame.
            return Err(if held == 0 { Error::Overloaded } else { Error::TenantOverloaded });
        }
        state.held.insert(self.tenant, held + units);
        state.used += units;
        drop(state);
        self.units += units;
        Ok(())
    }

    /// Takes so many units more, whatever is left: for a response, which can't be refused any more.
    pub(crate) fn force(&mut self, units: usize) {
        let mut state = self.quota.lock();
        *state.held.entry(self.tenant).or_default() += units;
        state.used += units;
        drop(state);
        self.units += units;
    }
}

impl Drop for TenantPermit {
    fn drop(&mut self) {
        let mut state = self.quota.lock();
        state.used -= self.units;
        // A tenant that has nothing is forgotten.
        if let Entry::Occupied(mut held) = state.held.entry(self.tenant) {
            *held.get_mut() -= self.units;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn tenant(id: i64) -> TenantId {
        TenantId::new(id).unwrap()
    }

    #[test]
    fn a_tenant_gets_as_much_as_it_leaves_for_others() {
        let memory = TenantQuota::new(12 * MIB);
        let (mut first, mut again) = (memory.permit(tenant(1)), memory.permit(tenant(1)));
        assert!(first.grow(4 * MIB).is_ok());
        assert!(again.grow(2 * MIB).is_ok());
        assert!(matches!(again.grow(1), Err(Error::TenantOverloaded)));

        assert!(!memory.is_scarce());
        let mut second = memory.permit(tenant(2));
        assert!(second.grow(3 * MIB).is_ok());
        assert!(matches!(second.grow(1), Err(Error::TenantOverloaded)));
        assert!(memory.is_scarce());
        assert!(matches!(memory.permit(tenant(3)).grow(2 * MIB), Err(Error::Overloaded)));
        assert!(memory.permit(tenant(3)).grow(MIB).is_ok());
        assert!(matches!(second.grow(usize::MAX), Err(Error::Overloaded)));

        drop((first, again));
        assert!(second.grow(3 * MIB).is_ok());
        second.force(20 * MIB);
        assert!(matches!(memory.permit(tenant(3)).grow(1), Err(Error::Overloaded)));
        drop(second);
        let state = memory.lock();
        assert_eq!((state.used, state.held.len()), (0, 0));
    }
}
