//! The scripts, and how they are run.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, Value};

/// The scripts of the log. Each is one step for everyone who uses the server.
pub(crate) struct Scripts {
    pub(crate) open: Lua,
    pub(crate) append: Lua,
    pub(crate) commit: Lua,
}

/// A script, and the hash by which the server knows it.
pub(crate) struct Lua {
    text: &'static str,
    hash: String,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            open: Lua::new(include_str!("scripts/open.lua")),
            append: Lua::new(include_str!("scripts/append.lua")),
            commit: Lua::new(include_str!("scripts/commit.lua")),
        }
    }
}

impl Lua {
    fn new(text: &'static str) -> Self {
        Self {
            text,
            hash: redis::Script::new(text).get_hash().to_owned(),
        }
    }

    /// Returns the call of this script, to which the caller adds the keys and the arguments.
    /// `redis::Script` would copy a group twice more.
    pub(crate) fn call(&self, keys: usize, bytes: usize) -> Cmd {
        let mut call = Cmd::with_capacity(16 + keys, bytes + 256);
        call.arg("EVALSHA").arg(&self.hash).arg(keys);
        call
    }

    /// Runs a call. A server that was restarted does not know the script: it did nothing then, and
    /// the script is loaded and run again.
    pub(crate) async fn run(
        &self,
        connection: &mut MultiplexedConnection,
        call: &Cmd,
    ) -> RedisResult<Value> {
        match call.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                redis::cmd("SCRIPT")
                    .arg("LOAD")
                    .arg(self.text)
                    .query_async::<Value>(connection)
                    .await?;
                call.query_async(connection).await
            }
            result => result,
        }
    }
}
