//! What is checked of a server before the log is opened on it, and what it promises.

use std::fmt::Write as _;
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tidings_journal_shared::broker::Failure;

use crate::failure;
use crate::info::Info;
use crate::options::{Options, Promise, Whereabouts};
use crate::reply;
use crate::url::Url;

/// The oldest version whose commands suffice: `XADD NOMKSTREAM` and `XTRIM MINID` came with it.
const OLDEST: (u64, u64) = (6, 2);

/// What is known of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    pub(crate) info: Info,
    /// `None` if the user may not ask.
    fsync: Option<String>,
    min_replicas: Option<u64>,
}

/// What was found good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// How far the server's promise goes.
    pub(crate) promise: String,
    /// What an operator should think of.
    pub(crate) warnings: Vec<String>,
}

/// Asks a server about itself. Works where the user may not call `CONFIG`.
pub(crate) async fn ask(connection: &mut MultiplexedConnection) -> Result<Server, Failure> {
    let text: String = redis::cmd("INFO")
        .query_async(connection)
        .await
        .map_err(|error| failure::of(&error))?;
    let fsync = config(connection, "appendfsync").await?;
    let min_replicas = config(connection, "min-replicas-to-write")
        .await?
        .and_then(|text| text.parse().ok());
    Ok(Server {
        info: Info::parse(&text),
        fsync,
        min_replicas,
    })
}

/// Returns a setting; `None` if the server does not tell.
async fn config(
    connection: &mut MultiplexedConnection,
    name: &str,
) -> Result<Option<String>, Failure> {
    let mut question = redis::cmd("CONFIG");
    match question
        .arg("GET")
        .arg(name)
        .query_async::<Value>(connection)
        .await
    {
        Ok(answer) => Ok(reply::array(answer)
            .and_then(|pair| pair.into_iter().nth(1))
            .and_then(reply::text)),
        // A user without the right, or a service that has no such command.
        Err(error) if error.code().is_some() => Ok(None),
        Err(error) => Err(failure::of(&error)),
    }
}

/// Judges a server. `opened` says that the log was opened before: a replica is then a server that
/// was demoted, and another one takes writes soon.
pub(crate) fn judge(
    server: &Server,
    at: &Url,
    options: &Options,
    opened: bool,
) -> Result<Checked, Failure> {
    let info = &server.info;
    let (name, version) = version(info);
    if info.number("cluster_enabled") == Some(1) || info.get("redis_mode") == Some("cluster") {
        return Err(Failure::Unusable(failure::CLUSTER.to_owned()));
    }
    if !at_least(info.get("redis_version").unwrap_or_default(), OLDEST) {
        let (major, minor) = OLDEST;
        return Err(Failure::Unusable(format!(
            "{at} is {name} {version}; the log needs {major}.{minor} or newer"
        )));
    }
    if !info.is_master() {
        let text = format!("{at} is a replica, which takes no writes");
        return Err(
            if opened || matches!(options.whereabouts, Whereabouts::Sentinels(_)) {
                Failure::Unsure(text)
            } else {
                Failure::Unusable(format!(
                    "{text}; set REDIS_URL to the primary, or use REDIS_SENTINELS"
                ))
            },
        );
    }
    if info.get("master_replid").is_none() {
        return Err(Failure::Unusable(format!(
            "{at} does not tell its replication id (`master_replid` in `INFO replication`), \
             without which a lost tail of the log would go unnoticed; use a server that tells it"
        )));
    }
    eviction(info, at)?;
    keeps(server, options)?;
    Ok(Checked {
        promise: promise(server, at, options),
        warnings: warnings(server, at, options),
    })
}

/// Refuses a server that removes keys when it has no more memory.
pub(crate) fn eviction(info: &Info, at: &Url) -> Result<(), Failure> {
    match info.get("maxmemory_policy") {
        None | Some("noeviction") => Ok(()),
        Some(policy) => Err(Failure::Unusable(format!(
            "{at} removes keys when its memory is full (`maxmemory-policy {policy}`), and with \
             them the log; set `maxmemory-policy noeviction`"
        ))),
    }
}

/// Refuses a server that does not write to disk as `JOURNAL_SYNC` demands.
fn keeps(server: &Server, options: &Options) -> Result<(), Failure> {
    let (asked, enough): (_, &[&str]) = match options.sync {
        Promise::Broker => return Ok(()),
        Promise::Interval(period) if period >= Duration::from_secs(1) => (
            "JOURNAL_SYNC=interval needs `appendfsync everysec` or `always`",
            &["everysec", "always"],
        ),
        Promise::Interval(_) => (
            "JOURNAL_SYNC=interval of less than a second needs `appendfsync always`",
            &["always"],
        ),
        Promise::Always => (
            "JOURNAL_SYNC=always needs `appendfsync always`",
            &["always"],
        ),
    };
    if server.info.number("aof_enabled") != Some(1) {
        return Err(Failure::Unusable(format!(
            "Redis writes no append-only file (`appendonly no`): {asked}, and `appendonly yes`; \
             or set JOURNAL_SYNC=broker"
        )));
    }
    match server.fsync.as_deref() {
        Some(fsync) if enough.contains(&fsync) => Ok(()),
        Some(fsync) => Err(Failure::Unusable(format!(
            "Redis has `appendfsync {fsync}`: {asked}; or set JOURNAL_SYNC=broker"
        ))),
        None => Err(Failure::Unusable(format!(
            "Redis does not tell its `appendfsync`: {asked}; allow the user `+config|get`, or set \
             JOURNAL_SYNC=broker"
        ))),
    }
}

