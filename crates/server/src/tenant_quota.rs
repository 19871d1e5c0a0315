//! What all tenants together may have of something, and each of them: of the memory for messages, and
//! of the calls that are worked on.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{Error, TenantId};
use serving::LEAST_WHILE_LOWERED;

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
    /// How many of them are given at the moment: all, or fewer.
    limit: usize,
    /// What a tenant may have, as long as that much is left, however little is left for others.
    minimum: usize,
    /// Units that calls have: more than all where responses took more than was left.
    used: usize,
    /// How many of them are beside a limit that is lower than otherwise.
    beside: usize,
    /// Units that the calls of each tenant have.
    held: HashMap<TenantId, usize>,
}

/// The units that one call has taken. They are returned on drop.
#[derive(Debug)]
pub(crate) struct TenantPermit {
    quota: TenantQuota,
    tenant: TenantId,
    units: usize,
    /// How many of them are beside the limit.
    beside: usize,
}

/// What a tenant gets more.
struct Grant {
    /// The units that it has without them.
    held: usize,
    /// Whether they are beside the limit.
    is_beside: bool,
}

impl TenantQuota {
    /// Creates so many units.
    pub(crate) fn new(total: usize) -> Self {
        Self::with_minimum(total, 0)
    }

    /// Creates so many units, of which a tenant may have `minimum` even if it leaves less for others.
    pub(crate) fn with_minimum(total: usize, minimum: usize) -> Self {
        let state =
            State { total, limit: total, minimum, used: 0, beside: 0, held: HashMap::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Returns a permit of a tenant, for no units yet.
    pub(crate) fn permit(&self, tenant: TenantId) -> TenantPermit {
        TenantPermit { quota: self.clone(), tenant, units: 0, beside: 0 }
    }

    /// Returns how many units are taken.
    pub(crate) fn used(&self) -> usize {
        self.lock().used
    }

    /// Returns how many units there are in all.
    pub(crate) fn total(&self) -> usize {
        self.lock().total
    }

    /// Sets how many units are given from now on, of all that there are. Who has more keeps them, and who has
    /// next to none gets some of the others meanwhile: as many again at most, all together.
    pub(crate) fn set_limit(&self, limit: usize) {
        let mut state = self.lock();
        state.limit = limit.min(state.total);
    }

    /// Returns how many units are given at the moment.
    pub(crate) fn limit(&self) -> usize {
        self.lock().limit
    }

    /// Checks whether a tenant gets so many units more, and takes none.
    ///
    /// # Errors
    /// As [`TenantPermit::grow`].
    pub(crate) fn check(&self, tenant: TenantId, units: usize) -> Result<(), Error> {
        self.lock().check(tenant, units).map(|_| ())
    }

    /// Returns whether more than half of the units are taken, or all that are given at the moment.
    pub(crate) fn is_scarce(&self) -> bool {
        let state = self.lock();
        state.used > state.total / 2 || state.used >= state.limit
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns what a tenant gets, if it gets so many units more.
    fn check(&self, tenant: TenantId, units: usize) -> Result<Grant, Error> {
        let used = self.used.checked_add(units).filter(|used| *used <= self.total);
        let used = used.ok_or(Error::Overloaded)?;
        let held = self.held.get(&tenant).copied().unwrap_or_default();
        let is_lowered = self.limit < self.total;
        let minimum = if is_lowered { 0 } else { self.minimum };
        if held + units <= self.limit.saturating_sub(used).max(minimum) {
            return Ok(Grant { held, is_beside: false });
        }
        let least = self.minimum.max(LEAST_WHILE_LOWERED);
        if is_lowered && held + units <= least && self.beside + units <= self.limit {
            return Ok(Grant { held, is_beside: true });
        }
        // A tenant that has nothing is not to blame.
        Err(if held == 0 { Error::Overloaded } else { Error::TenantOverloaded })
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
        let Grant { held, is_beside } = state.check(self.tenant, units)?;
        state.held.insert(self.tenant, held + units);
        state.used += units;
        let beside = if is_beside { units } else { 0 };
        state.beside += beside;
        drop(state);
        self.units += units;
        self.beside += beside;
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
        state.beside -= self.beside;
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

    #[test]
    fn while_fewer_units_are_given_a_tenant_that_has_most_of_them_locks_out_nobody() {
        let calls = TenantQuota::with_minimum(100, 1);
        let mut first = calls.permit(tenant(1));
        assert!(first.grow(50).is_ok());
        assert!(!calls.is_scarce());
        calls.set_limit(40);
        assert!(calls.is_scarce());
        assert!(matches!(calls.check(tenant(1), 1), Err(Error::TenantOverloaded)));
        assert!(matches!(first.grow(1), Err(Error::TenantOverloaded)));
        let mut others: Vec<_> = (2..12).map(|id| calls.permit(tenant(id))).collect();
        assert!(others.iter_mut().all(|other| other.grow(4).is_ok()));
        assert!(matches!(others[0].grow(1), Err(Error::TenantOverloaded)));
        // They have as much as the limit beside it.
        assert!(matches!(calls.check(tenant(20), 1), Err(Error::Overloaded)));
        others.pop();
        assert!(calls.permit(tenant(20)).grow(4).is_ok());

        drop((first, others));
        assert_eq!(calls.lock().beside, 0);
        let mut second = calls.permit(tenant(2));
        assert!(second.grow(20).is_ok());
        assert!(matches!(second.grow(1), Err(Error::TenantOverloaded)));
        calls.set_limit(usize::MAX);
        assert_eq!(calls.limit(), 100);
        assert!(second.grow(30).is_ok());
    }

    #[test]
    fn a_lower_limit_holds_for_any_number_of_tenants() {
        const LIMIT: usize = 128;
        let calls = TenantQuota::with_minimum(2048, 1);
        calls.set_limit(LIMIT);
        let take = |id| {
            let mut permit = calls.permit(tenant(id));
            permit.grow(1).is_ok().then_some(permit)
        };
        let held: Vec<_> = (1..=600).filter_map(take).collect();
        assert!((LIMIT..=2 * LIMIT).contains(&held.len()), "{}", held.len());
        drop(held);
        assert_eq!((calls.used(), calls.lock().beside), (0, 0));
    }
}
