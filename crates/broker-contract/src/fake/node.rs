//! The handle of a node on the fake broker.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use tidings_journal::Epoch;
use tidings_journal_shared::broker::{
    Broker, Commit, Encoded, Failure, Follow, Live, Mark, Opened, Opening, Placed, Raw, SnapshotId,
    Tag,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::link::{Fate, Link, happens};
use super::server::{Kind, Server};
use super::{Fake, Inbox};

/// The time limit of a request.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// How long a reader waits for groups before it says that the broker is alive.
const ALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// After how much silence a reader fails.
const SILENCE_LIMIT: Duration = Duration::from_millis(2_500);

/// The most groups that a reader returns at once.
const BATCH: usize = 64;

/// A node of the fake broker. It is the [`Broker`] that the node's journal uses.
pub struct Node {
    fake: Fake,
    pub(super) number: usize,
}

/// A reader.
struct Reader {
    fake: Fake,
    node: usize,
    id: u64,
    /// How often the node had been cut off when the reader began.
    cuts: u64,
    after: Mark,
    /// When the groups that were found arrive.
    arrival: Option<Instant>,
    /// When the reader has to say that the broker is alive.
    alive_at: Instant,
    /// Since when the reader waits.
    silent_since: Instant,
}

impl Node {
    pub(super) fn new(fake: Fake, number: usize) -> Self {
        Self { fake, number }
    }

    /// Changes the node's link.
    pub fn set_link(&self, change: impl FnOnce(&mut Link)) {
        self.fake
            .change(|world| change(&mut world.links[self.number].link));
    }

    /// Closes the node's connections. It may connect again at once.
    pub fn cut_connections(&self) {
        self.fake.change(|world| world.links[self.number].cuts += 1);
    }

    /// Sends a request. The server does it even if nobody waits for it any more.
    async fn request<T: Send + 'static>(
        &self,
        writes: bool,
        work: impl Fn(&mut Server, i64) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (fate, there, back, late, server) = {
            let mut world = self.fake.0.world.lock();
            let server = world.route(self.number);
            let link = world.links[self.number].link.clone();
            if link.cut {
                return Err(Failure::Unsure("the connection was refused".to_owned()));
            }
            let rng = &mut world.rng;
            let late = TIME_LIMIT + Duration::from_millis(rng.random_range(1..8_000));
            (
                link.fate(writes, rng),
                link.latency(rng),
                link.latency(rng),
                late,
                server,
            )
        };
        let (answer, answered) = oneshot::channel();
        let (fake, node) = (self.fake.clone(), self.number);
        tokio::spawn(async move {
            tokio::time::sleep(there).await;
            if let Fate::Lost { noticed } = fate {
                return if !noticed {
                    answer_never(answer).await;
                };
            }
            if fate == Fate::Ghost {
                tokio::time::sleep(late).await;
            }
            fake.until_well(node).await;
            let Some(result) = fake.serve(server, &work) else {
                return;
            }; // the server is dead
            match fate {
                Fate::Unanswered { noticed: true } | Fate::Ghost => return,
                Fate::Unanswered { noticed: false } => return answer_never(answer).await,
                _ => {}
            }
            tokio::time::sleep(back).await;
            fake.until_well(node).await;
            let _ = answer.send(result); // nobody may wait for it any more
            if fate == Fate::Doubled {
                tokio::time::sleep(late).await;
                fake.serve(server, &work);
            }
        });
        let mut answered = std::pin::pin!(answered);
        let outcome = loop {
            match tokio::time::timeout(TIME_LIMIT, &mut answered).await {
                Ok(outcome) => break Some(outcome),
                // A node that does not run notices no time limit.
                Err(_) if self.fake.is_frozen(self.number) => {
                    self.fake.until_thawed(self.number).await;
                }
                Err(_) => break None,
            }
        };
        match outcome {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(Failure::Unsure("the connection was closed".to_owned())),
            None => Err(Failure::Unsure(format!(
                "no answer in {} s",
                TIME_LIMIT.as_secs()
            ))),
        }
    }
}

