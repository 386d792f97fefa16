//! All open streams: who is connected, how many of each kind, and by which handle each can be ended.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashTable, hash_table};
use smallvec::{SmallVec, smallvec};
use tidings_journal::TopicName;

use crate::connection::{Connection, ConnectionId, Opening, Signals, network};
use crate::slack;
use crate::sync::Mutex;
use crate::tally::{Ended, Refused, Tally};
use crate::user::UserId;
use crate::wheel::{Turn, Wishes};
use crate::wording::{Cause, Ending};

/// All open streams.
pub struct Registry {
    limits: Limits,
    open: Mutex<Open>,
    signals: Arc<Signals>,
}

#[derive(Default)]
struct Open {
    next_serial: u64,
    /// In the order of opening, which is the order of listing.
    by_serial: BTreeMap<u64, Arc<Connection>>,
    by_id: HashTable<Arc<Connection>>,
    by_user: ByUser,
    /// Anonymous streams, where addresses are counted.
    by_address: HashMap<IpAddr, usize>,
    by_kind: BTreeMap<&'static str, usize>,
    authenticated: usize,
    tally: Tally,
}

/// The streams of each user, which are never none, in the order of opening. They know whose they are.
#[derive(Default)]
struct ByUser {
    table: HashTable<SmallVec<[Arc<Connection>; 2]>>,
    hasher: RandomState,
}

/// How many streams may be open.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In all.
    pub total: usize,
    /// Of one user.
    pub per_user: usize,
    /// Of anonymous visitors from one address; those without an address don't count.
    pub per_address: usize,
}

/// Why no more streams are opened for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The server holds as many as it may.
    Total,
    /// The user does.
    User,
    /// The address does.
    Address,
}

/// How many streams are open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// In all.
    pub total: usize,
    /// With a user.
    pub authenticated: usize,
    /// By kind, in alphabetical order; a stream may count under several. Kinds without a stream are left out.
    pub by_kind: Vec<(&'static str, usize)>,
}

/// Which connections to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this user's.
    pub user: Option<UserId>,
    /// Only those that follow this topic.
    pub topic: Option<TopicName>,
    /// Only those opened after the one with this serial.
    pub after: u64,
}

impl Registry {
    pub(crate) fn new(limits: Limits, signals: Arc<Signals>) -> Self {
        Self { limits, open: Mutex::default(), signals }
    }

