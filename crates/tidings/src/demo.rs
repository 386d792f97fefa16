//! `tidings demo`: a believable flow of events to all groups of streams, so that a page which follows them is alive.
//!
//! Owns who calls, the pace, and the repeating of calls while the server is away. What is published is `story`'s to say. Must
//! never leave more behind than events: at its end people leave their rooms, and what was down is up again.

mod chat;
mod services;
mod shop;
mod story;

use std::collections::HashMap;
use std::io::Write;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use tidings_client::{Address, Client, Failure};
use tidings_server::auth::demo;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::story::{ADMIN, Step, Story};
use super::backoff::wait;
use super::remote::Remote;
use super::terminal::{plain, say};

/// The first wait for a server that is away, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A call that took longer is not caught up with.
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// A signal that comes so soon after the first is the same one: `timeout` sends it to the command and to its group, and `npm run`
/// hands on what the terminal has sent already.
const SAME_SIGNAL: Duration = Duration::from_millis(200);

/// How long the end may take, with a server that does not answer.
const FAREWELL: Duration = Duration::from_secs(2);

/// What to publish, how fast, and where.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Where the server is; takes the place of `--url`.
    #[arg(value_name = "URL")]
    address: Option<Address>,

    #[command(flatten)]
    remote: Remote,

    /// About how many events a minute.
    #[arg(long, value_name = "NUMBER", default_value = "60")]
    per_minute: NonZeroU32,

    /// Stop after so many events; without it, ctrl-c does.
    #[arg(long, value_name = "NUMBER")]
    count: Option<NonZeroU64>,

    /// Tell the same story again: the same number, the same events in the same order.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Show only what goes wrong.
    #[arg(long, short)]
    quiet: bool,
}

/// Those who call. Whoever has no token of their own calls with the one that was given.
struct Cast {
    clients: HashMap<&'static str, Client>,
    other: Client,
}

/// Publishes until there is a reason to stop; ctrl-c is none to complain about.
pub(super) fn run(arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let Arguments { address, mut remote, per_minute, count, seed, quiet } = arguments;
    if let Some(address) = address {
        remote.url = address;
    }
    let cast = Cast::of(&remote)?;
    let seed = seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let pace = Duration::from_mins(1) / per_minute.get();
    // A worker beside this thread hears ctrl-c even while this one waits for a terminal that takes nothing.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let stop = stopped()?;
        say(&format!(
            "publishing to {url} with --seed {seed}; connect a stream on {url}/ to watch; ctrl-c stops",
            url = remote.url
        ));
        let mut story = Story::new(seed);
        let count = count.map(NonZeroU64::get);
        let published = publish(&cast, &mut story, count, pace, &stop, if quiet { None } else { Some(out) }).await;
        // It may be the server that is gone: then what is left behind went with it, or stays.
        let _ = timeout(FAREWELL, cast.farewell(story)).await;
        let published = published?;
        say(&format!("stopped after {published} {}", if published == 1 { "event" } else { "events" }));
        Ok(())
    })
}

/// Publishes so many steps of a story, or all, until it is stopped. Returns how many the server took.
async fn publish(
    cast: &Cast,
    story: &mut Story,
    count: Option<u64>,
    pace: Duration,
    stop: &CancellationToken,
    mut out: Option<&mut dyn Write>,
) -> anyhow::Result<u64> {
    let mut next = Instant::now();
    let mut published = 0;
    while count.is_none_or(|count| published < count) {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = sleep_until(next) => {}
        }
        let step = story.step();
        tokio::select! {
            () = stop.cancelled() => break,
            done = cast.persist(&step) => done?,
        }
        published += 1;
        // Time that the server was away for is not caught up with.
        let now = Instant::now();
        next = if now > next + LONGEST_DELAY { now } else { next } + pace.mul_f64(step.pause);
        if let Some(out) = &mut out {
            writeln!(out, "{}", plain(&step.told))?;
        }
    }
    Ok(published)
}

/// Cancelled by the first signal to stop; the second one ends the process.
fn stopped() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let told = stop.clone();
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut next = async move || {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    };
    tokio::spawn(async move {
        next().await;
        told.cancel();
        while timeout(SAME_SIGNAL, next()).await.is_ok() {}
        next().await;
        std::process::exit(130);
    });
    Ok(stop)
}

fn key() -> anyhow::Result<HeaderValue> {
    Ok(HeaderValue::try_from(format!("{:032x}", rand::random::<u128>()))?)
}

impl Cast {
    /// Where nobody gave a token and the server is on this machine, each has a demo token of their own.
    fn of(remote: &Remote) -> anyhow::Result<Self> {
        let other = remote.client()?;
        let mut clients = HashMap::new();
        if remote.token().is_none() && remote.url.is_loopback() {
            for person in chat::PEOPLE {
                let token = demo::written(person, "user");
                clients.insert(person, Client::new(remote.url.clone(), Some(&token))?);
            }
        }
        Ok(Self { clients, other })
    }

    /// Makes a call again until the server has answered it, or says that it never will.
    async fn persist(&self, step: &Step) -> anyhow::Result<()> {
        let key = key()?;
        let mut failures = 0;
        loop {
            let failure = match self.call(step, &key).await {
                Ok(()) => return Ok(()),
                Err(failure) if failure.is_passing() => failure,
                Err(failure) => return Err(refused(failure)),
            };
            failures += 1;
            let pause =
                wait(FIRST_WAIT, LONGEST_WAIT, failures, rand::random()).max(failure.retry_after().min(LONGEST_WAIT));
            say(&format!("{failure}; trying again in {:.1} s", pause.as_secs_f64()));
            sleep(pause).await;
        }
    }

    /// Leaves nothing behind, as far as the server answers.
    async fn farewell(&self, story: Story) {
        for step in story.farewell() {
            let Ok(key) = key() else { return };
            if self.call(&step, &key).await.is_err() {
                return;
            }
        }
    }

    async fn call(&self, step: &Step, key: &HeaderValue) -> Result<(), Failure> {
        let client = self.clients.get(step.by).unwrap_or(&self.other);
        let body = step.body.as_ref().map(ToString::to_string).unwrap_or_default();
        client.post(&step.path, Bytes::from(body), key).await.map(drop)
    }
}

/// Says what to do where the token is the matter.
fn refused(failure: Failure) -> anyhow::Error {
    let status = match &failure {
        Failure::Refused(refusal) => refusal.status.as_u16(),
        _ => 0,
    };
    let error = anyhow::Error::from(failure);
    match status {
        401 => error.context(
            "the server does not take the token; TIDINGS_TOKEN=$(tidings token --sub demo --role admin) makes one",
        ),
        403 => error.context(format!("the token is not an admin's, as the {ADMIN} of this story must be")),
        _ => error,
    }
}
