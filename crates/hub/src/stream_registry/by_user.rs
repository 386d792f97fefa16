//! The open streams of each user, in the order of opening.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use hashbrown::{HashTable, hash_table};
use smallvec::{SmallVec, smallvec};

use crate::connection::Connection;
use crate::table;
use crate::user::UserId;

/// The streams of one user, at least one, in the order of opening. They hold the user's id, so the
/// table needs no keys.
type Streams = SmallVec<[Arc<Connection>; 2]>;

/// The streams of all users.
#[derive(Default)]
pub(super) struct ByUser {
    table: HashTable<Streams>,
    hasher: RandomState,
}

impl ByUser {
    pub(super) fn of(&self, user: &UserId) -> &[Arc<Connection>] {
        self.table
            .find(self.hash(user), |streams| is_of(streams, user))
            .map_or(&[], SmallVec::as_slice)
    }

    pub(super) fn add(&mut self, user: &UserId, connection: &Arc<Connection>) {
        let Self { table, hasher } = self;
        match table.entry(
            hasher.hash_one(Some(user)),
            |own| is_of(own, user),
            |own| hash_of(hasher, own),
        ) {
            hash_table::Entry::Occupied(mut own) => own.get_mut().push(connection.clone()),
            hash_table::Entry::Vacant(place) => drop(place.insert(smallvec![connection.clone()])),
        }
    }

    pub(super) fn remove(&mut self, user: &UserId, connection: &Connection) {
        let Ok(mut own) = self
            .table
            .find_entry(self.hasher.hash_one(Some(user)), |own| is_of(own, user))
        else {
            return;
        };
        // The order of opening is the order of the serials. A search is needed because one user may
        // have very many streams if the limit is lifted.
        if let Ok(at) = own
            .get()
            .binary_search_by_key(&connection.serial, |one| one.serial)
        {
            own.get_mut().remove(at);
        }
        if own.get().is_empty() {
            own.remove();
            if let Some(capacity) = table::shrunk_capacity(self.table.len(), self.table.capacity())
            {
                self.table
                    .shrink_to(capacity, |own| hash_of(&self.hasher, own));
            }
        }
    }

    fn hash(&self, user: &UserId) -> u64 {
        self.hasher.hash_one(Some(user))
    }
}

fn hash_of(hasher: &RandomState, own: &[Arc<Connection>]) -> u64 {
    hasher.hash_one(own.first().and_then(|one| one.user.as_ref()))
}

fn is_of(own: &[Arc<Connection>], user: &UserId) -> bool {
    own.first()
        .is_some_and(|one| one.user.as_ref() == Some(user))
}
