//! A connection for one purpose, which is made when it is needed and given up after a failure.
//!
//! Not the library's `ConnectionManager`: it connects again unnoticed, and a log must be opened
//! again first.

use std::future::Future;
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use tidings_journal_shared::broker::Failure;
use tokio::time::timeout;

use crate::connect::{self, Connected};
use crate::options::Options;
use crate::url::Url;

/// A connection for one purpose.
#[derive(Default)]
pub(crate) struct Link {
    current: Mutex<Option<Current>>,
    /// Held while connecting, so that calls at the same time make one connection.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Current {
    connection: MultiplexedConnection,
    server: Url,
}

impl Link {
    /// Does some work over the connection within a limit, which includes connecting. After a
    /// failure that leaves the connection or the server in doubt, the next call connects anew.
    pub(crate) async fn call<T, F>(
        &self,
        options: &Options,
        limit: Duration,
        work: impl FnOnce(MultiplexedConnection, Url) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let whole = async {
            let current = self.current(options).await?;
            work(current.connection, current.server).await
        };
        let result = match timeout(limit, whole).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Unsure(format!(
                "no answer within {} ms",
                limit.as_millis()
            ))),
        };
        if matches!(
            result,
            Err(Failure::Unsure(_) | Failure::Reopen(_) | Failure::Unusable(_))
        ) {
            self.give_up();
        }
        result
    }

    /// Gives up the connection. Calls that are in progress still end as they do.
    pub(crate) fn give_up(&self) {
        *self.current.lock() = None;
    }

    async fn current(&self, options: &Options) -> Result<Current, Failure> {
        if let Some(current) = self.current.lock().clone() {
            return Ok(current);
        }
        let _alone = self.connecting.lock().await;
        if let Some(current) = self.current.lock().clone() {
            return Ok(current);
        }
        let Connected { connection, server } = connect::find(options).await?;
        let current = Current { connection, server };
        *self.current.lock() = Some(current.clone());
        Ok(current)
    }
}