    /// Lets a stream in, if there is room. It counts among the open ones from here on, so that no more are let in than may
    /// be; among those that were opened only with [`Registry::opened`].
    pub(crate) fn admit(&self, mut opening: Opening, wishes: Wishes) -> Result<Arc<Connection>, Full> {
        let mut open = self.open.lock();
        let turn = Turn::new(wishes, self.signals.now());
        if let Err(full) = open.admit(&self.limits, &opening) {
            open.tally.count_refused(full.into());
            return Err(full);
        }
        open.next_serial += 1;
        let serial = open.next_serial;
        // One user's many streams share the text of the name.
        let known = opening.user.as_ref().and_then(|user| open.by_user.of(user).first()?.user.clone());
        opening.user = known.or(opening.user);
        let connection = Arc::new(Connection::new(serial, opening, turn, self.signals.clone()));
        open.by_serial.insert(serial, connection.clone());
        open.by_id.insert_unique(connection.id.hash(), connection.clone(), |one| one.id.hash());
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

    /// The stream is open: everything that this takes has been done.
    pub(crate) fn opened(&self, connection: &Connection) {
        let mut open = self.open.lock();
        connection.set_opened();
        open.tally.count_opened(connection.counted_as);
    }

    /// Lets go of a stream, open or not. Only the first call counts.
    pub(crate) fn close(&self, connection: &Connection) {
        let mut open = self.open.lock();
        if open.by_serial.remove(&connection.serial).is_none() {
            return;
        }
        let ended = connection.ended();
        if connection.was_opened() {
            open.tally.count_ended(ended);
        } else if ended == Ended::Said(Cause::Journal) {
            open.tally.count_refused(Refused::Journal);
        } else {
            // Nobody was refused: the client left while its stream was being opened.
            open.tally.count_opened(connection.counted_as);
            open.tally.count_ended(ended);
        }
        if let Ok(named) = open.by_id.find_entry(connection.id.hash(), |one| one.id == connection.id) {
            named.remove();
        }
        if let Some(room) = slack::excess(open.by_id.len(), open.by_id.capacity()) {
            open.by_id.shrink_to(room, |one| one.id.hash());
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
            if let Some(room) = slack::excess(open.by_address.len(), open.by_address.capacity()) {
                open.by_address.shrink_to(room);
            }
        }
        for kind in connection.counted_as {
            if let Some(count) = open.by_kind.get_mut(kind) {
                *count -= 1;
            }
        }
    }

    /// Counts a stream that was refused before it came here.
    pub fn refused(&self, why: Refused) {
        self.open.lock().tally.count_refused(why);
    }

    /// What became of all streams since the start.
    pub fn tally(&self) -> Tally {
        self.open.lock().tally.clone()
    }

    /// How many streams may be open.
    pub fn limit(&self) -> usize {
        self.limits.total
    }

    /// How many streams are open.
    pub fn stats(&self) -> Stats {
        let open = self.open.lock();
        Stats {
            total: open.by_serial.len(),
            authenticated: open.authenticated,
            by_kind: open.by_kind.iter().map(|(kind, count)| (*kind, *count)).filter(|(_, count)| *count > 0).collect(),
        }
    }

    /// How many live streams have yet to be sent something, and how many bytes the furthest of them is behind.
    pub fn lag(&self) -> (u64, u64) {
        let lags = self.all().into_iter().filter_map(|connection| connection.lag_bytes());
        lags.fold((0, 0), |(behind, most), lag| (behind + u64::from(lag > 0), most.max(lag)))
    }

    /// Up to `limit` connections in the order of opening, and whether there are more.
    pub fn list(&self, filter: &Filter, limit: usize) -> (Vec<Arc<Connection>>, bool) {
        let open = self.open.lock();
        let matches = |connection: &&Arc<Connection>| {
            connection.serial > filter.after
                && filter.topic.as_ref().is_none_or(|topic| connection.topics().any(|one| one == topic))
        };
        let mut page: Vec<_> = match &filter.user {
            Some(user) => {
                let own = open.by_user.of(user).iter();
                own.filter(matches).take(limit.saturating_add(1)).cloned().collect()
            }
            None => {
                let later = open.by_serial.range(filter.after.saturating_add(1)..).map(|(_, connection)| connection);
                later.filter(matches).take(limit.saturating_add(1)).cloned().collect()
            }
        };
        let more = page.len() > limit;
        page.truncate(limit);
        (page, more)
    }

    /// The connection with this id.
    pub fn get(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        let open = self.open.lock();
        open.by_id.find(id.hash(), |one| one.id == id).cloned()
    }

    /// Every connection, in the order of opening.
    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.open.lock().by_serial.values().cloned().collect()
    }

    /// Every connection that was let in before `act` was called, which no other is let in meanwhile.
    pub(crate) fn all_before(&self, act: impl FnOnce()) -> Vec<Arc<Connection>> {
        let open = self.open.lock();
        act();
        open.by_serial.values().cloned().collect()
    }

    /// Ends all streams of `user`. Returns how many.
    pub fn end_user(&self, user: &UserId, ending: Ending) -> usize {
        let filter = Filter { user: Some(user.clone()), ..Filter::default() };
        let (connections, _) = self.list(&filter, usize::MAX);
        for connection in &connections {
            connection.end(ending);
        }
        connections.len()
    }
}

