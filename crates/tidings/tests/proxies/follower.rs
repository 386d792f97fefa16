//! A reader that follows numbered notifications through whatever happens, as a browser's
//! `EventSource` does, and keeps book.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::patience::in_time;
use crate::wire::{Link, NOTIFICATIONS, number};

/// How long it waits before it comes back, where no `retry:` has said so.
const UNTOLD: Duration = Duration::from_secs(3);

/// What one reader saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The numbers, as they came.
    pub(crate) numbers: Vec<u64>,
    /// How often a stream was opened by the server: its first event was `connected`.
    pub(crate) opened: u32,
    /// Answers that were no stream, and streams whose first event was `busy`.
    pub(crate) refused: Vec<String>,
    /// How often the server said that something is lost.
    pub(crate) resets: u32,
    /// How often a connection ended before a stream was answered on it, as the proxy let the
    /// connection go.
    pub(crate) let_go: u32,
}

pub(crate) struct Follower {
    task: JoinHandle<()>,
    seen: watch::Receiver<Seen>,
}

impl Follower {
    /// Follows through the proxy at `address`, each time on a connection of its own. Returns when
    /// the stream is open.
    pub(crate) async fn start(address: SocketAddr, prefix: &'static str) -> Self {
        let (sender, mut seen) = watch::channel(Seen::default());
        let task = tokio::spawn(follow(address, prefix, sender));
        in_time(seen.wait_for(|seen| seen.opened == 1))
            .await
            .unwrap();
        Self { task, seen }
    }

    /// Waits until this number has come.
    pub(crate) async fn until(&mut self, number: u64) {
        self.wait(|seen| seen.numbers.contains(&number)).await;
    }

    pub(crate) async fn wait(&mut self, so: impl FnMut(&Seen) -> bool) {
        in_time(self.seen.wait_for(so)).await.unwrap();
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(address: SocketAddr, prefix: &'static str, seen: watch::Sender<Seen>) {
    let (mut last_id, mut retry) = (String::new(), UNTOLD);
    loop {
        once(address, prefix, &seen, &mut last_id, &mut retry).await;
        tokio::time::sleep(retry).await;
    }
}

/// One stream, from its request to its end.
async fn once(
    address: SocketAddr,
    prefix: &'static str,
    seen: &watch::Sender<Seen>,
    last_id: &mut String,
    retry: &mut Duration,
) {
    let refuse = |why: String| seen.send_modify(|seen| seen.refused.push(why));
    let mut stream = loop {
        let link = match Link::try_to(address).await {
            Ok(link) => link.below(prefix),
            Err(error) => return refuse(format!("not connected: {error}")),
        };
        match link.stream(NOTIFICATIONS, last_id).await {
            Ok(stream) => break stream,
            // Nothing was answered, and a GET may be sent again: every client does so at once.
            Err(why) if why.starts_with("no answer") => {
                seen.send_modify(|seen| seen.let_go += 1);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(why) => return refuse(why),
        }
    };
    while let Ok(message) = stream.next().await {
        if let Some(told) = stream.retry() {
            *retry = told;
        }
        if !message.id.is_empty() {
            last_id.clone_from(&message.id);
        }
        match &*message.event {
            "connected" => seen.send_modify(|seen| seen.opened += 1),
            "busy" => refuse(format!("busy: {}", message.data)),
            "reset" => seen.send_modify(|seen| seen.resets += 1),
            _ => {
                if let Some(number) = number(&message) {
                    seen.send_modify(|seen| seen.numbers.push(number));
                }
            }
        }
    }
}

/// Fails unless it saw every number from 1 on once and in order, was never refused, and nothing was
/// said to be lost.
#[track_caller]
pub(crate) fn assert_whole(seen: &Seen, last: u64, what: &str) {
    assert_eq!(
        seen.numbers,
        (1..=last).collect::<Vec<_>>(),
        "{what}: lost, repeated or out of order"
    );
    assert!(
        seen.refused.is_empty() && seen.resets == 0,
        "{what}: {:?}, {} resets",
        seen.refused,
        seen.resets
    );
}