fn promise(server: &Server, at: &Url, options: &Options) -> String {
    let (name, version) = version(&server.info);
    let mut text = format!("{name} {version} at {at}");
    text.push_str(match (server.info.number("aof_enabled"), server.fsync.as_deref()) {
        (Some(1), Some("always")) => ", on its disk before an event is answered",
        (Some(1), Some("everysec")) => ", on its disk within a second",
        (Some(1), Some(_)) => ", on its disk when its system writes",
        (Some(1), None) => ", with an append-only file (how often it is synced is not told)",
        _ => ", without an append-only file: a restart of Redis loses what its last dump does not \
              have",
    });
    let _ = match server.info.number("connected_slaves") {
        Some(0) | None => write!(text, "; no replica"),
        Some(replicas) => write!(text, "; {replicas} replicas"),
    };
    if options.replicas > 0 {
        let _ = write!(
            text,
            ", of which {} must have an event before it is answered",
            options.replicas
        );
    }
    text
}

fn warnings(server: &Server, at: &Url, options: &Options) -> Vec<String> {
    let mut warnings = Vec::new();
    let memory = server.info.number("maxmemory").filter(|bytes| *bytes > 0);
    if let (Some(memory), Some(bound)) = (memory, options.bound)
        && memory < bound.saturating_mul(2)
    {
        warnings.push(format!(
            "{at} has `maxmemory {memory}`, less than twice JOURNAL_MAX_BYTES ({bound}): it may \
             be full before the log is truncated"
        ));
    }
    if server
        .info
        .number("connected_slaves")
        .is_some_and(|replicas| replicas > 0)
        && server.min_replicas == Some(0)
    {
        warnings.push(format!(
            "{at} has replicas and `min-replicas-to-write 0`: cut off from them it would go on to \
             take events that a failover loses; set `min-replicas-to-write 1`"
        ));
    }
    warnings
}

/// Returns the name and the version of the server's program.
fn version(info: &Info) -> (&'static str, &str) {
    match info.get("valkey_version") {
        Some(version) => ("Valkey", version),
        None => (
            "Redis",
            info.get("redis_version").unwrap_or("of an unknown version"),
        ),
    }
}

fn at_least(version: &str, (major, minor): (u64, u64)) -> bool {
    let mut parts = version.split('.').map_while(|part| part.parse().ok());
    let known: (u64, u64) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    known >= (major, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "redis_version:7.0.15\nrole:master\nmaster_replid:ab\nmaxmemory:0\nmaxmemory_policy:noeviction\n\
                        aof_enabled:1\nconnected_slaves:0\ncluster_enabled:0\n";

    fn judged(
        change: (&str, &str),
        fsync: Option<&str>,
        sync: Promise,
    ) -> Result<Checked, Failure> {
        let url: Url = "redis://localhost".parse().unwrap();
        let mut options = Options::new(Whereabouts::Url(url.clone()));
        options.sync = sync;
        options.bound = Some(1000);
        let info = Info::parse(&GOOD.replace(change.0, change.1));
        judge(
            &Server {
                info,
                fsync: fsync.map(str::to_owned),
                min_replicas: Some(0),
            },
            &url,
            &options,
            false,
        )
    }

    fn refusal(change: (&str, &str)) -> String {
        match judged(change, Some("always"), Promise::Always) {
            Err(Failure::Unusable(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_server_that_can_not_keep_the_log_is_refused_with_what_to_change() {
        assert!(judged(("", ""), Some("always"), Promise::Always).is_ok());
        assert!(refusal(("7.0.15", "6.0.16")).contains("6.2 or newer"));
        assert!(refusal(("cluster_enabled:0", "cluster_enabled:1")).contains("cluster mode"));
        assert!(refusal(("role:master", "role:slave")).contains("REDIS_SENTINELS"));
        assert!(refusal(("master_replid:ab\n", "")).contains("master_replid"));
        assert!(refusal(("noeviction", "allkeys-lru")).contains("maxmemory-policy allkeys-lru"));
        assert!(refusal(("aof_enabled:1", "aof_enabled:0")).contains("appendonly yes"));
    }

    #[test]
    fn a_promise_of_its_own_needs_a_server_that_keeps_it() {
        let second = Promise::Interval(Duration::from_secs(1));
        assert!(judged(("", ""), Some("everysec"), second).is_ok());
        assert!(judged(("", ""), Some("everysec"), Promise::Always).is_err());
        assert!(
            judged(
                ("", ""),
                Some("everysec"),
                Promise::Interval(Duration::from_millis(100))
            )
            .is_err()
        );
        assert!(judged(("", ""), Some("no"), second).is_err());
        assert!(judged(("", ""), None, second).is_err());
        assert!(judged(("aof_enabled:1", "aof_enabled:0"), None, Promise::Broker).is_ok());
    }

    #[test]
    fn what_an_operator_should_think_of_is_said() {
        let said = |change| judged(change, None, Promise::Broker).unwrap();
        assert!(said(("", "")).warnings.is_empty());
        assert!(said(("maxmemory:0", "maxmemory:1999")).warnings[0].contains("JOURNAL_MAX_BYTES"));
        assert!(
            said(("connected_slaves:0", "connected_slaves:1")).warnings[0]
                .contains("min-replicas-to-write 1")
        );
        assert!(
            said(("aof_enabled:1", "aof_enabled:0"))
                .promise
                .contains("without an append-only file")
        );
    }
}
