//! The registry of the open streams: it limits, counts and lists them, and finds them by id or by
//! user.

mod by_user;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashTable;
use tidings_journal::TopicName;

use self::by_user::ByUser;
use crate::connection::{
    Connection, ConnectionId, Opening, Schedule, Signals, TimerEntry, network,
};
use crate::stream_totals::{Ended, RefusalReason, StreamTotals};
use crate::sync::Mutex;
use crate::table;
use crate::user::UserId;
use crate::wording::{Ending, EndingCause};

/// All open streams.
pub struct Registry {
    limits: Limits,
    open: Mutex<Open>,
    signals: Arc<Signals>,
}

#[derive(Default)]
struct Open {
    last_serial: u64,
    /// The streams in the order of opening, which is the order of lists.
    by_serial: BTreeMap<u64, Arc<Connection>>,
    by_id: HashTable<Arc<Connection>>,
    by_user: ByUser,
    /// The number of anonymous streams from each address, where they are limited.
    by_address: HashMap<IpAddr, usize>,
    by_kind: BTreeMap<&'static str, usize>,
    authenticated: usize,
    totals: StreamTotals,
}

/// How many streams may be open.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most streams in total.
    pub total: usize,
    /// The most streams of one user.
    pub per_user: usize,
    /// The most streams of anonymous visitors from one address. Streams without an address do not
    /// count.
    pub per_address: usize,
}

/// The limit that keeps a stream from being opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitReached {
    /// [`Limits::total`].
    Total,
    /// [`Limits::per_user`].
    User,
    /// [`Limits::per_address`].
    Address,
}

/// How many streams are open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The number of streams.
    pub total: usize,
    /// The number of streams that belong to a user.
    pub authenticated: usize,
    /// The number of streams of each kind, in alphabetical order. A stream may count under several
    /// kinds. Kinds without a stream are left out.
    pub by_kind: Vec<(&'static str, usize)>,
}

/// Which connections to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those of this user.
    pub user: Option<UserId>,
    /// Only those that follow this topic.
    pub topic: Option<TopicName>,
    /// Only those that were opened after the one with this serial.
    pub after: u64,
}

impl Registry {
    pub(crate) fn new(limits: Limits, signals: Arc<Signals>) -> Self {
        Self {
            limits,
            open: Mutex::default(),
            signals,
        }
    }

    /// Registers a new stream, unless a limit is reached. The stream counts as open from here on,
    /// so that the limits hold. The totals count it as opened only with [`Registry::opened`].
    pub(crate) fn admit(
        &self,
        mut opening: Opening,
        schedule: Schedule,
    ) -> Result<Arc<Connection>, LimitReached> {
        let mut open = self.open.lock();
        let timer = TimerEntry::new(schedule, self.signals.now());
        if let Err(limit) = open.check(&self.limits, &opening) {
            open.totals.count_refused(limit.into());
            return Err(limit);
        }
        open.last_serial += 1;
        let serial = open.last_serial;
        // The streams of one user share the text of the id.
        let known = opening
            .user
            .as_ref()
            .and_then(|user| open.by_user.of(user).first()?.user.clone());
        opening.user = known.or(opening.user);
        let connection = Arc::new(Connection::new(
            serial,
            opening,
            timer,
            self.signals.clone(),
        ));
        open.by_serial.insert(serial, connection.clone());
        open.by_id
            .insert_unique(connection.id.hash(), connection.clone(), |one| {
                one.id.hash()
            });
        if let Some(user) = &connection.user {
            open.by_user.add(user, &connection);
            open.authenticated += 1;
        } else if let Some(address) = connection.counted_address() {
            *open.by_address.entry(address).or_default() += 1;
        }
        for kind in connection.counted_as {
            *open.by_kind.entry(kind).or_default() += 1;
        }
        Ok(connection)
    }

    /// Counts a stream as opened. Called when everything has been done that opening it takes.
    pub(crate) fn opened(&self, connection: &Connection) {
        let mut open = self.open.lock();
        connection.set_opened();
        open.totals.count_opened(connection.counted_as);
    }