impl Open {
    fn admit(&self, limits: &Limits, opening: &Opening) -> Result<(), Full> {
        if self.by_serial.len() >= limits.total {
            return Err(Full::Total);
        }
        if let Some(user) = &opening.user {
            let own = self.by_user.of(user).len();
            return if own < limits.per_user { Ok(()) } else { Err(Full::User) };
        }
        let address = opening.address.filter(|_| opening.address_counts).map(network);
        let near = address.and_then(|address| self.by_address.get(&address)).copied().unwrap_or(0);
        if near < limits.per_address { Ok(()) } else { Err(Full::Address) }
    }
}

impl ByUser {
    fn of(&self, user: &UserId) -> &[Arc<Connection>] {
        self.table.find(self.hasher.hash_one(Some(user)), |own| is_of(own, user)).map_or(&[], SmallVec::as_slice)
    }

    fn add(&mut self, user: &UserId, connection: &Arc<Connection>) {
        let Self { table, hasher } = self;
        match table.entry(hasher.hash_one(Some(user)), |own| is_of(own, user), |own| hash_of(hasher, own)) {
            hash_table::Entry::Occupied(mut own) => own.get_mut().push(connection.clone()),
            hash_table::Entry::Vacant(place) => drop(place.insert(smallvec![connection.clone()])),
        }
    }

    fn remove(&mut self, user: &UserId, connection: &Connection) {
        let Ok(mut own) = self.table.find_entry(self.hasher.hash_one(Some(user)), |own| is_of(own, user)) else {
            return;
        };
        // In the order of opening, so in order; one user may have very many where the limit is lifted.
        if let Ok(at) = own.get().binary_search_by_key(&connection.serial, |one| one.serial) {
            own.get_mut().remove(at);
        }
        if own.get().is_empty() {
            own.remove();
            if let Some(room) = slack::excess(self.table.len(), self.table.capacity()) {
                self.table.shrink_to(room, |own| hash_of(&self.hasher, own));
            }
        }
    }
}

fn hash_of(hasher: &RandomState, own: &[Arc<Connection>]) -> u64 {
    hasher.hash_one(own.first().and_then(|one| one.user.as_ref()))
}

fn is_of(own: &[Arc<Connection>], user: &UserId) -> bool {
    own.first().is_some_and(|one| one.user.as_ref() == Some(user))
}