/// Leaves the sender of a request waiting until it gives up.
async fn answer_never<T>(mut answer: oneshot::Sender<T>) {
    answer.closed().await;
}

impl Fake {
    /// Does a request, unless the server is dead.
    fn serve<T>(
        &self,
        server: usize,
        work: &impl Fn(&mut Server, i64) -> Result<T, Failure>,
    ) -> Option<Result<T, Failure>> {
        let ms = self.now_ms();
        let result = {
            let mut world = self.0.world.lock();
            let server = &mut world.servers[server];
            server.up.then(|| work(server, ms + server.skew_ms))
        };
        self.0.changed.notify_waiters();
        result
    }

    fn is_frozen(&self, node: usize) -> bool {
        self.0.world.lock().links[node].link.frozen
    }

    /// Waits while something keeps a node's requests and answers on the way.
    async fn until_well(&self, node: usize) {
        self.until(node, |link| !link.stalled && !link.frozen).await;
    }

    async fn until_thawed(&self, node: usize) {
        self.until(node, |link| !link.frozen).await;
    }

    async fn until(&self, node: usize, condition: impl Fn(&Link) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable(); // before the look, so that no change is missed
            if condition(&self.0.world.lock().links[node].link) {
                return;
            }
            changed.await;
        }
    }
}

#[async_trait::async_trait]
impl Broker for Node {
    async fn open(&self, opening: &Opening) -> Result<Opened, Failure> {
        let opening = opening.clone();
        self.request(true, move |server, ms| server.open(&opening, ms))
            .await
    }

    async fn append(&self, epoch: Epoch, group: &Encoded) -> Result<Placed, Failure> {
        let group = group.clone();
        debug_assert_eq!(
            group.tag,
            Tag::of(&group.bytes),
            "the tag is the hash of the group"
        );
        self.request(true, move |server, ms| server.append(epoch, &group, ms))
            .await
    }

    async fn page(&self, after: Mark, bytes: usize) -> Result<Vec<Raw>, Failure> {
        let page = self
            .request(false, move |server, _| server.page(after, bytes))
            .await?;
        let mut world = self.fake.0.world.lock();
        let stale = world.links[self.number].link.stale;
        let kind = world.kind;
        let rng = &mut world.rng;
        let known = match kind {
            Kind::Numbered if happens(stale, rng) => rng.random_range(0..=page.len()),
            _ => page.len(),
        };
        Ok(page.into_iter().take(known).collect())
    }

    async fn follow(&self, after: Mark) -> Result<Box<dyn Follow>, Failure> {
        self.request(false, |_, _| Ok(())).await?;
        let mut world = self.fake.0.world.lock();
        let id = world.next_reader;
        world.next_reader += 1;
        let server = world.route(self.number);
        world.inboxes.insert(
            id,
            Inbox {
                server,
                node: self.number,
                messages: VecDeque::new(),
            },
        );
        let cuts = world.links[self.number].cuts;
        let (fake, node, now) = (self.fake.clone(), self.number, Instant::now());
        let alive_at = now + ALIVE_INTERVAL;
        Ok(Box::new(Reader {
            fake,
            node,
            id,
            cuts,
            after,
            arrival: None,
            alive_at,
            silent_since: now,
        }))
    }

    async fn write_chunk(
        &self,
        snapshot: &SnapshotId,
        nth: u32,
        bytes: Bytes,
    ) -> Result<(), Failure> {
        let snapshot = snapshot.clone();
        self.request(true, move |server, ms| {
            server.write_chunk(&snapshot, nth, bytes.clone(), ms)
        })
        .await
    }

    async fn commit(&self, commit: &Commit) -> Result<bool, Failure> {
        let commit = commit.clone();
        self.request(true, move |server, _| server.commit(&commit))
            .await
    }

