//! The end of the log as it grows, and the messages of the other nodes.
//!
//! One blocking `XREAD` after another, over a connection of its own. The server is asked, not
//! subscribed to: a node that is paused costs it no memory. `XREAD` says nothing, for ever, when
//! the stream was deleted and created anew below the reader or truncated past it, so the log's
//! `meta` is read after each second without an answer, and at least once a second besides.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tidings_journal_shared::broker::{Failure, Follow, Live, Mark, State};
use tokio::time::{Instant, timeout};

use crate::client::Client;
use crate::connect::{self, Connected};
use crate::info::Info;
use crate::options::Whereabouts;
use crate::reply::{self, Id};
use crate::url::Url;
use crate::{checks, failure};

/// How long the server holds back an answer while there is nothing new, in milliseconds. Below a
/// second, so that the state of the log is told once a second.
const BLOCK: u32 = 900;

/// How long an answer may take. A server that was stopped holds back its answer without any error.
const SILENCE: Duration = Duration::from_millis(2500);

/// How often the log's `meta` is read while there are groups.
const PROBE: Duration = Duration::from_secs(1);

/// How often the sentinels are asked whether another server takes the writes.
const LOOK: Duration = Duration::from_secs(2);

/// How often the server's settings are checked again.
const CHECK: Duration = Duration::from_mins(1);

/// The most groups of one answer, and about the most bytes.
const GROUPS: usize = 64;
const BYTES: usize = 1 << 20;

/// A reader of the end of the log.
pub(crate) struct Tail {
    client: Arc<Client>,
    connection: MultiplexedConnection,
    server: Url,
    cursors: Cursors,
    ready: VecDeque<Live>,
    /// What is in progress. It is stored, so that a caller that stops waiting loses nothing and
    /// leaves no second blocking command behind the first.
    round: Option<Step<Result<Round, Failure>>>,
    look: Option<Step<Option<Url>>>,
    probe_at: Instant,
    look_at: Instant,
    check_at: Instant,
    failed: Option<Failure>,
    told_of_strangers: bool,
}

/// Something in progress.
type Step<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How far the streams were read, and how many groups are asked for.
#[derive(Clone, Copy)]
struct Cursors {
    log: Id,
    messages: Id,
    count: usize,
}

enum Round {
    Probed(State),
    Read(Vec<(String, Vec<reply::Entry>)>),
}

impl Tail {
    pub(crate) async fn begin(client: Arc<Client>, after: Mark) -> Result<Self, Failure> {
        let limit = client.options.limit;
        let begin = async {
            let Connected {
                mut connection,
                server,
            } = connect::find(&client.options).await?;
            let state = probe(&mut connection, &client, &server, false).await?;
            if state.trimmed > after {
                return Err(Failure::Gone(format!("the group after {after}")));
            }
            let messages = newest(&mut connection, &client.keys.messages).await?;
            Ok((connection, server, state, messages))
        };
        let begun = timeout(limit, begin).await;
        let (connection, server, state, messages) = begun.unwrap_or_else(|_| {
            Err(Failure::Unsure(format!(
                "no answer within {} ms",
                limit.as_millis()
            )))
        })?;
        let now = Instant::now();
        Ok(Self {
            connection,
            server,
            cursors: Cursors {
                log: Id::of(after),
                messages,
                count: 16,
            },
            ready: [Live::Alive(state)].into(),
            round: None,
            look: None,
            probe_at: now + PROBE,
            look_at: now + LOOK,
            check_at: now + CHECK,
            failed: None,
            told_of_strangers: false,
            client,
        })
    }

    /// Begins what is next: a look at the log's `meta` if it is due, or else a read.
    fn begin_round(&mut self) -> Step<Result<Round, Failure>> {
        let (client, server) = (Arc::clone(&self.client), self.server.clone());
        let (mut connection, cursors) = (self.connection.clone(), self.cursors);
        let now = Instant::now();
        if now >= self.probe_at {
            let check = now >= self.check_at;
            if check {
                self.check_at = now + CHECK;
            }
            return Box::pin(limited(async move {
                Ok(Round::Probed(
                    probe(&mut connection, &client, &server, check).await?,
                ))
            }));
        }
        Box::pin(limited(async move {
            let mut read = redis::cmd("XREAD");
            read.arg("COUNT")
                .arg(cursors.count)
                .arg("BLOCK")
                .arg(BLOCK)
                .arg("STREAMS");
            read.arg(&client.keys.log).arg(&client.keys.messages);
            read.arg(cursors.log.to_string())
                .arg(cursors.messages.to_string());
            let answer = read
                .query_async::<Value>(&mut connection)
                .await
                .map_err(|error| failure::of(&error))?;
            Ok(Round::Read(
                reply::streams(answer).ok_or_else(|| failure::confused("`XREAD`"))?,
            ))
        }))
    }

    /// Begins to ask the sentinels, if there are any and it is time.
    fn begin_look(&mut self) {
        let now = Instant::now();
        let Whereabouts::Sentinels(_) = self.client.options.whereabouts else {
            return;
        };
        if self.look.is_none() && now >= self.look_at {
            self.look_at = now + LOOK;
            let (client, server) = (Arc::clone(&self.client), self.server.clone());
            self.look = Some(Box::pin(moved(client, server)));
        }
    }

