//! The end of the log as it grows.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt as _;
use tidings_journal_shared::broker::{Failure, Follow, Live, State};
use tokio::time::{Interval, MissedTickBehavior};

use crate::connection::Connection;
use crate::epochs::{self, find_again};
use crate::options::Names;
use crate::pages;

/// How often the state of the log is asked for.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// How many groups are returned at once.
const MAX_GROUPS: usize = 256;

/// Follows the log over one connection.
pub(crate) struct Follower {
    connection: Arc<Connection>,
    names: Names,
    groups: Subscriber,
    messages: Subscriber,
    probe: Interval,
}

impl Follower {
    /// Subscribes. The first news is the state of the log, which tells what was stored before.
    pub(crate) async fn new(connection: Arc<Connection>, names: &Names) -> Result<Self, Failure> {
        let lost = |_| Failure::Unsure("the connection was lost".to_owned());
        let groups = connection
            .client
            .subscribe(names.live.clone())
            .await
            .map_err(lost)?;
        let messages = connection
            .client
            .subscribe(names.bus.clone())
            .await
            .map_err(lost)?;
        let mut probe = tokio::time::interval(PROBE_INTERVAL);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            connection,
            names: names.clone(),
            groups,
            messages,
            probe,
        })
    }

    async fn state(&self) -> Result<State, Failure> {
        let (connection, names) = (&*self.connection, &self.names);
        let current = epochs::current(connection, names).await?;
        let current = current.ok_or_else(|| Failure::Reopen("the log has no epoch".to_owned()))?;
        let log = find_again(connection, names).await?;
        epochs::state(connection, names, &log, &current.era).await
    }
}

#[async_trait::async_trait]
impl Follow for Follower {
    async fn next(&mut self) -> Result<Live, Failure> {
        let ended = || Failure::Unsure("the connection was lost".to_owned());
        loop {
            tokio::select! {
                biased;
                first = self.groups.next() => {
                    let mut raws: Vec<_> = pages::read(first.ok_or_else(ended)?).into_iter().collect();
                    while raws.len() < MAX_GROUPS
                        && let Some(Some(more)) = futures_util::FutureExt::now_or_never(self.groups.next())
                    {
                        raws.extend(pages::read(more));
                    }
                    if !raws.is_empty() {
                        return Ok(Live::Groups(raws));
                    }
                }
                message = self.messages.next() => return Ok(Live::Message(message.ok_or_else(ended)?.payload)),
                _ = self.probe.tick() => {
                    // Asked for in one step with what is waiting, so a cancelled call loses
                    // nothing.
                    let state = self.state().await;
                    return state.map(Live::Alive);
                }
            }
        }
    }
}
