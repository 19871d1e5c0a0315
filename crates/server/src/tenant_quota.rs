//! The memory that the messages of all calls may take together, and what each tenant has of it.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{Error, TenantId};

/// The memory for messages. Clones share it.
///
/// A tenant may have as much as is left for others: alone it gets half of the memory, each of two
/// gets a third, and with any number of greedy tenants there is as much left as each of them has.
#[derive(Clone, Debug)]
pub(crate) struct MessageMemory(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// All bytes there are.
    total: usize,
    /// Bytes that calls have: more than all where responses took more than was left.
    used: usize,
    /// Bytes that the calls of each tenant have.
    held: HashMap<TenantId, usize>,
}

/// The memory that one call has taken. It is returned on drop.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    memory: MessageMemory,
    tenant: TenantId,
    bytes: usize,
}

impl MessageMemory {
    /// Creates a memory of so many bytes.
    pub(crate) fn new(total: usize) -> Self {
        Self(Arc::new(Mutex::new(State { total, used: 0, held: HashMap::new() })))
    }

    /// Returns a permit of a tenant, for no memory yet.
    pub(crate) fn permit(&self, tenant: TenantId) -> MemoryPermit {
        MemoryPermit { memory: self.clone(), tenant, bytes: 0 }
    }

    /// Returns whether more than half of the memory is taken.
    pub(crate) fn is_scarce(&self) -> bool {
        let state = self.lock();
        state.used > state.total / 2
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryPermit {
    /// Takes so many bytes more.
    ///
    /// # Errors
    /// [`Error::TenantOverloaded`] if the tenant would have more than is left then,
    /// [`Error::Overloaded`] if nearly nothing is left. The permit stays as it was.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        let mut state = self.memory.lock();
        let left = state.total.saturating_sub(state.used);
        let left = left.checked_sub(bytes).ok_or(Error::Overloaded)?;
        let held = state.held.entry(self.tenant).or_default();
        if *held + bytes > left {
            // A tenant that has nothing is not to blame.
            return Err(if *held == 0 { Error::Overloaded } else { Error::TenantOverloaded });
        }
        *held += bytes;
        state.used += bytes;
        drop(state);
        self.bytes += bytes;
        Ok(())
    }

    /// Takes so many bytes more, whatever is left: for a response, which can't be refused any more.
    pub(crate) fn force(&mut self, bytes: usize) {
        let mut state = self.memory.lock();
        *state.held.entry(self.tenant).or_default() += bytes;
        state.used += bytes;
        drop(state);
        self.bytes += bytes;
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        let mut state = self.memory.lock();
        state.used -= self.bytes;
        // A tenant that has nothing is forgotten.
        if let Entry::Occupied(mut held) = state.held.entry(self.tenant) {
            *held.get_mut() -= self.bytes;
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
        let memory = MessageMemory::new(12 * MIB);
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
