//! The follower: opens the log, reads what is there, and folds what comes, for as long as the
//! process lives. Whatever fails, it starts over.

use std::time::Duration;

use rand::RngExt as _;
use tidings_journal::{Epoch, Position};
use tokio::time::{Instant, sleep, timeout};

use crate::bootstrap::{self, is_at};
use crate::broker::{Failure, Live, LogId, Mark, Opened, Opening, Raw, State};
use crate::fold::{Broken, Fold};
use crate::group::{self, Group, Kind};
use crate::meta;
use crate::node::{Node, Session, Taken};
use crate::places::Place;
use crate::pulse::Ready;

/// The least and the most time between two attempts.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// After how long without a sign of life the broker is given up.
const MAX_SILENCE: Duration = Duration::from_secs(10);

/// How often in a row the broker has to tell of a head below the newest group here. A single time
/// may be an old answer, or that of a server that is no longer the leader.
const MAX_LOW_HEADS: u32 = 3;

/// The time between two looks at a head that is too low.
const LOW_HEAD_INTERVAL: Duration = Duration::from_millis(700);

/// Why the log is not followed any more.
enum End {
    /// It has to be opened again.
    Reopen(String),
    /// The copy of it is not good any more, and is made anew.
    Rebuild(&'static str),
    /// It can't be used before the operator changes something.
    Unusable(String),
}

/// Follows the log.
struct Follower<'a> {
    node: &'a Node,
    /// The number of times that the log was opened.
    opened: u64,
    /// An epoch that must not go on, with the last position that is known to be good.
    distrusted: Option<(Epoch, Position)>,
}

/// Follows the log, for ever.
pub(crate) async fn run(node: &Node) {
    let mut follower = Follower {
        node,
        opened: 0,
        distrusted: None,
    };
    let mut attempts = 0;
    loop {
        let began = Instant::now();
        let end = follower.follow().await;
        node.session.update(|_| Some(None));
        if began.elapsed() > BACKOFF.1 {
            attempts = 0;
        }
        match end {
            End::Reopen(why) => {
                tracing::warn!(%why, "the broker's log has to be opened again");
                node.pulse.follows(Err(why));
            }
            End::Rebuild(reason) => {
                tracing::warn!(
                    reason,
                    "the copy of the broker's log is not good any more, and is made anew"
                );
                node.pulse.follows(Err("it is read anew".to_owned()));
                node.drop_copy(reason);
            }
            End::Unusable(why) => {
                tracing::error!(%why, "the broker's log can't be used");
                node.pulse.follows(Err(why.clone()));
                node.pulse.set_ready(Ready::Never(why));
            }
        }
        let most = BACKOFF.0.saturating_mul(1 << attempts).min(BACKOFF.1);
        attempts = (attempts + 1).min(16);
        let wait = most.mul_f64(node.rng.lock().random_range(0.0..=1.0));
        sleep(wait).await;
    }
}

