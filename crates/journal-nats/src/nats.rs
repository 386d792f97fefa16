//! The broker.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tidings_journal::Epoch;
use tidings_journal_shared::broker::{
    Broker, Commit, Encoded, Failure, Follow, Mark, Opened, Opening, Placed, Raw, SnapshotId,
};

use crate::api::Stored;
use crate::connection::Connection;
use crate::follow::Follower;
use crate::options::{Names, Options};
use crate::{commit, epochs, pages, snapshots, streams};

/// The log on NATS JetStream.
pub struct Nats {
    options: Options,
    names: Names,
    /// The connection, if there is one, and the epoch in which the log was opened over it.
    link: Mutex<Link>,
}

#[derive(Clone, Default)]
struct Link {
    connection: Option<Arc<Connection>>,
    /// The epoch, and the sequence that [`epochs::still_current`] takes.
    epoch: Option<(Epoch, u64)>,
}

impl Nats {
    /// Creates a broker. It connects at its first call.
    pub fn new(options: Options) -> Self {
        let names = Names::new(&options.prefix);
        Self {
            options,
            names,
            link: Mutex::default(),
        }
    }

    /// Returns the connection, or a new one if it was lost.
    async fn connection(&self) -> Result<Arc<Connection>, Failure> {
        let current = self.link.lock().connection.clone();
        if let Some(connection) = current.filter(|connection| connection.is_open()) {
            return Ok(connection);
        }
        let connection = Arc::new(Connection::open(&self.options).await?);
        streams::check_server(&connection)?;
        *self.link.lock() = Link {
            connection: Some(connection.clone()),
            epoch: None,
        };
        Ok(connection)
    }

    /// Returns the connection over which the log was opened in `epoch`.
    fn opened(&self, epoch: Epoch) -> Result<(Arc<Connection>, u64), Failure> {
        let Link {
            connection,
            epoch: opened,
        } = self.link.lock().clone();
        match (connection.filter(|connection| connection.is_open()), opened) {
            (Some(connection), Some((opened, begun_at))) if opened == epoch => {
                Ok((connection, begun_at))
            }
            (Some(_), _) => Err(Failure::Reopen("another epoch is current".to_owned())),
            (None, _) => Err(Failure::Reopen("the connection was lost".to_owned())),
        }
    }

    /// Looks why the message at `begun_at` is no longer the newest one that has begun an epoch. If
    /// it was truncated, the epoch goes on, and the group can be appended; nothing was done yet.
    async fn look_again(
        &self,
        connection: &Arc<Connection>,
        epoch: Epoch,
        begun_at: u64,
    ) -> Result<(), Failure> {
        let current = epochs::current(connection, &self.names).await?;
        let goes_on = current
            .filter(|current| current.era.epoch == epoch.as_str() && current.begun_at != begun_at);
        let mut link = self.link.lock();
        if link
            .connection
            .as_ref()
            .is_some_and(|now| Arc::ptr_eq(now, connection))
        {
            link.epoch = goes_on.map(|current| (epoch, current.begun_at));
        }
        if link.epoch.is_some() {
            Ok(())
        } else {
            Err(Failure::Reopen("another epoch is current".to_owned()))
        }
    }

    /// Says what the servers promise.
    fn promise(&self, connection: &Connection, replicas: u64) -> Result<String, Failure> {
        if self.options.needs_sync && !self.options.syncs_always {
            return Err(Failure::Unusable(
                "JOURNAL_SYNC=always needs NATS servers with `sync_interval: always`, which can't \
                 be verified; set NATS_SYNC_ALWAYS=true if they are configured so, or \
                 JOURNAL_SYNC=broker"
                    .to_owned(),
            ));
        }
        let written = if self.options.syncs_always {
            "on their disks before it is answered (NATS_SYNC_ALWAYS)"
        } else {
            "on their disks within 2 minutes, unless `sync_interval` says otherwise"
        };
        let server = &connection.server;
        Ok(match replicas {
            0 | 1 => format!("NATS {}, one copy, {written}", server.version),
            copies => format!(
                "NATS {}, replicated to most of {copies} servers, {written}",
                server.version
            ),
        })
    }
}

#[async_trait::async_trait]
impl Broker for Nats {
    async fn open(&self, opening: &Opening) -> Result<Opened, Failure> {
        self.options.check()?;
        let connection = self.connection().await?;
        let new = (&opening.log, &opening.meta);
        let log = streams::find_or_create(&connection, &self.names, &self.options, new).await?;
        let promise = self.promise(&connection, log.replicas)?;
        let opened = epochs::open(&connection, &self.names, log, opening).await?;
        let epochs::Opened {
            state,
            log,
            begun_at,
        } = opened;
        let mut link = self.link.lock();
        if link
            .connection
            .as_ref()
            .is_none_or(|current| !Arc::ptr_eq(current, &connection))
        {
            return Err(Failure::Unsure("the connection was lost".to_owned()));
        }
        link.epoch = Some((state.epoch, begun_at));
        Ok(Opened {
            state,
            meta: log.meta,
            promise,
        })
    }

    async fn append(&self, epoch: Epoch, group: &Encoded) -> Result<Placed, Failure> {
        loop {
            let (connection, begun_at) = self.opened(epoch)?;
            let condition = epochs::still_current(&self.names, begun_at);
            match connection
                .store(&self.names.group, condition, group.bytes.clone())
                .await?
            {
                Stored::At(sequence) => return Ok(Placed::At(Mark(sequence))),
                Stored::Refused => self.look_again(&connection, epoch, begun_at).await?,
            }
        }
    }

    async fn page(&self, after: Mark, bytes: usize) -> Result<Vec<Raw>, Failure> {
        pages::page(&*self.connection().await?, &self.names, after, bytes).await
    }

    async fn follow(&self, _: Mark) -> Result<Box<dyn Follow>, Failure> {
        Ok(Box::new(
            Follower::new(self.connection().await?, &self.names).await?,
        ))
    }

    async fn write_chunk(
        &self,
        snapshot: &SnapshotId,
        nth: u32,
        bytes: Bytes,
    ) -> Result<(), Failure> {
        snapshots::write_chunk(
            &*self.connection().await?,
            &self.names,
            snapshot,
            nth,
            bytes,
        )
        .await
    }

    async fn commit(&self, what: &Commit) -> Result<bool, Failure> {
        commit::commit(&*self.connection().await?, &self.names, what).await
    }

    async fn read_chunk(&self, snapshot: &SnapshotId, nth: u32) -> Result<Option<Bytes>, Failure> {
        snapshots::read_chunk(&*self.connection().await?, &self.names, snapshot, nth).await
    }

    async fn send(&self, message: Bytes) -> Result<(), Failure> {
        let connection = self.connection().await?;
        let sent = connection
            .client
            .publish(self.names.bus.clone(), message)
            .await;
        sent.map_err(|_| Failure::Unsure("the connection was lost".to_owned()))
    }
}
