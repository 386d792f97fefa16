//! `tidings demo`: publishes the events of an imaginary shop to all groups of streams, so that
//! there is something to see on the page at `/`.
//!
//! Owns the callers, the pace, and the repetition of calls while the server is unreachable. `story`
//! decides what is published. Must leave nothing behind but events: at the end, all people leave
//! their rooms, and services that were down are up again.

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

/// The first and the longest wait before the next attempt while the server is unreachable.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const MAX_WAIT: Duration = Duration::from_secs(30);

/// If a call takes longer than this, the following steps are delayed; the lost time is not made up
/// for.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// A second signal within this time is the same signal again: `timeout` sends it to the command and
/// to its process group, and `npm run` forwards one that the terminal has already sent.
const REPEATED_SIGNAL_INTERVAL: Duration = Duration::from_millis(200);

/// How long the end may take while the server does not answer.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(2);

/// What to publish, how fast, and where.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The address of the server; used instead of `--url`.
    #[arg(value_name = "URL")]
    address: Option<Address>,

    #[command(flatten)]
    remote: Remote,

    /// The approximate number of events per minute.
    #[arg(long, value_name = "NUMBER", default_value = "60")]
    per_minute: NonZeroU32,

    /// Stop after this number of events; by default, only ctrl-c stops it.
    #[arg(long, value_name = "NUMBER")]
    count: Option<NonZeroU64>,

    /// Publish the same story again: with the same number, the same events come in the same order.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Show only errors.
    #[arg(long, short)]
    quiet: bool,
}

/// The clients that make the calls.
struct Callers {
    /// Those of people who have their own token.
    clients: HashMap<&'static str, Client>,
    /// The client for everybody else.
    other: Client,
}

/// Publishes until it is stopped. Ctrl-c is not an error.
pub(super) fn run(arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let Arguments {
        address,
        mut remote,
        per_minute,
        count,
        seed,
        quiet,
    } = arguments;
    if let Some(address) = address {
        remote.url = address;
    }
    let callers = Callers::of(&remote)?;
    let seed = seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let pace = Duration::from_mins(1) / per_minute.get();
    // The worker thread handles ctrl-c even while this thread is blocked by a reader of standard
    // output that reads nothing.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stop = stop_on_signal()?;
        say(&format!(
            "publishing to {url} with --seed {seed}; connect a stream on {url}/ to watch; ctrl-c \
             stops",
            url = remote.url
        ));
        let mut story = Story::new(seed);
        let count = count.map(NonZeroU64::get);
        let published = publish(
            &callers,
            &mut story,
            count,
            pace,
            &stop,
            if quiet { None } else { Some(out) },
        )
        .await;
        // If the server does not answer, there is nothing that could be cleaned up.
        let _ = timeout(CLEANUP_TIMEOUT, callers.clean_up(story)).await;
        let published = published?;
        say(&format!(
            "stopped after {published} {}",
            if published == 1 { "event" } else { "events" }
        ));
        Ok(())
    })
}

/// Publishes `count` steps of a story, or all of it, until it is stopped. Returns how many steps
/// the server accepted.
async fn publish(
    callers: &Callers,
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
            done = callers.with_retries(&step) => done?,
        }
        published += 1;
        // The time during which the server was unreachable is not made up for.
        let now = Instant::now();
        next = if now > next + MAX_DELAY { now } else { next } + pace.mul_f64(step.pause);
        if let Some(out) = &mut out {
            writeln!(out, "{}", plain(&step.description))?;
        }
    }
    Ok(published)
}

/// Returns a token that the first signal to stop cancels; the second signal ends the process.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let requested = stop.clone();
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
        requested.cancel();
        while timeout(REPEATED_SIGNAL_INTERVAL, next()).await.is_ok() {}
        next().await;
        std::process::exit(130);
    });
    Ok(stop)
}

fn key() -> anyhow::Result<HeaderValue> {
    Ok(HeaderValue::try_from(format!(
        "{:032x}",
        rand::random::<u128>()
    ))?)
}

impl Callers {
    /// Makes the clients. If no token was given and the server is on this machine, each person has
    /// their own demo token.
    fn of(remote: &Remote) -> anyhow::Result<Self> {
        let other = remote.client()?;
        let mut clients = HashMap::new();
        if remote.token().is_none() && remote.url.is_loopback() {
            for person in chat::PEOPLE {
                let token = demo::token(person, "user");
                clients.insert(person, Client::new(remote.url.clone(), Some(&token))?);
            }
        }
        Ok(Self { clients, other })
    }

    /// Repeats a call until the server has accepted it, or has refused it for good.
    async fn with_retries(&self, step: &Step) -> anyhow::Result<()> {
        let key = key()?;
        let mut failures = 0;
        loop {
            let failure = match self.call(step, &key).await {
                Ok(()) => return Ok(()),
                Err(failure) if failure.is_temporary() => failure,
                Err(failure) => return Err(refused(failure)),
            };
            failures += 1;
            let pause = wait(FIRST_WAIT, MAX_WAIT, failures, rand::random())
                .max(failure.retry_after().min(MAX_WAIT));
            say(&format!(
                "{failure}; trying again in {:.1} s",
                pause.as_secs_f64()
            ));
            sleep(pause).await;
        }
    }

    /// Makes the calls that leave nothing behind, until the server does not answer.
    async fn clean_up(&self, story: Story) {
        for step in story.ending() {
            let Ok(key) = key() else { return };
            if self.call(&step, &key).await.is_err() {
                return;
            }
        }
    }

    async fn call(&self, step: &Step, key: &HeaderValue) -> Result<(), Failure> {
        let client = self.clients.get(step.by).unwrap_or(&self.other);
        let body = step
            .body
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        client
            .post(&step.path, Bytes::from(body), key)
            .await
            .map(drop)
    }
}

/// Adds advice to an error that the token caused.
fn refused(failure: Failure) -> anyhow::Error {
    let status = match &failure {
        Failure::Refused(refusal) => refusal.status.as_u16(),
        _ => 0,
    };
    let error = anyhow::Error::from(failure);
    match status {
        401 => error.context(
            "the server does not accept the token; TIDINGS_TOKEN=$(tidings token --sub demo \
             --role admin) makes one",
        ),
        403 => error.context(format!(
            "the demo needs the token of an administrator, because it \
                                      publishes as {ADMIN}"
        )),
        _ => error,
    }
}