impl Default for Limits {
    /// None.
    fn default() -> Self {
        Self { total: usize::MAX, per_user: usize::MAX, per_address: usize::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wheel::HeartbeatStyle;

    fn opening(user: Option<&str>, kinds: &'static [&'static str]) -> Opening {
        let user = user.map(|user| UserId::parse(user).unwrap());
        Opening { user, counted_as: kinds, rings: SmallVec::new(), address: None, address_counts: false, now_ms: 0 }
    }

    fn registry(limits: Limits) -> Registry {
        Registry::new(limits, Arc::new(Signals::new()))
    }

    /// Something that ends a stream.
    type End = fn(&Arc<Connection>);

    /// Nothing of the wheel.
    const QUIET: Wishes = Wishes {
        style: HeartbeatStyle::Event,
        expires_at_ms: None,
        first_beat: std::time::Duration::from_secs(1),
        age: None,
    };

    #[test]
    fn counts_return_to_nothing() {
        let registry = registry(Limits::default());
        let ann = registry.admit(opening(Some("ann"), &["chat", "heartbeat"]), QUIET).unwrap();
        let anonymous = registry.admit(opening(None, &["heartbeat"]), QUIET).unwrap();
        let stats = registry.stats();
        assert_eq!((stats.total, stats.authenticated), (2, 1));
        assert_eq!(stats.by_kind, [("chat", 1), ("heartbeat", 2)]);
        registry.close(&ann);
        registry.close(&anonymous);
        registry.close(&anonymous);
        assert_eq!(registry.stats(), Stats::default());
        assert!(registry.get(ann.id).is_none());
    }

    #[test]
    fn pages_follow_each_other_in_the_order_of_opening() {
        let registry = registry(Limits::default());
        let users = ["ann", "bob", "ann", "ann", "bob"];
        let all = users.map(|user| registry.admit(opening(Some(user), &[]), QUIET).unwrap());
        let filter = Filter { user: Some(UserId::parse("ann").unwrap()), ..Filter::default() };
        let (first, more) = registry.list(&filter, 2);
        assert_eq!(first.iter().map(|one| one.id).collect::<Vec<_>>(), [all[0].id, all[2].id]);
        assert!(more);
        let (second, more) = registry.list(&Filter { after: first[1].serial, ..filter }, 2);
        assert_eq!(second.iter().map(|one| one.id).collect::<Vec<_>>(), [all[3].id]);
        assert!(!more);
        assert_eq!(registry.list(&Filter { after: u64::MAX, ..Filter::default() }, 2).0.len(), 0);
    }

    #[test]
    fn each_stream_is_counted_once_when_it_is_open_and_once_when_it_is_over() {
        let registry = registry(Limits::default());
        let open = |user| registry.admit(opening(Some(user), &["chat", "heartbeat"]), QUIET).unwrap();
        let ends: [(End, Ended); 6] = [
            (|_| {}, Ended::Left),
            (|one| one.end(Ending::EXPIRED), Ended::Said(Cause::Expired)),
            (|one| one.give_up(), Ended::Untaken),
            (|one| one.kill(), Ended::Killed),
            // The first ending stands, and what was said counts for more than what followed from it.
            (
                |one| {
                    one.end(Ending::SLOW);
                    one.end(Ending::AGED);
                },
                Ended::Said(Cause::Slow),
            ),
            (
                |one| {
                    one.end(Ending::AGED);
                    one.give_up();
                },
                Ended::Said(Cause::Age),
            ),
        ];
        for (nth, (end, how)) in (1..).zip(ends) {
            let one = open("ann");
            registry.opened(&one);
            assert_eq!((registry.tally().opened, registry.tally().all_ended()), (nth, nth - 1));
            end(&one);
            registry.close(&one);
            registry.close(&one);
            let tally = registry.tally();
            assert_eq!((tally.ended(how), tally.all_ended()), (1, nth), "{how:?}");
        }
        // One that left while it was being opened, and one that could not be.
        registry.close(&open("bob"));
        let unread = open("bob");
        unread.end(Ending::JOURNAL);
        registry.close(&unread);
        let tally = registry.tally();
        assert_eq!((tally.opened, tally.all_ended(), tally.ended(Ended::Left)), (7, 7, 2));
        assert_eq!((tally.refused(Refused::Journal), tally.all_refused()), (1, 1));
        assert_eq!(tally.opened_by_kind, BTreeMap::from([("chat", 7), ("heartbeat", 7)]));
    }

    #[test]
    fn who_is_full_is_refused_and_whoever_leaves_makes_room() {
        let registry = registry(Limits { total: 4, per_user: 2, per_address: 1 });
        let from = |last| {
            let address = Some(IpAddr::from([192, 0, 2, last]));
            Opening { address, address_counts: true, ..opening(None, &[]) }
        };
        let near = registry.admit(from(1), QUIET).unwrap();
        assert_eq!(registry.admit(from(1), QUIET).err(), Some(Full::Address));
        let first = registry.admit(opening(Some("ann"), &[]), QUIET).unwrap();
        registry.admit(opening(Some("ann"), &[]), QUIET).unwrap();
        assert_eq!(registry.admit(opening(Some("ann"), &[]), QUIET).err(), Some(Full::User));
        registry.admit(opening(None, &[]), QUIET).unwrap();
        assert_eq!(registry.admit(opening(Some("bob"), &[]), QUIET).err(), Some(Full::Total));
        let refused = [Refused::Total, Refused::User, Refused::Address].map(|why| registry.tally().refused(why));
        assert_eq!(refused, [1, 1, 1]);
        registry.close(&near);
        first.end(Ending::EXPIRED);
        registry.close(&first);
        registry.admit(from(1), QUIET).unwrap();
        registry.admit(opening(Some("ann"), &[]), QUIET).unwrap();
    }
}
