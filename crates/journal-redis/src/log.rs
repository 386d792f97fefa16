//! The log on Redis, as a broker. Must never look into a group.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use redis::Value;
use redis::aio::MultiplexedConnection;
use tidings_journal::Epoch;
use tidings_journal_shared::broker::{
    Broker, Commit, Encoded, Failure, Follow, Mark, Opened, Opening, Placed, Raw, SnapshotId, State,
};

use crate::client::Client;
use crate::follow::Tail;
use crate::options::Options;
use crate::reply::{self, STATE};
use crate::{checks, failure, groups, snapshot};

/// The most bytes of a group. Redis itself takes 512 MiB.
const GROUP: usize = 64 << 20;

/// The most messages between nodes that are stored, about.
const MESSAGES: u32 = 4096;

/// A log on Redis.
pub struct Redis {
    client: Arc<Client>,
}

impl Redis {
    /// Returns the log that these options describe. Connects when it is first used.
    pub fn new(options: Options) -> Self {
        Self {
            client: Arc::new(Client::new(options)),
        }
    }
}

#[async_trait::async_trait]
impl Broker for Redis {
    async fn open(&self, opening: &Opening) -> Result<Opened, Failure> {
        let client = &self.client;
        let was_open = client.was_open.load(Ordering::Relaxed);
        let work = async |mut connection: MultiplexedConnection, server| {
            let known = checks::ask(&mut connection).await?;
            let checked = checks::judge(&known, &server, &client.options, was_open)?;
            let (epoch, group) = &opening.epoch;
            let script = &client.scripts.open;
            let mut call = script.call(2, group.bytes.len() + opening.meta.len());
            call.arg(&client.keys.meta)
                .arg(&client.keys.log)
                .arg(&opening.log.0)
                .arg(&opening.meta[..]);
            call.arg(epoch.as_str())
                .arg(opening.distrusted.as_ref().map_or("", Epoch::as_str));
            call.arg(group.positions)
                .arg(reply::tag_text(group.tag))
                .arg(&group.bytes[..]);
            let answer = script
                .run(&mut connection, &call)
                .await
                .map_err(|error| failure::of(&error))?;
            Ok((answer, checked))
        };
        let result = client
            .writer
            .call(&client.options, client.options.limit, work)
            .await;
        let (answer, checked) = result.map_err(|failure| match failure {
            // The log is being opened: there is nothing to open again.
            Failure::Reopen(text) => Failure::Unsure(text),
            failure => failure,
        })?;
        let (state, meta, server) = opened(answer)?;
        *client.incarnation.lock() = Some((state.epoch, server.into()));
        if !client.was_open.swap(true, Ordering::Relaxed) {
            for warning in &checked.warnings {
                tracing::warn!("{warning}");
            }
        }
        // The others may still be connected to a server that was replaced.
        client.others.give_up();
        Ok(Opened {
            state,
            meta,
            promise: checked.promise,
        })
    }

    async fn append(&self, epoch: Epoch, group: &Encoded) -> Result<Placed, Failure> {
        let client = &self.client;
        if group.bytes.len() > GROUP {
            return Err(Failure::TooLarge(format!(
                "a group of {} bytes; at most {GROUP} are stored",
                group.bytes.len()
            )));
        }
        let server = client.server_of(epoch);
        let server = server
            .ok_or_else(|| Failure::Reopen(format!("epoch {epoch} was not opened by this node")))?;
        let work =
            async |connection, _| groups::append(client, connection, (epoch, &server), group).await;
        let result = client
            .writer
            .call(&client.options, client.options.limit, work)
            .await;
        if matches!(result, Err(Failure::Reopen(_))) {
            client.give_up();
        }
        result
    }

    async fn page(&self, after: Mark, bytes: usize) -> Result<Vec<Raw>, Failure> {
        let client = &self.client;
        let work = async |connection, _| groups::page(client, connection, after, bytes).await;
        client
            .others
            .call(&client.options, client.options.limit, work)
            .await
    }

    async fn follow(&self, after: Mark) -> Result<Box<dyn Follow>, Failure> {
        Ok(Box::new(
            Tail::begin(Arc::clone(&self.client), after).await?,
        ))
    }

    async fn write_chunk(
        &self,
        snapshot: &SnapshotId,
        nth: u32,
        bytes: Bytes,
    ) -> Result<(), Failure> {
        let client = &self.client;
        let work = async |mut connection, _| {
            snapshot::write(&mut connection, &client.keys, (snapshot, nth), &bytes).await
        };
        client
            .others
            .call(&client.options, client.options.limit, work)
            .await
    }

    async fn commit(&self, commit: &Commit) -> Result<bool, Failure> {
        let client = &self.client;
        let Some(server) = client.server_of(commit.epoch) else {
            return Ok(false);
        };
        let work = async |mut connection, _| {
            snapshot::commit(
                &mut connection,
                &client.keys,
                &client.scripts.commit,
                &server,
                commit,
            )
            .await
        };
        client
            .others
            .call(&client.options, client.options.limit, work)
            .await
    }

    async fn read_chunk(&self, snapshot: &SnapshotId, nth: u32) -> Result<Option<Bytes>, Failure> {
        let client = &self.client;
        let work = async |mut connection, _| {
            snapshot::read(&mut connection, &client.keys, snapshot, nth).await
        };
        client
            .others
            .call(&client.options, client.options.limit, work)
            .await
    }

    async fn send(&self, message: Bytes) -> Result<(), Failure> {
        let client = &self.client;
        let work = async |mut connection: MultiplexedConnection, _| {
            let mut add = redis::cmd("XADD");
            add.arg(&client.keys.messages)
                .arg("MAXLEN")
                .arg("~")
                .arg(MESSAGES)
                .arg("*")
                .arg("m")
                .arg(&message[..]);
            add.query_async::<Value>(&mut connection)
                .await
                .map(drop)
                .map_err(|error| failure::of(&error))
        };
        client
            .others
            .call(&client.options, client.options.limit, work)
            .await
    }
}

/// Reads the answer to an opening: the state, the log's `meta`, and the server's replication id.
fn opened(answer: Value) -> Result<(State, Bytes, String), Failure> {
    let confused = || failure::confused("the opening of the log");
    let mut fields = reply::array(answer).ok_or_else(confused)?;
    if fields.len() != STATE.len() + 2 {
        return Err(confused());
    }
    let server = fields.pop().and_then(reply::text).ok_or_else(confused)?;
    let meta = fields.pop().and_then(reply::bytes).ok_or_else(confused)?;
    Ok((reply::state(fields)?, meta, server))
}
