//! The wakers of the cursors that wait for the next frame of a ring.

use std::num::NonZeroU32;
use std::task::Waker;

use slab::Slab;

use crate::table;

/// The wakers of the cursors that sleep.
pub(super) struct Waiters {
    wakers: Slab<Waker>,
    /// Counts how often all wakers were taken, so that a cursor knows whether its registration is
    /// still valid.
    generation: u32,
}

/// Where a cursor's waker is registered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registration {
    generation: u32,
    /// The key in the slab, plus one.
    place: NonZeroU32,
}

impl Waiters {
    pub(super) fn new() -> Self {
        Self {
            wakers: Slab::new(),
            generation: 0,
        }
    }

    /// Registers `waker` until the wakers are taken. `earlier` is what this cursor's last call
    /// returned.
    pub(super) fn register(
        &mut self,
        waker: &Waker,
        earlier: Option<Registration>,
    ) -> Registration {
        let generation = self.generation;
        if let Some(earlier) = earlier.filter(|earlier| earlier.generation == generation)
            && let Some(registered) = self.wakers.get_mut(earlier.key())
        {
            registered.clone_from(waker);
            return earlier;
        }
        if self.wakers.capacity() == 0 {
            self.wakers.reserve_exact(1); // most topics of users have one reader, most of the time
        }
        let key = self.wakers.insert(waker.clone());
        // 4 billion wakers would not fit into memory.
        let place =
            u32::try_from(key).map_or(NonZeroU32::MAX, |key| NonZeroU32::MIN.saturating_add(key));
        Registration { generation, place }
    }

    pub(super) fn deregister(&mut self, registration: Registration) {
        if registration.generation == self.generation {
            self.wakers.try_remove(registration.key());
        }
    }

    /// Moves all wakers to `out`.
    pub(super) fn take(&mut self, out: &mut Vec<Waker>) {
        self.generation = self.generation.wrapping_add(1);
        out.extend(self.wakers.drain());
    }

    /// Frees capacity if little of it is used.
    pub(super) fn shrink(&mut self) {
        if table::shrunk_capacity(self.wakers.len(), self.wakers.capacity()).is_some() {
            self.wakers.shrink_to_fit();
        }
    }

    #[cfg(all(test, not(shuttle)))]
    pub(super) fn len(&self) -> usize {
        self.wakers.len()
    }
}

impl Registration {
    fn key(self) -> usize {
        self.place.get() as usize - 1
    }
}
