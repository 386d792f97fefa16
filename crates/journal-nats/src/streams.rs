//! The streams of a log, and what is verified about them.
//!
//! An operator, or another program with the same prefix, can change a stream. With a limit of
//! another kind the server would remove groups that nodes have not read, so the settings are
//! compared each time the log is opened.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Value, json};
use tidings_journal_shared::broker::{Failure, LogId};

use crate::connection::Connection;
use crate::options::{Names, Options};

/// The first version that can store a message on the condition that another subject has not changed
/// (`Nats-Expected-Last-Subject-Sequence-Subject`).
const LEAST_VERSION: (i64, i64, i64) = (2, 12, 0);

/// How many servers have a copy of the log where nothing else is asked for and a cluster has them.
const REPLICAS_IN_A_CLUSTER: u8 = 3;

/// The keys of the log's metadata.
const LOG_ID: &str = "tidings-log";
const META: &str = "tidings-meta";

/// What is known of the log's stream.
pub(crate) struct LogStream {
    pub(crate) id: LogId,
    pub(crate) meta: Bytes,
    pub(crate) replicas: u64,
    pub(crate) last_seq: u64,
}

/// Fails if the server is of no use.
pub(crate) fn check_server(connection: &Connection) -> Result<(), Failure> {
    let (major, minor, patch) = LEAST_VERSION;
    let server = &connection.server;
    if !connection.client.is_server_compatible(major, minor, patch) {
        return Err(Failure::Unusable(format!(
            "the NATS server has version {}, and {major}.{minor} or later is needed",
            server.version
        )));
    }
    Ok(())
}

/// Returns the log's stream. Creates it, and the stream of snapshots, if it does not exist.
pub(crate) async fn find_or_create(
    connection: &Connection,
    names: &Names,
    options: &Options,
    new: (&LogId, &Bytes),
) -> Result<LogStream, Failure> {
    if let Some(found) = find(connection, names).await? {
        return Ok(found);
    }
    let replicas = options
        .replicas
        .unwrap_or(if connection.server.cluster.is_some() {
            REPLICAS_IN_A_CLUSTER
        } else {
            1
        });
    for config in [
        snapshots_config(names, replicas),
        log_config(names, options, replicas, new),
    ] {
        let name = config["name"].as_str().unwrap_or_default().to_owned();
        // Another node may have created it a moment ago.
        connection.create_stream(&name, &config).await?;
    }
    find(connection, names)
        .await?
        .ok_or_else(|| Failure::Unsure("the stream of the log can't be created".to_owned()))
}

/// Returns the log's stream if it exists and is what it has to be.
pub(crate) async fn find(
    connection: &Connection,
    names: &Names,
) -> Result<Option<LogStream>, Failure> {
    let Some(info) = connection.stream(&names.log).await? else {
        return Ok(None);
    };
    let config = &info.config;
    let metadata = |key: &str| config["metadata"][key].as_str();
    let (Some(id), Some(meta)) = (
        metadata(LOG_ID),
        metadata(META).and_then(|text| BASE64.decode(text).ok()),
    ) else {
        return Err(Failure::Unusable(format!(
            "the stream {} is not a log of Tidings; delete it, or set JOURNAL_PREFIX",
            names.log
        )));
    };
    for (key, expected) in fixed_config(names) {
        let actual = config.get(key).unwrap_or(&Value::Null);
        if !is_same(actual, &expected) {
            return Err(Failure::Unusable(format!(
                "the setting `{key}` of the stream {} is {actual} and has to be {expected}; \
                 change it with `nats stream edit`",
                names.log
            )));
        }
    }
    if connection.stream(&names.snapshots).await?.is_none() {
        let config = snapshots_config(
            names,
            u8::try_from(config["num_replicas"].as_u64().unwrap_or(1)).unwrap_or(1),
        );
        connection.create_stream(&names.snapshots, &config).await?;
    }
    Ok(Some(LogStream {
        id: LogId(id.to_owned()),
        meta: meta.into(),
        replicas: config["num_replicas"].as_u64().unwrap_or(1),
        last_seq: info.state.last_seq,
    }))
}

/// Whether a setting is what it has to be. The server leaves out what is false, zero or empty.
fn is_same(actual: &Value, expected: &Value) -> bool {
    let is_empty = |value: &Value| {
        matches!(value, Value::Null | Value::Bool(false)) || value.as_i64() == Some(0)
    };
    match expected {
        Value::Object(fields) => fields
            .iter()
            .all(|(key, value)| is_same(&actual[key], value)),
        _ => actual == expected || (is_empty(actual) && is_empty(expected)),
    }
}

/// The settings that the log depends on.
fn fixed_config(names: &Names) -> [(&'static str, Value); 11] {
    [
        ("subjects", json!([names.logged()])),
        ("retention", json!("limits")),
        ("discard", json!("new")),
        ("max_age", json!(0)),
        ("max_msgs", json!(-1)),
        ("max_msgs_per_subject", json!(-1)),
        ("max_msg_size", json!(-1)),
        ("allow_direct", json!(true)),
        ("no_ack", json!(false)),
        ("sealed", json!(false)),
        (
            "republish",
            json!({ "src": names.logged(), "dest": names.live }),
        ),
    ]
}

fn log_config(
    names: &Names,
    options: &Options,
    replicas: u8,
    (id, meta): (&LogId, &Bytes),
) -> Value {
    let mut config = json!({
        "name": names.log,
        "storage": "file",
        "num_replicas": replicas,
        "max_bytes": options.max_bytes,
        "metadata": { LOG_ID: id.0, META: BASE64.encode(meta) },
    });
    for (key, value) in fixed_config(names) {
        config[key] = value;
    }
    config
}

fn snapshots_config(names: &Names, replicas: u8) -> Value {
    json!({
        "name": names.snapshots,
        "subjects": [names.snapshot_subjects()],
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "max_msgs_per_subject": 1,
        "num_replicas": replicas,
        "allow_direct": true,
    })
}
