//! One server of the fake broker: what it stores, and what it answers.
//!
//! Plain data without a clock or a random number. Everything here does exactly what the
//! documentation of the trait says; how requests and answers get lost on the way is the business of
//! [`super::link`].

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use tidings_journal::Epoch;
use tidings_journal_shared::broker::{
    Commit, Encoded, Failure, LogId, Mark, Opened, Opening, Placed, Raw, SnapshotId, State, Tag,
};

/// How long the chunks of a snapshot that is never committed are kept, in milliseconds.
const UNCOMMITTED_MS: i64 = 600_000;

/// How a broker names groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Like Redis: a mark is the position of the group's last record, and the broker stores with
    /// each group the tag of the one before. Followers lose nothing.
    Tagged,
    /// Like NATS: marks are consecutive numbers, and there are no tags. Followers may miss groups,
    /// and a page may not have the newest groups yet.
    Numbered,
}

/// A server and its data.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) kind: Kind,
    /// The name of this life of the server. It is new after each restart and each promotion.
    pub(super) incarnation: u64,
    pub(super) log: Option<Log>,
    /// Whether the server has no space.
    pub(super) full: bool,
    /// Whether the server answers at all.
    pub(super) up: bool,
    /// How far the server's clock is ahead, in milliseconds.
    pub(super) skew_ms: i64,
}

/// A log and its snapshots.
#[derive(Clone, Debug)]
pub(super) struct Log {
    id: LogId,
    meta: Bytes,
    epoch: Epoch,
    /// The incarnation on which the epoch was opened.
    incarnation: u64,
    pub(super) groups: VecDeque<Raw>,
    pub(super) head: Mark,
    tag: Tag,
    pub(super) trimmed: Mark,
    /// The newest snapshot and the one before.
    snapshots: VecDeque<(SnapshotId, u32)>,
    /// The chunks, each with the time when it was written.
    chunks: BTreeMap<(String, u32), (i64, Bytes)>,
}

impl Server {
    pub(super) fn new(kind: Kind, incarnation: u64) -> Self {
        Self {
            kind,
            incarnation,
            log: None,
            full: false,
            up: true,
            skew_ms: 0,
        }
    }

    pub(super) fn open(&mut self, opening: &Opening, ms: i64) -> Result<Opened, Failure> {
        let (epoch, group) = &opening.epoch;
        let is_new = match &self.log {
            None => true,
            Some(log) => {
                log.incarnation != self.incarnation || Some(log.epoch) == opening.distrusted
            }
        };
        if is_new {
            self.check_space()?;
            let log = self.log.get_or_insert_with(|| Log::new(opening));
            log.push(self.kind, group, ms);
            (log.epoch, log.incarnation) = (*epoch, self.incarnation);
        }
        let log = self.log()?;
        Ok(Opened {
            state: log.state(),
            meta: log.meta.clone(),
            promise: "none".to_owned(),
        })
    }

    pub(super) fn append(
        &mut self,
        epoch: Epoch,
        group: &Encoded,
        ms: i64,
    ) -> Result<Placed, Failure> {
        let (kind, incarnation) = (self.kind, self.incarnation);
        let space = self.check_space();
        let log = self.log.as_mut().ok_or_else(no_log)?;
        if log.epoch != epoch {
            return Err(Failure::Reopen(format!("epoch {} is current", log.epoch)));
        }
        if log.incarnation != incarnation {
            return Err(Failure::Reopen("the server is another one".to_owned()));
        }
        space?;
        let raw = log.push(kind, group, ms);
        Ok(match kind {
            Kind::Tagged => Placed::Whole(raw),
            Kind::Numbered => Placed::At(raw.mark),
        })
    }

    pub(super) fn page(&self, after: Mark, bytes: usize) -> Result<Vec<Raw>, Failure> {
        let Some(log) = &self.log else {
            return match self.kind {
                Kind::Tagged => Ok(Vec::new()), // a key that does not exist is an empty stream
                Kind::Numbered => Err(no_log()),
            };
        };
        let gone = || Failure::Gone(format!("the group after {after}"));
        if after < log.trimmed {
            return Err(gone());
        }
        let mut left = bytes;
        let mut page: Vec<Raw> = Vec::new();
        for group in log.after(after) {
            if !page.is_empty() && group.bytes.len() > left {
                break;
            }
            left = left.saturating_sub(group.bytes.len());
            page.push(group.clone());
        }
        if self.kind == Kind::Numbered
            && after < log.head
            && page.first().is_none_or(|raw| raw.mark.0 != after.0 + 1)
        {
            return Err(gone());
        }
        Ok(page)
    }