    /// Removes a stream, whether it was opened in full or not. A second call for the same stream
    /// does nothing.
    pub(crate) fn close(&self, connection: &Connection) {
        let mut open = self.open.lock();
        if open.by_serial.remove(&connection.serial).is_none() {
            return;
        }
        let ended = connection.ended();
        if connection.was_opened() {
            open.totals.count_ended(ended);
        } else if ended == Ended::EndingSent(EndingCause::Journal) {
            open.totals.count_refused(RefusalReason::Journal);
        } else {
            // It was not refused: the client left while the stream was being opened.
            open.totals.count_opened(connection.counted_as);
            open.totals.count_ended(ended);
        }
        if let Ok(entry) = open
            .by_id
            .find_entry(connection.id.hash(), |one| one.id == connection.id)
        {
            entry.remove();
        }
        if let Some(capacity) = table::shrunk_capacity(open.by_id.len(), open.by_id.capacity()) {
            open.by_id.shrink_to(capacity, |one| one.id.hash());
        }
        if let Some(user) = &connection.user {
            open.authenticated -= 1;
            open.by_user.remove(user, connection);
        } else if let Some(address) = connection.counted_address()
            && let Entry::Occupied(mut count) = open.by_address.entry(address)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
            if let Some(capacity) =
                table::shrunk_capacity(open.by_address.len(), open.by_address.capacity())
            {
                open.by_address.shrink_to(capacity);
            }
        }
        for kind in connection.counted_as {
            if let Some(count) = open.by_kind.get_mut(kind) {
                *count -= 1;
            }
        }
    }

    /// Counts a stream that was refused before the hub was asked to open it.
    pub fn refused(&self, why: RefusalReason) {
        self.open.lock().totals.count_refused(why);
    }

    /// Returns the totals of all streams since the start.
    pub fn totals(&self) -> StreamTotals {
        self.open.lock().totals.clone()
    }

    /// Returns how many streams may be open in total.
    pub fn limit(&self) -> usize {
        self.limits.total
    }

    /// Returns how many streams are open.
    pub fn stats(&self) -> Stats {
        let open = self.open.lock();
        Stats {
            total: open.by_serial.len(),
            authenticated: open.authenticated,
            by_kind: open
                .by_kind
                .iter()
                .map(|(kind, count)| (*kind, *count))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }

    /// Returns how many streams have unsent events, and the most bytes that one of them has.
    /// Streams that are catching up are left out.
    pub fn lag(&self) -> (u64, u64) {
        let lags = self
            .all()
            .into_iter()
            .filter_map(|connection| connection.lag_bytes());
        lags.fold((0, 0), |(behind, most), lag| {
            (behind + u64::from(lag > 0), most.max(lag))
        })
    }

    /// Returns up to `limit` connections in the order of opening, and whether there are more.
    pub fn list(&self, filter: &Filter, limit: usize) -> (Vec<Arc<Connection>>, bool) {
        let open = self.open.lock();
        let matches = |connection: &&Arc<Connection>| {
            connection.serial > filter.after
                && filter
                    .topic
                    .as_ref()
                    .is_none_or(|topic| connection.topics().any(|one| one == topic))
        };
        let mut page: Vec<_> = match &filter.user {
            Some(user) => {
                let own = open.by_user.of(user).iter();
                own.filter(matches)
                    .take(limit.saturating_add(1))
                    .cloned()
                    .collect()
            }
            None => {
                let later = open
                    .by_serial
                    .range(filter.after.saturating_add(1)..)
                    .map(|(_, connection)| connection);
                later
                    .filter(matches)
                    .take(limit.saturating_add(1))
                    .cloned()
                    .collect()
            }
        };
        let more = page.len() > limit;
        page.truncate(limit);
        (page, more)
    }

    /// Returns the connection with this id.
    pub fn get(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        let open = self.open.lock();
        open.by_id.find(id.hash(), |one| one.id == id).cloned()
    }

    /// Returns all connections, in the order of opening.
    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.open.lock().by_serial.values().cloned().collect()
    }

    /// Calls `act`, and returns all connections that were registered before that. No stream is
    /// registered during the call.
    pub(crate) fn all_before(&self, act: impl FnOnce()) -> Vec<Arc<Connection>> {
        let open = self.open.lock();
        act();
        open.by_serial.values().cloned().collect()
    }

    /// Ends all streams of `user`. Returns how many there were.
    pub fn end_user(&self, user: &UserId, ending: Ending) -> usize {
        let filter = Filter {
            user: Some(user.clone()),
            ..Filter::default()
        };
        let (connections, _) = self.list(&filter, usize::MAX);
        for connection in &connections {
            connection.end(ending);
        }
        connections.len()
    }
}

impl Open {
    /// Fails if a limit is reached.
    fn check(&self, limits: &Limits, opening: &Opening) -> Result<(), LimitReached> {
        if self.by_serial.len() >= limits.total {
            return Err(LimitReached::Total);
        }
        if let Some(user) = &opening.user {
            let own = self.by_user.of(user).len();
            return if own < limits.per_user {
                Ok(())
            } else {
                Err(LimitReached::User)
            };
        }
        let address = opening
            .address
            .filter(|_| opening.address_counts)
            .map(network);
        let from_address = address
            .and_then(|address| self.by_address.get(&address))
            .copied()
            .unwrap_or(0);
        if from_address < limits.per_address {
            Ok(())
        } else {
            Err(LimitReached::Address)
        }
    }
}

impl From<LimitReached> for RefusalReason {
    fn from(limit: LimitReached) -> Self {
        match limit {
            LimitReached::Total => Self::Total,
            LimitReached::User => Self::User,
            LimitReached::Address => Self::Address,
        }
    }
}

impl Default for Limits {
    /// Returns limits that are never reached.
    fn default() -> Self {
        Self {
            total: usize::MAX,
            per_user: usize::MAX,
            per_address: usize::MAX,
        }
    }
}

#[cfg(test)]
mod tests;
