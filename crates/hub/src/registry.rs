//! All open streams: who is connected, how many of each kind, and by which handle each can be ended.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tidings_journal::TopicName;

use crate::connection::{Alarm, Connection, ConnectionId, Opening};
use crate::user::UserId;
use crate::wording::Ending;

/// All open streams.
pub struct Registry {
    limits: Limits,
    open: Mutex<Open>,
    alarm: Arc<Alarm>,
}

#[derive(Default)]
struct Open {
    next_serial: u64,
    /// In the order of opening, which is the order of listing.
    by_serial: BTreeMap<u64, Arc<Connection>>,
    by_id: HashMap<ConnectionId, u64>,
    by_user: HashMap<UserId, Vec<u64>>,
    /// Anonymous streams, where addresses are counted.
    by_address: HashMap<IpAddr, usize>,
    by_kind: BTreeMap<&'static str, usize>,
    authenticated: usize,
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
    /// Where connections tell that their time may be nearer.
    pub(crate) fn alarm(&self) -> &Arc<Alarm> {
        &self.alarm
    }

    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, open: Mutex::default(), alarm: Arc::default() }
    }

    pub(crate) fn open(&self, opening: Opening) -> Result<Arc<Connection>, Full> {
        let mut open = self.open.lock();
        open.admit(&self.limits, &opening)?;
        open.next_serial += 1;
        let connection = Arc::new(Connection::new(open.next_serial, opening, self.alarm.clone()));
        let serial = connection.serial;
        open.by_serial.insert(serial, connection.clone());
        open.by_id.insert(connection.id, serial);
        if let Some(user) = &connection.user {
            open.by_user.entry(user.clone()).or_default().push(serial);
            open.authenticated += 1;
        } else if let Some(address) = connection.counted_address {
            *open.by_address.entry(address).or_default() += 1;
        }
        for kind in connection.counted_as {
            *open.by_kind.entry(kind).or_default() += 1;
        }
        Ok(connection)
    }

    pub(crate) fn close(&self, connection: &Connection) {
        let mut open = self.open.lock();
        if open.by_serial.remove(&connection.serial).is_none() {
            return;
        }
        open.by_id.remove(&connection.id);
        if let Some(user) = &connection.user {
            open.authenticated -= 1;
            if let Some(serials) = open.by_user.get_mut(user) {
                // In the order of opening, so in order; one user may have very many where the limit is lifted.
                if let Ok(at) = serials.binary_search(&connection.serial) {
                    serials.remove(at);
                }
                if serials.is_empty() {
                    open.by_user.remove(user);
                }
            }
        } else if let Some(address) = connection.counted_address
            && let Entry::Occupied(mut count) = open.by_address.entry(address)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        for kind in connection.counted_as {
            if let Some(count) = open.by_kind.get_mut(kind) {
                *count -= 1;
            }
        }
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

    /// Up to `limit` connections in the order of opening, and whether there are more.
    pub fn list(&self, filter: &Filter, limit: usize) -> (Vec<Arc<Connection>>, bool) {
        let open = self.open.lock();
        let matches = |connection: &&Arc<Connection>| {
            connection.serial > filter.after
                && filter.topic.as_ref().is_none_or(|topic| connection.topics.contains(topic))
        };
        let mut page: Vec<_> = match &filter.user {
            Some(user) => {
                let serials = open.by_user.get(user).into_iter().flatten();
                let own = serials.filter_map(|serial| open.by_serial.get(serial));
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
        open.by_id.get(&id).and_then(|serial| open.by_serial.get(serial)).cloned()
    }

    /// Every connection, in the order of opening.
    pub fn all(&self) -> Vec<Arc<Connection>> {
        self.open.lock().by_serial.values().cloned().collect()
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
            let own = self.by_user.get(user).map_or(0, Vec::len);
            return if own < limits.per_user { Ok(()) } else { Err(Full::User) };
        }
        let near = opening.counted_address.and_then(|address| self.by_address.get(&address)).copied().unwrap_or(0);
        if near < limits.per_address { Ok(()) } else { Err(Full::Address) }
    }
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

    fn opening(user: Option<&str>, kinds: &'static [&'static str]) -> Opening {
        let topics = [TopicName::parse("a").unwrap()].into();
        let user = user.map(|user| UserId::parse(user).unwrap());
        Opening { user, counted_as: kinds, topics, address: None, counted_address: None, now_ms: 0 }
    }

    #[test]
    fn counts_return_to_nothing() {
        let registry = Registry::new(Limits::default());
        let ann = registry.open(opening(Some("ann"), &["chat", "heartbeat"])).unwrap();
        let anonymous = registry.open(opening(None, &["heartbeat"])).unwrap();
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
        let registry = Registry::new(Limits::default());
        let users = ["ann", "bob", "ann", "ann", "bob"];
        let all = users.map(|user| registry.open(opening(Some(user), &[])).unwrap());
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
    fn who_is_full_is_refused_and_whoever_leaves_makes_room() {
        let registry = Registry::new(Limits { total: 4, per_user: 2, per_address: 1 });
        let from = |last| {
            let address = Some(IpAddr::from([192, 0, 2, last]));
            Opening { address, counted_address: address, ..opening(None, &[]) }
        };
        let near = registry.open(from(1)).unwrap();
        assert_eq!(registry.open(from(1)).err(), Some(Full::Address));
        let first = registry.open(opening(Some("ann"), &[])).unwrap();
        registry.open(opening(Some("ann"), &[])).unwrap();
        assert_eq!(registry.open(opening(Some("ann"), &[])).err(), Some(Full::User));
        registry.open(opening(None, &[])).unwrap();
        assert_eq!(registry.open(opening(Some("bob"), &[])).err(), Some(Full::Total));
        registry.close(&near);
        registry.close(&first);
        registry.open(from(1)).unwrap();
        registry.open(opening(Some("ann"), &[])).unwrap();
    }
}