    pub(super) fn write_chunk(
        &mut self,
        snapshot: &SnapshotId,
        nth: u32,
        bytes: Bytes,
        ms: i64,
    ) -> Result<(), Failure> {
        self.check_space()?;
        let log = self.log.as_mut().ok_or_else(no_log)?;
        let committed: Vec<_> = log.snapshots.iter().map(|(id, _)| id.0.clone()).collect();
        log.chunks.retain(|(id, _), (written, _)| {
            committed.contains(id) || ms - *written < UNCOMMITTED_MS
        });
        log.chunks.insert((snapshot.0.clone(), nth), (ms, bytes));
        Ok(())
    }

    pub(super) fn commit(&mut self, commit: &Commit) -> Result<bool, Failure> {
        let incarnation = self.incarnation;
        let log = self.log.as_mut().ok_or_else(no_log)?;
        let is_current = log.epoch == commit.epoch && log.incarnation == incarnation;
        if !is_current || log.trimmed != commit.expected || log.head < commit.taken_at {
            return Ok(false);
        }
        let id = &commit.snapshot.0;
        if (0..commit.chunks).any(|nth| !log.chunks.contains_key(&(id.clone(), nth))) {
            return Err(Failure::Gone(format!("a chunk of the snapshot {id}")));
        }
        log.snapshots
            .push_front((commit.snapshot.clone(), commit.chunks));
        if let Some((replaced, _)) = log.snapshots.get(2).cloned() {
            log.snapshots.truncate(2);
            log.chunks.retain(|(id, _), _| *id != replaced.0);
        }
        log.trimmed = commit.trimmed;
        log.groups.retain(|group| group.mark > commit.trimmed);
        Ok(true)
    }

    pub(super) fn read_chunk(
        &self,
        snapshot: &SnapshotId,
        nth: u32,
    ) -> Result<Option<Bytes>, Failure> {
        let gone = || Failure::Gone(format!("the snapshot {snapshot}"));
        let log = self.log.as_ref().ok_or_else(gone)?;
        let (_, chunks) = log
            .snapshots
            .iter()
            .find(|(id, _)| id == snapshot)
            .ok_or_else(gone)?;
        if nth >= *chunks {
            return Ok(None);
        }
        let (_, bytes) = log
            .chunks
            .get(&(snapshot.0.clone(), nth))
            .ok_or_else(gone)?;
        Ok(Some(bytes.clone()))
    }

    pub(super) fn state(&self) -> Option<State> {
        self.log.as_ref().map(Log::state)
    }

    fn log(&self) -> Result<&Log, Failure> {
        self.log.as_ref().ok_or_else(no_log)
    }

    fn check_space(&self) -> Result<(), Failure> {
        if self.full {
            Err(Failure::Full("the fake broker is full".to_owned()))
        } else {
            Ok(())
        }
    }
}

impl Log {
    fn new(opening: &Opening) -> Self {
        Self {
            id: opening.log.clone(),
            meta: opening.meta.clone(),
            epoch: opening.epoch.0,
            incarnation: 0,
            groups: VecDeque::new(),
            head: Mark(0),
            tag: Tag(0),
            trimmed: Mark(0),
            snapshots: VecDeque::new(),
            chunks: BTreeMap::new(),
        }
    }

    fn push(&mut self, kind: Kind, group: &Encoded, ms: i64) -> Raw {
        self.head.0 += match kind {
            Kind::Tagged => group.positions,
            Kind::Numbered => 1,
        };
        let previous = (kind == Kind::Tagged).then_some(self.tag);
        let raw = Raw {
            mark: self.head,
            previous,
            ms,
            bytes: group.bytes.clone(),
        };
        self.tag = group.tag;
        self.groups.push_back(raw.clone());
        raw
    }

    /// Returns the groups after a mark.
    pub(super) fn after(&self, mark: Mark) -> impl Iterator<Item = &Raw> {
        let passed = self.groups.partition_point(|group| group.mark <= mark);
        self.groups.range(passed..)
    }

    fn state(&self) -> State {
        State {
            log: self.id.clone(),
            epoch: self.epoch,
            head: self.head,
            trimmed: self.trimmed,
            snapshot: self.snapshots.front().map(|(id, _)| id.clone()),
        }
    }
}

/// The error of a server that has no log.
fn no_log() -> Failure {
    Failure::Reopen("there is no log".to_owned())
}
