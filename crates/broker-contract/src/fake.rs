//! A broker in memory that fails on command.
//!
//! Owns the servers of the broker and the links of the nodes to them. It keeps every promise of
//! [`Broker`] between the faults that it is told to have, and draws whatever is left open (how long
//! a request takes, which one is lost) from one seed. Under a paused clock, and in a runtime of one
//! thread, the same seed has the same faults in the same order.
//!
//! - `server`: what a server stores and answers
//! - `link`: what gets lost between a node and its server
//! - `node`: the handle of a node, which implements [`Broker`]

mod link;
mod node;
mod server;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tidings_journal_shared::broker::{Broker, Mark, Tag};
use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::link::Link;
pub use self::node::Node;
pub use self::server::Kind;
use self::server::Server;

/// The time of the broker when it is made: 2027-01-15.
const START_MS: i64 = 1_800_000_000_000;

/// A broker in memory. Clones are the same broker.
#[derive(Clone)]
pub struct Fake(Arc<Shared>);

struct Shared {
    world: Mutex<World>,
    /// Notified whenever something changed that a waiting reader or request may have waited for.
    changed: Notify,
    begun: Instant,
}

struct World {
    rng: StdRng,
    kind: Kind,
    servers: Vec<Server>,
    /// The server that nodes reach unless their route says otherwise.
    current: usize,
    /// A copy of the current server that no longer learns anything.
    copy: Option<Server>,
    /// The server before the last failover.
    old: Option<usize>,
    next_incarnation: u64,
    links: Vec<Connection>,
    /// The messages for each reader that were not returned yet.
    inboxes: BTreeMap<u64, Inbox>,
    next_reader: u64,
    /// The time that the servers' clocks show for ever, if they stand still.
    clock_ms: Option<i64>,
    /// Whether a proxy stands between the nodes and the servers, which keeps their connections when
    /// the server changes.
    proxy: bool,
}

/// The connection of a node.
struct Connection {
    link: Link,
    /// The server that it reaches, if that is not the current one.
    route: Option<usize>,
    /// The number of times that the node was cut off. Readers of an earlier number fail.
    cuts: u64,
}

struct Inbox {
    server: usize,
    node: usize,
    messages: VecDeque<Bytes>,
}

impl Fake {
    /// Makes a broker with one server and no log.
    pub fn new(kind: Kind, seed: u64) -> Self {
        let world = World {
            rng: StdRng::seed_from_u64(seed),
            kind,
            servers: vec![Server::new(kind, 1)],
            current: 0,
            copy: None,
            old: None,
            next_incarnation: 2,
            links: Vec::new(),
            inboxes: BTreeMap::new(),
            next_reader: 0,
            clock_ms: None,
            proxy: false,
        };
        Self(Arc::new(Shared {
            world: Mutex::new(world),
            changed: Notify::new(),
            begun: Instant::now(),
        }))
    }

    /// Connects one more node.
    pub fn node(&self) -> Arc<Node> {
        let mut world = self.0.world.lock();
        world.links.push(Connection {
            link: Link::default(),
            route: None,
            cuts: 0,
        });
        Arc::new(Node::new(self.clone(), world.links.len() - 1))
    }

    /// Connects one more node.
    pub fn broker(&self) -> Arc<dyn Broker> {
        self.node()
    }

    /// Puts a proxy between the nodes and the servers. It keeps connections when the server
    /// changes, so that nodes learn of it only from answers.
    pub fn put_proxy(&self) {
        self.change(|world| world.proxy = true);
    }

    /// Restarts the server. It has lost nothing.
    pub fn restart(&self) {
        self.change(|world| {
            let incarnation = world.incarnation();
            world.server().incarnation = incarnation;
            world.cut_connections();
        });
    }

    /// Stops replication: from now on the copy that a failover promotes falls behind.
    pub fn stop_replication(&self) {
        self.change(|world| world.copy = Some(world.server().clone()));
    }

    /// Promotes the copy, or if replication was not stopped, one that has everything. The old
    /// server is dead to all nodes but those in `left_behind`, which still reach it and don't
    /// notice.
    pub fn fail_over(&self, left_behind: &[&Node]) {
        self.change(|world| {
            let incarnation = world.incarnation();
            let mut promoted = world.copy.take().unwrap_or_else(|| world.server().clone());
            promoted.incarnation = incarnation;
            (promoted.up, promoted.full) = (true, false);
            let old = world.current;
            world.servers[old].up = !left_behind.is_empty();
            world.servers.push(promoted);
            world.current = world.servers.len() - 1;
            world.old = Some(old);
            for node in left_behind {
                world.links[node.number].route = Some(old);
            }
            world.cut_connections();
        });
    }