    fn take(&mut self, round: Round) {
        match round {
            Round::Probed(state) => {
                self.probe_at = Instant::now() + PROBE;
                self.ready.push_back(Live::Alive(state));
            }
            Round::Read(streams) => {
                if streams.is_empty() {
                    self.probe_at = Instant::now();
                }
                for (name, entries) in streams {
                    if name == self.client.keys.log {
                        self.take_groups(entries);
                    } else {
                        self.take_messages(entries);
                    }
                }
            }
        }
    }

    fn take_groups(&mut self, entries: Vec<reply::Entry>) {
        let Some(newest) = entries.last().map(|entry| entry.id) else {
            return;
        };
        self.cursors.log = newest;
        let found = entries.len();
        let groups: Vec<_> = entries
            .into_iter()
            .filter_map(reply::Entry::group)
            .collect();
        if groups.len() < found && !self.told_of_strangers {
            self.told_of_strangers = true;
            tracing::error!(
                stream = self.client.keys.log,
                "another program has added entries to the log's stream; they are passed over"
            );
        }
        let mean =
            groups.iter().map(|group| group.bytes.len()).sum::<usize>() / groups.len().max(1);
        self.cursors.count = (BYTES / mean.max(1)).clamp(1, GROUPS);
        if !groups.is_empty() {
            self.ready.push_back(Live::Groups(groups));
        }
    }

    fn take_messages(&mut self, entries: Vec<reply::Entry>) {
        for entry in entries {
            self.cursors.messages = entry.id;
            self.ready.extend(entry.message().map(Live::Message));
        }
    }

    async fn wait(&mut self) -> Result<(), Failure> {
        self.begin_look();
        if self.round.is_none() {
            self.round = Some(self.begin_round());
        }
        let (Some(round), look) = (&mut self.round, &mut self.look) else {
            return Ok(());
        };
        let looked = async {
            match look {
                Some(look) => look.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            result = round => {
                self.round = None;
                self.take(result?);
            }
            moved = looked => {
                self.look = None;
                if let Some(server) = moved {
                    self.client.give_up();
                    return Err(Failure::Unsure(format!("the sentinels name another server, \
                        {server}")));
                }
            }
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Follow for Tail {
    async fn next(&mut self) -> Result<Live, Failure> {
        loop {
            if let Some(live) = self.ready.pop_front() {
                return Ok(live);
            }
            if let Some(failure) = &self.failed {
                return Err(failure.clone());
            }
            if let Err(failure) = self.wait().await {
                self.failed = Some(failure);
            }
        }
    }
}

/// Ends a step of the reader if the server is silent for too long.
async fn limited(step: impl Future<Output = Result<Round, Failure>>) -> Result<Round, Failure> {
    let silent = || Failure::Unsure(format!("no answer within {} ms", SILENCE.as_millis()));
    timeout(SILENCE, step)
        .await
        .unwrap_or_else(|_| Err(silent()))
}

/// Reads the state of the log, and whether the server still takes writes.
async fn probe(
    connection: &mut MultiplexedConnection,
    client: &Client,
    server: &Url,
    check: bool,
) -> Result<State, Failure> {
    let mut questions = redis::pipe();
    questions
        .cmd("HMGET")
        .arg(&client.keys.meta)
        .arg(&reply::STATE[..]);
    questions.cmd("EXISTS").arg(&client.keys.log);
    questions.cmd("INFO").arg("replication");
    if check {
        questions.cmd("INFO").arg("memory");
    }
    let answers: Result<Vec<Value>, RedisError> = questions.query_async(connection).await;
    let mut answers = answers.map_err(|error| failure::of(&error))?.into_iter();
    let (fields, exists, replication) = (answers.next(), answers.next(), answers.next());
    let info = |value: Option<Value>| {
        let text = value
            .and_then(reply::text)
            .ok_or_else(|| failure::confused("`INFO`"))?;
        Ok::<_, Failure>(Info::parse(&text))
    };
    if !info(replication)?.is_master() {
        return Err(Failure::Unsure(format!("{server} is a replica now")));
    }
    if check {
        checks::eviction(&info(answers.next())?, server)?;
    }
    let fields = fields
        .and_then(reply::array)
        .ok_or_else(|| failure::confused("`HMGET`"))?;
    let state = reply::state(fields)?;
    match exists.and_then(reply::number) {
        Some(0) => Err(Failure::Reopen(
            "the stream of the log was deleted".to_owned(),
        )),
        Some(_) => Ok(state),
        None => Err(failure::confused("`EXISTS`")),
    }
}

/// Returns the id of a stream's newest entry.
async fn newest(connection: &mut MultiplexedConnection, stream: &str) -> Result<Id, Failure> {
    let mut question = redis::cmd("XREVRANGE");
    question.arg(stream).arg("+").arg("-").arg("COUNT").arg(1);
    let answer = question
        .query_async::<Value>(connection)
        .await
        .map_err(|error| failure::of(&error))?;
    let entries = reply::entries(answer).ok_or_else(|| failure::confused("`XREVRANGE`"))?;
    Ok(entries.first().map(|entry| entry.id).unwrap_or_default())
}

/// Returns the server that takes the writes now, if the sentinels name another one and it does.
async fn moved(client: Arc<Client>, server: Url) -> Option<Url> {
    let Whereabouts::Sentinels(sentinels) = &client.options.whereabouts else {
        return None;
    };
    let named = connect::ask(sentinels, client.options.authorities.as_deref())
        .await
        .ok()?;
    if named.first()? == &server {
        return None;
    }
    let found = timeout(client.options.limit, connect::find(&client.options))
        .await
        .ok()?
        .ok()?;
    (found.server != server).then_some(found.server)
}
