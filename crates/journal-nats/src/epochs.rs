//! Opening the log: which epoch is the current one, and when another one begins.
//!
//! An epoch belongs to one *life* of the broker, in which nothing can be lost. A single server has
//! a new life whenever it starts, because its disk may have been put back from a copy; its
//! `server_id` is new then. In a cluster the log is agreed on by Raft, and all servers are one
//! life. The message that begins an epoch names the epoch and the life in its headers. Messages up
//! to the last snapshot are truncated, so a snapshot's description repeats both.

use async_nats::HeaderMap;
use tidings_journal::Epoch;
use tidings_journal_shared::broker::{Failure, LogId, Mark, Opening, SnapshotId, State};

use crate::api;
use crate::connection::Connection;
use crate::era::Era;
use crate::options::Names;
use crate::snapshots;
use crate::streams::{self, LogStream};

/// How often the beginning of an epoch is tried while other nodes append.
const ATTEMPTS: usize = 100;

/// The life of a cluster.
const RAFT: &str = "raft";

/// Returns the life of the log that the server keeps.
fn life(connection: &Connection, log: &LogStream) -> Result<String, Failure> {
    if log.replicas > 1 {
        return Ok(RAFT.to_owned());
    }
    if connection.server.cluster.is_some() {
        // The server of the connection need not be the one that has the log, and so does not tell
        // whether that one was restarted.
        return Err(Failure::Unusable(
            "the log has a single copy in a cluster of NATS servers, so that a loss can't be \
             noticed; set NATS_REPLICAS to 3, or NATS_URL to a server of its own"
                .to_owned(),
        ));
    }
    Ok(connection.server.server_id.clone())
}

/// The current epoch.
pub(crate) struct Current {
    pub(crate) era: Era,
    /// The sequence of the message that has begun it; zero if that message was truncated.
    pub(crate) begun_at: u64,
}

/// Returns the current epoch, which the newest message of the epochs' subject has begun.
pub(crate) async fn current(
    connection: &Connection,
    names: &Names,
) -> Result<Option<Current>, Failure> {
    if let Some(message) = connection.newest(&names.log, &names.epoch).await? {
        let unreadable = || {
            Failure::Unusable(format!(
                "a stranger wrote to {}; set JOURNAL_PREFIX",
                names.epoch
            ))
        };
        let (era, begun_at) = (Era::read(&message), api::sequence(&message));
        return Ok(Some(Current {
            era: era.ok_or_else(unreadable)?,
            begun_at: begun_at.ok_or_else(unreadable)?,
        }));
    }
    let newest = snapshots::newest(connection, names).await?;
    Ok(newest.map(|(_, description)| Current {
        era: description.era,
        begun_at: 0,
    }))
}

/// Returns the condition that no epoch has begun after the one that `begun_at` names.
pub(crate) fn still_current(names: &Names, begun_at: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        "Nats-Expected-Last-Subject-Sequence",
        begun_at.to_string().as_str(),
    );
    headers.insert(
        "Nats-Expected-Last-Subject-Sequence-Subject",
        names.epoch.as_str(),
    );
    headers
}

/// A log that was opened.
pub(crate) struct Opened {
    pub(crate) state: State,
    pub(crate) log: LogStream,
    /// See [`Current::begun_at`].
    pub(crate) begun_at: u64,
}

/// Makes sure that an epoch of this life is the current one, and not the distrusted one.
pub(crate) async fn open(
    connection: &Connection,
    names: &Names,
    mut log: LogStream,
    opening: &Opening,
) -> Result<Opened, Failure> {
    let life = life(connection, &log)?;
    for _ in 0..ATTEMPTS {
        let current = current(connection, names).await?;
        let distrusted = opening.distrusted.as_ref().map(Epoch::as_str);
        let is_good =
            |current: &Current| current.era.life == life && Some(&*current.era.epoch) != distrusted;
        if let Some(current) = current.filter(is_good) {
            // its head is at least the epoch's beginning
            log = find_again(connection, names).await?;
            let state = state(connection, names, &log, &current.era).await?;
            return Ok(Opened {
                state,
                begun_at: current.begun_at,
                log,
            });
        }
        let (epoch, group) = &opening.epoch;
        let mut headers = HeaderMap::new();
        Era {
            epoch: epoch.as_str().to_owned(),
            life: life.clone(),
        }
        .write(&mut headers);
        headers.insert(
            "Nats-Expected-Last-Sequence",
            log.last_seq.to_string().as_str(),
        );
        connection
            .store(&names.epoch, headers, group.bytes.clone())
            .await?;
        // Read again in any case: another node may have been faster.
        log = find_again(connection, names).await?;
    }
    Err(Failure::Unsure(
        "other nodes append so much that no epoch could be begun".to_owned(),
    ))
}

/// Returns the state of the log.
pub(crate) async fn state(
    connection: &Connection,
    names: &Names,
    log: &LogStream,
    era: &Era,
) -> Result<State, Failure> {
    let newest = snapshots::newest(connection, names)
        .await?
        .map(|(_, description)| description);
    Ok(State {
        log: LogId(log.id.0.clone()),
        epoch: era.epoch()?,
        head: Mark(log.last_seq),
        trimmed: newest
            .as_ref()
            .map_or(Mark(0), |newest| Mark(newest.trimmed)),
        snapshot: newest.map(|newest| SnapshotId(newest.snapshot)),
    })
}

/// Returns the stream of a log that was there a moment ago.
pub(crate) async fn find_again(
    connection: &Connection,
    names: &Names,
) -> Result<LogStream, Failure> {
    streams::find(connection, names)
        .await?
        .ok_or_else(|| Failure::Reopen("the log was deleted".to_owned()))
}