impl Follower<'_> {
    /// Opens the log and follows it for as long as that works.
    async fn follow(&mut self) -> End {
        match self.try_follow().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn try_follow(&mut self) -> Result<std::convert::Infallible, End> {
        let node = self.node;
        let opened = self.open().await?;
        let state = &opened.state;
        node.pulse.beat();
        self.check_line(state).await?;
        node.learn(state);
        if node.copy.lock().fold.is_none() {
            self.obey(&opened)?;
            let fold = bootstrap::read(node, state).await.map_err(End::from)?;
            node.install(fold, state.log.clone());
        }
        self.catch_up(state.head).await?;
        if !node.is_on_line(state) {
            return Err(End::Rebuild("lost"));
        }
        self.opened += 1;
        if self.opened > 1 {
            node.tally.count(|counts| counts.reconnects += 1);
        } else {
            tracing::info!(log = %state.log, promise = %opened.promise, "the broker's log is open");
        }
        let mut follow = node.broker.follow(node.mark()).await?;
        let session = Session {
            number: self.opened,
            log: state.log.clone(),
            epoch: state.epoch,
        };
        node.session.update(|_| Some(Some(session.clone())));
        node.pulse.follows(Ok(()));
        node.pulse.set_ready(Ready::Yes);
        let mut watch = Watch {
            log: state.log.clone(),
            newest: node.mark(),
            low: 0,
            foreign: 0,
        };
        loop {
            let live = tokio::select! {
            biased;
                live = timeout(MAX_SILENCE, follow.next()) => live,
                _ = node.session.wait_for(|now| now.as_ref() != Some(&session)) => return Err(End::Reopen("an append failed".to_owned())),
            };
            let live = live.map_err(|_| End::Reopen("the broker is silent".to_owned()))??;
            node.pulse.beat();
            match live {
                Live::Groups(groups) => {
                    for raw in &groups {
                        self.take(raw).await?;
                    }
                }
                Live::Alive(state) => self.check(&mut watch, &state).await?,
                Live::Message(message) => {
                    let _ = node.messages.send(message); // perhaps nobody reads them
                }
            }
        }
    }

    async fn open(&mut self) -> Result<Opened, End> {
        let node = self.node;
        let name = node.draw_epoch();
        let ends = self.distrusted.map(|(_, ends)| ends);
        let group = Group {
            node: node.draw_node(),
            counter: 0,
            epoch: name,
            kind: Kind::Epoch { ends },
        };
        let log: u128 = node.rng.lock().random();
        let opening = Opening {
            log: LogId(format!("{log:032x}")),
            meta: meta::encode(&node.copy.lock().retention.bounds),
            epoch: (name, group.encode()),
            distrusted: self.distrusted.map(|(epoch, _)| epoch),
        };
        let opened = node.broker.open(&opening).await?;
        self.distrusted = None;
        Ok(opened)
    }

    /// Takes over the bounds that the log was created with.
    fn obey(&self, opened: &Opened) -> Result<(), End> {
        let mut copy = self.node.copy.lock();
        let own = &copy.retention.bounds;
        let newer = || {
            End::Unusable("the broker's log was created by a newer version of Tidings".to_owned())
        };
        let bounds = meta::decode(&opened.meta, own).ok_or_else(newer)?;
        if bounds != *own {
            tracing::warn!(
                "the broker's log was created with other limits of live keys than this node has; \
                 they hold"
            );
            copy.retention.bounds = bounds;
        }
        Ok(())
    }

    /// Compares the copy of the log with the log.
    async fn check_line(&mut self, state: &State) -> Result<(), End> {
        let node = self.node;
        let Some(newest) = self.newest() else {
            return Ok(());
        };
        let (log, chained) = {
            let copy = node.copy.lock();
            (
                copy.log.clone(),
                copy.fold.as_ref().is_some_and(|fold| fold.chained),
            )
        };
        if log.as_ref() != Some(&state.log) {
            return Err(End::Rebuild("another_log"));
        }
        if newest.mark <= state.trimmed {
            // What stands there is gone. A node that was at that place has missed nothing.
            return if newest.mark == state.trimmed {
                Ok(())
            } else {
                Err(End::Rebuild("behind"))
            };
        }
        let before = Mark(newest.mark.0.saturating_sub(1));
        let mut page = node.broker.page(before, 1).await;
        for _ in 1..MAX_LOW_HEADS {
            // If groups are told apart by their marks alone, an old leader may answer for a while.
            if chained || !page.as_ref().is_ok_and(Vec::is_empty) {
                break;
            }
            sleep(LOW_HEAD_INTERVAL).await;
            page = node.broker.page(before, 1).await;
        }
        match page {
            Ok(page) if page.first().is_some_and(|raw| is_at(raw, &newest)) => Ok(()),
            Ok(_) => {
                self.distrust(state).await?;
                Err(End::Rebuild("lost"))
            }
            Err(Failure::Gone(_)) => Err(End::Rebuild("behind")),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Has the epoch end if the log lost something within it that was shown here.
    async fn distrust(&mut self, state: &State) -> Result<(), End> {
        let node = self.node;
        let own = node.copy.lock().epochs.current();
        if own == state.epoch {
            let common = bootstrap::newest_common(node, state).await?;
            // If that is too long ago to be known, no id of the epoch holds.
            self.distrusted = Some((own, common.map_or(Position::START, |place| place.position)));
        }
        Ok(())
    }

    /// Folds everything up to `head`.
    async fn catch_up(&mut self, head: Mark) -> Result<(), End> {
        let node = self.node;
        loop {
            let (newest, chained) = {
                let copy = node.copy.lock();
                let place = |fold: &Fold| (fold.places.newest(), fold.chained);
                copy.fold.as_ref().map(place).unwrap_or_default()
            };
            node.pulse.lags(head.0.saturating_sub(newest.mark.0));
            if newest.mark >= head {
                return Ok(());
            }
            let page = bootstrap::page_after(&*node.broker, newest, chained).await?;
            node.pulse.beat();
            if page.is_empty() {
                return Ok(()); // the head was another server's
            }
            for raw in &page {
                if node.take(raw)? != Taken::Yes {
                    return Err(self.broken().await?);
                }
            }
        }
    }

    /// Says what follows from a group that does not follow the newest one here.
    async fn broken(&self) -> Result<End, End> {
        let Some(newest) = self.newest() else {
            return Ok(End::Reopen("there is no copy of it".to_owned()));
        };
        let page = self
            .node
            .broker
            .page(Mark(newest.mark.0.saturating_sub(1)), 1)
            .await?;
        let is_there = page.first().is_some_and(|raw| is_at(raw, &newest));
        // If the newest group is not there either, the log has lost it. Opening it finds that out.
        Ok(if is_there {
            End::Rebuild("broken")
        } else {
            End::Reopen("it has lost groups".to_owned())
        })
    }

    /// Returns where the newest group here stands.
    fn newest(&self) -> Option<Place> {
        self.node
            .copy
            .lock()
            .fold
            .as_ref()
            .map(|fold| fold.places.newest())
    }

    /// Folds a group that has come, and those that are missing before it.
    async fn take(&mut self, raw: &Raw) -> Result<(), End> {
        if raw.previous.is_none() && group::begins_epoch(&raw.bytes) && raw.mark > self.node.mark()
        {
            return self.catch_up(raw.mark).await; // it does not say which one it follows
        }
        match self.node.take(raw)? {
            Taken::Yes => Ok(()),
            Taken::Other => Err(End::Reopen(
                "another group has the place of one that was read here".to_owned(),
            )),
            Taken::Later => {
                self.node.tally.count(|counts| counts.gaps_repaired += 1);
                self.catch_up(raw.mark).await
            }
        }
    }

    /// Compares what the broker tells of the log with what is here.
    async fn check(&mut self, watch: &mut Watch, state: &State) -> Result<(), End> {
        let node = self.node;
        if state.log != watch.log {
            return Err(End::Rebuild("another_log"));
        }
        let mark = node.mark();
        if state.trimmed > mark {
            return Err(End::Rebuild("behind"));
        }
        node.learn(state);
        if state.head > mark {
            node.pulse.lags(state.head.0 - mark.0);
            self.catch_up(state.head).await?;
        } else {
            node.pulse.lags(0);
        }
        // An answer may have been on its way while this node went on.
        watch.low = if state.head < watch.newest {
            watch.low + 1
        } else {
            0
        };
        watch.newest = mark;
        let known = node.copy.lock().epochs.current() == state.epoch;
        watch.foreign = if known { 0 } else { watch.foreign + 1 };
        if watch.low >= MAX_LOW_HEADS || watch.foreign >= MAX_LOW_HEADS {
            return Err(End::Reopen(
                "its end is not the one that was read here".to_owned(),
            ));
        }
        Ok(())
    }
}

/// What the follower remembers from one sign of life to the next.
struct Watch {
    log: LogId,
    /// The newest group here at the last one.
    newest: Mark,
    /// How often in a row the head was below that.
    low: u32,
    /// How often in a row the epoch was another one.
    foreign: u32,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unusable(why) => Self::Unusable(why),
            Failure::Gone(_) => Self::Rebuild("behind"),
            failure => Self::Reopen(failure.to_string()),
        }
    }
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Line(_) => Self::Rebuild("broken"),
            Broken::Newer { .. } => Self::Unusable(broken.to_string()),
        }
    }
}

impl From<bootstrap::Error> for End {
    fn from(error: bootstrap::Error) -> Self {
        match error {
            bootstrap::Error::Failure(failure @ Failure::Gone(_)) => {
                Self::Reopen(failure.to_string())
            }
            bootstrap::Error::Failure(failure) => failure.into(),
            bootstrap::Error::Broken(broken @ Broken::Line(_)) => Self::Reopen(broken.to_string()),
            bootstrap::Error::Broken(broken) => broken.into(),
            error => Self::Unusable(error.to_string()),
        }
    }
}