    async fn read_chunk(&self, snapshot: &SnapshotId, nth: u32) -> Result<Option<Bytes>, Failure> {
        let snapshot = snapshot.clone();
        self.request(false, move |server, _| server.read_chunk(&snapshot, nth))
            .await
    }

    async fn send(&self, message: Bytes) -> Result<(), Failure> {
        let fake = self.fake.clone();
        let server = fake.0.world.lock().route(self.number);
        self.request(false, |_, _| Ok(())).await?;
        fake.change(|world| {
            for inbox in world
                .inboxes
                .values_mut()
                .filter(|inbox| inbox.server == server)
            {
                let lost = world.links[inbox.node].link.live_lost;
                if !happens(lost, &mut world.rng) {
                    inbox.messages.push_back(message.clone());
                }
            }
        });
        Ok(())
    }
}

/// What a reader finds when it looks.
enum Found {
    News(Live),
    Failed(&'static str),
    /// Nothing before this time, unless something changes.
    Nothing(Instant),
}

#[async_trait::async_trait]
impl Follow for Reader {
    async fn next(&mut self) -> Result<Live, Failure> {
        self.silent_since = Instant::now();
        loop {
            let fake = self.fake.clone();
            let mut changed = std::pin::pin!(fake.0.changed.notified());
            changed.as_mut().enable(); // before the look, so that no change is missed
            match self.look() {
                Found::News(live) => {
                    self.alive_at = Instant::now() + ALIVE_INTERVAL;
                    return Ok(live);
                }
                Found::Failed(why) => return Err(Failure::Unsure(why.to_owned())),
                Found::Nothing(until) => {
                    // either way, it looks again
                    let _ = tokio::time::timeout_at(until, changed).await;
                }
            }
        }
    }
}

impl Reader {
    fn look(&mut self) -> Found {
        let now = Instant::now();
        let mut world = self.fake.0.world.lock();
        let world = &mut *world;
        let number = world.route(self.node);
        let connection = &world.links[self.node];
        let link = &connection.link;
        let (server, inbox) = (&world.servers[number], world.inboxes.get_mut(&self.id));
        if link.frozen {
            self.silent_since = now;
            return Found::Nothing(now + SILENCE_LIMIT);
        }
        if connection.cuts != self.cuts || link.cut {
            return Found::Failed("the connection was closed");
        }
        if link.stalled || !server.up {
            let until = self.silent_since + SILENCE_LIMIT;
            return if now >= until {
                Found::Failed("the broker is silent")
            } else {
                Found::Nothing(until)
            };
        }
        if let Some(inbox) = inbox {
            inbox.server = number; // a proxy may have changed it
            if let Some(message) = inbox.messages.pop_front() {
                return Found::News(Live::Message(message));
            }
        }
        let log = server.log.as_ref();
        if log.is_some_and(|log| log.after(self.after).next().is_some()) {
            let arrival = *self
                .arrival
                .get_or_insert_with(|| now + link.latency(&mut world.rng));
            if now >= arrival {
                self.arrival = None;
                let groups: Vec<Raw> = log
                    .into_iter()
                    .flat_map(|log| log.after(self.after))
                    .take(BATCH)
                    .cloned()
                    .collect();
                self.after = groups.last().map_or(self.after, |group| group.mark);
                if world.kind == Kind::Numbered && happens(link.live_lost, &mut world.rng) {
                    return Found::Nothing(now); // they got lost on the way
                }
                return Found::News(Live::Groups(groups));
            }
            return Found::Nothing(arrival);
        }
        if now < self.alive_at {
            return Found::Nothing(self.alive_at);
        }
        self.alive_at = now + ALIVE_INTERVAL;
        match server.state() {
            Some(state) => Found::News(Live::Alive(state)),
            None => Found::Failed("there is no log"),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.fake.0.world.lock().inboxes.remove(&self.id);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // What is still in the buffers of the link gets through or not, but does not stay there.
        self.fake.change(|world| {
            world.links[self.number].cuts += 1;
            world.links[self.number].link = Link::default();
        });
    }
}
