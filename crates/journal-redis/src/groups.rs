//! Groups: how they are appended and read.

use std::sync::atomic::Ordering;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tidings_journal::Epoch;
use tidings_journal_shared::broker::{Encoded, Failure, Mark, Placed, Raw};

use crate::client::Client;
use crate::failure;
use crate::reply::{self, Id, STATE};

/// The most groups of a page, whatever their size was before: a page of groups that are suddenly
/// large is bounded by it.
const PAGE: usize = 512;

/// How long replicas may take to have a group, in milliseconds.
const REPLICAS: u32 = 1000;

/// Appends a group, and waits for replicas if the options say so.
pub(crate) async fn append(
    client: &Client,
    mut connection: MultiplexedConnection,
    (epoch, server): (Epoch, &str),
    group: &Encoded,
) -> Result<Placed, Failure> {
    let script = &client.scripts.append;
    let mut call = script.call(2, group.bytes.len());
    call.arg(&client.keys.meta)
        .arg(&client.keys.log)
        .arg(epoch.as_str())
        .arg(server)
        .arg(group.positions);
    call.arg(reply::tag_text(group.tag)).arg(&group.bytes[..]);
    let answer = script
        .run(&mut connection, &call)
        .await
        .map_err(|error| failure::of(&error))?;
    let raw = placed(answer, group).ok_or_else(|| failure::confused("an append"))?;
    if client.options.replicas > 0 {
        replicated(client, &mut connection).await?;
    }
    Ok(Placed::Whole(raw))
}

/// Waits until enough replicas have everything that this connection has written.
async fn replicated(
    client: &Client,
    connection: &mut MultiplexedConnection,
) -> Result<(), Failure> {
    let wanted = client.options.replicas;
    let mut wait = redis::cmd("WAIT");
    let answer = wait
        .arg(wanted)
        .arg(REPLICAS)
        .query_async::<Value>(connection)
        .await;
    let have = reply::number(answer.map_err(|error| failure::of(&error))?)
        .ok_or_else(|| failure::confused("`WAIT`"))?;
    if have < u64::from(wanted) {
        return Err(Failure::Unsure(format!(
            "only {have} of {wanted} replicas (REDIS_REPLICAS) have the group"
        )));
    }
    Ok(())
}

/// Returns groups after a mark.
pub(crate) async fn page(
    client: &Client,
    mut connection: MultiplexedConnection,
    after: Mark,
    bytes: usize,
) -> Result<Vec<Raw>, Failure> {
    let count = (bytes / client.mean.load(Ordering::Relaxed).max(1)).clamp(1, PAGE);
    let mut again = true;
    loop {
        let mut questions = redis::pipe();
        let from = format!("({}", Id::of(after));
        questions
            .cmd("XRANGE")
            .arg(&client.keys.log)
            .arg(from)
            .arg("+")
            .arg("COUNT")
            .arg(count);
        questions
            .cmd("HMGET")
            .arg(&client.keys.meta)
            .arg(&STATE[..]);
        let answers = questions.query_async::<Vec<Value>>(&mut connection).await;
        let [found, fields] = <[Value; 2]>::try_from(answers.map_err(|error| failure::of(&error))?)
            .map_err(|_| failure::confused("`XRANGE` and `HMGET`"))?;
        let entries = reply::entries(found).ok_or_else(|| failure::confused("`XRANGE`"))?;
        let state =
            reply::state(reply::array(fields).ok_or_else(|| failure::confused("`HMGET`"))?)?;
        // It was read after the groups and only grows, so they had not been truncated before.
        if state.trimmed > after {
            return Err(Failure::Gone(format!("the group after {after}")));
        }
        let groups: Vec<_> = entries
            .into_iter()
            .filter_map(reply::Entry::group)
            .collect();
        if groups.is_empty() && state.head > after {
            // Appended between the two questions, or deleted by somebody.
            if !again {
                return Err(Failure::Gone(format!("the group after {after}")));
            }
            again = false;
            continue;
        }
        if !groups.is_empty() {
            let mean = groups.iter().map(|group| group.bytes.len()).sum::<usize>() / groups.len();
            client.mean.store(mean.max(64), Ordering::Relaxed);
        }
        return Ok(groups);
    }
}

/// Reads the answer to an append: the group's mark, the tag of the group before, and the time.
fn placed(answer: Value, group: &Encoded) -> Option<Raw> {
    let [mark, previous, ms] = <[Value; 3]>::try_from(reply::array(answer)?).ok()?;
    Some(Raw {
        mark: Mark(reply::number(mark)?),
        previous: Some(reply::tag(&reply::bytes(previous)?)?),
        ms: reply::text(ms)?.parse().ok()?,
        bytes: group.bytes.clone(),
    })
}