    /// Ends a split: all nodes reach the current server, and the old one is gone for good.
    pub fn heal(&self) {
        self.change(|world| {
            for connection in &mut world.links {
                if connection.route.take().is_some() && !world.proxy {
                    connection.cuts += 1;
                }
            }
            let current = world.current;
            for (number, server) in world.servers.iter_mut().enumerate() {
                server.up = number == current;
            }
        });
    }

    /// Has the server before the last failover come back with its data, as the current one.
    pub fn fail_back(&self) {
        self.change(|world| {
            let Some(old) = world.old else { return };
            let incarnation = world.incarnation();
            let left = world.current;
            world.servers[left].up = false;
            world.servers[old].up = true;
            world.servers[old].incarnation = incarnation;
            (world.current, world.old) = (old, Some(left));
            world
                .links
                .iter_mut()
                .for_each(|connection| connection.route = None);
            world.cut_connections();
        });
    }

    /// Stops the server, restores the data of `backup`, and starts it.
    pub fn restore(&self, backup: &Backup) {
        self.change(|world| {
            let incarnation = world.incarnation();
            let server = world.server();
            server.log.clone_from(&backup.0.log);
            server.incarnation = incarnation;
            world.cut_connections();
        });
    }

    /// Copies the server's data.
    pub fn back_up(&self) -> Backup {
        Backup(self.0.world.lock().server().clone())
    }

    /// Deletes everything, and says nothing.
    pub fn flush(&self) {
        self.change(|world| world.server().log = None);
    }

    /// Deletes the groups up to and including a mark, as an operator may, without a word in the
    /// log's state.
    pub fn delete_groups(&self, until: Mark) {
        self.change(|world| {
            if let Some(log) = &mut world.server().log {
                log.groups.retain(|group| group.mark > until);
            }
        });
    }

    /// Sets whether the server has no space. One that is not the current one now, and may be it
    /// again later, has as much.
    pub fn set_full(&self, full: bool) {
        self.change(|world| {
            for server in &mut world.servers {
                server.full = full;
            }
        });
    }

    /// Stops the server, or lets it go on as it was.
    pub fn set_up(&self, up: bool) {
        self.change(|world| world.server().up = up);
    }

    /// Sets how far the server's clock is ahead.
    pub fn set_skew_ms(&self, skew_ms: i64) {
        self.change(|world| world.server().skew_ms = skew_ms);
    }

    /// Stops the clocks of all servers at this time, in milliseconds since 1970.
    pub fn set_clock(&self, ms: i64) {
        self.change(|world| world.clock_ms = Some(ms));
    }

    /// Returns the mark of the newest group of the current server.
    pub fn head(&self) -> Mark {
        self.0
            .world
            .lock()
            .server()
            .log
            .as_ref()
            .map_or(Mark(0), |log| log.head)
    }

    /// Returns the mark up to which the log of the current server is truncated.
    pub fn trimmed(&self) -> Mark {
        self.0
            .world
            .lock()
            .server()
            .log
            .as_ref()
            .map_or(Mark(0), |log| log.trimmed)
    }

    /// Appends something that is no group of Tidings to the current epoch, as a stranger may.
    pub fn append_foreign(&self, bytes: &'static [u8]) {
        let ms = self.now_ms();
        self.change(|world| {
            let server = world.server();
            let Some(epoch) = server.state().map(|state| state.epoch) else {
                return;
            };
            let bytes = Bytes::from_static(bytes);
            let tag = Tag::of(&bytes);
            let group = tidings_journal_shared::broker::Encoded {
                bytes,
                tag,
                positions: 1,
            };
            // a server that is full takes nothing of strangers either
            let _ = server.append(epoch, &group, ms);
        });
    }

    fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.0.world.lock());
        self.0.changed.notify_waiters();
    }

    fn now_ms(&self) -> i64 {
        let passed = self.0.begun.elapsed();
        let stopped = self.0.world.lock().clock_ms;
        stopped.unwrap_or_else(|| START_MS + i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The data of a server at some time.
pub struct Backup(Server);

impl World {
    fn server(&mut self) -> &mut Server {
        &mut self.servers[self.current]
    }

    fn incarnation(&mut self) -> u64 {
        self.next_incarnation += 1;
        self.next_incarnation
    }

    /// The server that a node reaches.
    fn route(&self, node: usize) -> usize {
        self.links[node].route.unwrap_or(self.current)
    }

    /// Closes the connections of all nodes, unless a proxy keeps them.
    fn cut_connections(&mut self) {
        if !self.proxy {
            self.links
                .iter_mut()
                .for_each(|connection| connection.cuts += 1);
        }
    }
}
