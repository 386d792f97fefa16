//! Snapshots: chunks under keys of their own, and the commit that makes them the newest one.

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tidings_journal_shared::broker::{Commit, Failure, SnapshotId};

use crate::failure;
use crate::keys::Keys;
use crate::lua::Lua;
use crate::reply;

/// How long a chunk is stored, in seconds, if its snapshot is never committed.
const UNCOMMITTED: u64 = 600;

/// The most chunks of a snapshot, 1 TiB. A larger number in `meta` is not ours.
const MOST: u32 = 1 << 20;

/// The newest snapshot and the one before, as `meta` names them.
struct Stored {
    newest: Snapshot,
    before: Snapshot,
}

struct Snapshot {
    id: SnapshotId,
    chunks: u32,
}

const FIELDS: [&str; 4] = ["snap", "chunks", "prev", "prev_chunks"];

pub(crate) async fn write(
    connection: &mut MultiplexedConnection,
    keys: &Keys,
    (snapshot, nth): (&SnapshotId, u32),
    bytes: &[u8],
) -> Result<(), Failure> {
    let mut set = redis::cmd("SET");
    set.arg(keys.chunk(snapshot, nth))
        .arg(bytes)
        .arg("EX")
        .arg(UNCOMMITTED);
    set.query_async::<Value>(connection)
        .await
        .map(drop)
        .map_err(|error| failure::of(&error))
}

pub(crate) async fn commit(
    connection: &mut MultiplexedConnection,
    keys: &Keys,
    script: &Lua,
    server: &str,
    commit: &Commit,
) -> Result<bool, Failure> {
    let mut question = redis::cmd("HMGET");
    question.arg(&keys.meta).arg(&FIELDS[..]);
    let answer = question
        .query_async::<Value>(connection)
        .await
        .map_err(|error| failure::of(&error))?;
    let Some(stored) = stored(answer)? else {
        return Ok(false);
    };
    if stored.newest.id == commit.snapshot {
        // A repetition of a commit whose answer was lost.
        return Ok(true);
    }
    let goes = stored.before.chunks;
    let count = 2 + commit.chunks as usize + goes as usize;
    let mut call = script.call(count, count * 64);
    call.arg(&keys.meta).arg(&keys.log);
    for nth in 0..commit.chunks {
        call.arg(keys.chunk(&commit.snapshot, nth));
    }
    for nth in 0..goes {
        call.arg(keys.chunk(&stored.before.id, nth));
    }
    call.arg(commit.epoch.as_str())
        .arg(server)
        .arg(commit.expected.0)
        .arg(&stored.newest.id.0)
        .arg(&stored.before.id.0);
    call.arg(&commit.snapshot.0)
        .arg(commit.chunks)
        .arg(commit.trimmed.0)
        .arg(commit.taken_at.0);
    match script
        .run(connection, &call)
        .await
        .map_err(|error| failure::of(&error))?
    {
        Value::Int(1) => Ok(true),
        Value::Int(0) => Ok(false),
        Value::Int(-1) => Err(Failure::Gone(format!(
            "a chunk of the snapshot {}",
            commit.snapshot
        ))),
        _ => Err(failure::confused("the commit of a snapshot")),
    }
}

pub(crate) async fn read(
    connection: &mut MultiplexedConnection,
    keys: &Keys,
    snapshot: &SnapshotId,
    nth: u32,
) -> Result<Option<Bytes>, Failure> {
    let mut both = redis::pipe();
    both.cmd("GET")
        .arg(keys.chunk(snapshot, nth))
        .cmd("HMGET")
        .arg(&keys.meta)
        .arg(&FIELDS[..]);
    let answers: Result<Vec<Value>, RedisError> = both.query_async(connection).await;
    let [chunk, fields] = <[Value; 2]>::try_from(answers.map_err(|error| failure::of(&error))?)
        .map_err(|_| failure::confused("`GET` and `HMGET`"))?;
    let gone = || Failure::Gone(format!("the snapshot {snapshot}"));
    let stored = stored(fields)?.ok_or_else(gone)?;
    let known = [stored.newest, stored.before]
        .into_iter()
        .find(|known| known.id == *snapshot)
        .ok_or_else(gone)?;
    match chunk {
        _ if nth >= known.chunks => Ok(None),
        Value::Nil => Err(gone()),
        chunk => reply::bytes(chunk)
            .map(Some)
            .ok_or_else(|| failure::confused("`GET`")),
    }
}

/// Returns what `meta` says of snapshots; `None` if there is no log.
fn stored(answer: Value) -> Result<Option<Stored>, Failure> {
    let confused = || failure::confused("`HMGET` of the snapshots");
    let fields = <[Value; 4]>::try_from(reply::array(answer).ok_or_else(confused)?)
        .map_err(|_| confused())?;
    if fields.iter().all(|field| *field == Value::Nil) {
        return Ok(None);
    }
    let [newest, chunks, before, before_chunks] = fields;
    let snapshot = |id, chunks| {
        let chunks = reply::number(chunks)
            .and_then(|chunks| chunks.try_into().ok())
            .filter(|chunks| *chunks <= MOST)?;
        Some(Snapshot {
            id: SnapshotId(reply::text(id)?),
            chunks,
        })
    };
    let both = snapshot(newest, chunks).zip(snapshot(before, before_chunks));
    both.map(|(newest, before)| Some(Stored { newest, before }))
        .ok_or_else(confused)
}
