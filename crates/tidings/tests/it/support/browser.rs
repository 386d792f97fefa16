//! One Chromium for every test of this program, with one page in which its streams are followed
//! (`clients/node/chromium.mjs`).
//!
//! Owns the numbers by which the streams are told apart. The first test that needs the browser starts it; it ends with
//! this program, when nobody holds the other end of its standard input any more.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::client::provisioned;

/// More than any test leaves unread.
const UNREAD: usize = 4_096;

static BROWSER: OnceLock<Browser> = OnceLock::new();

struct Browser {
    commands: Mutex<ChildStdin>,
    streams: Streams,
    next: AtomicU64,
}

type Streams = Arc<Mutex<HashMap<u64, mpsc::Sender<Value>>>>;

/// A stream that the page follows. Dropping it closes it.
pub(crate) struct Followed {
    number: u64,
    reports: mpsc::Receiver<Value>,
}

impl Browser {
    fn start() -> Self {
        let mut child = Command::new("node")
            .arg(provisioned("TIDINGS_NODE_CLIENTS").join("chromium.mjs"))
            .arg(provisioned("TIDINGS_CHROMIUM"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = Mutex::new(child.stdin.take().unwrap());
        let streams = Streams::default();
        std::thread::spawn({
            let streams = streams.clone();
            move || hand_out(child, &streams)
        });
        Self { commands, streams, next: AtomicU64::new(1) }
    }

    fn tell(&self, command: &Value) -> std::io::Result<()> {
        let mut commands = self.commands.lock();
        commands.write_all(format!("{command}\n").as_bytes())
    }
}

/// Brings each report to the test that follows the stream. When the browser is gone, all of them see the end.
fn hand_out(mut child: Child, streams: &Streams) {
    let reports = BufReader::new(child.stdout.take().unwrap());
    for line in reports.lines().map_while(Result::ok) {
        let report: Value = serde_json::from_str(&line).unwrap();
        let number = report["stream"].as_u64().unwrap();
        let mut streams = streams.lock();
        if let Some(stream) = streams.get(&number)
            && stream.try_send(report).is_err()
        {
            streams.remove(&number);
        }
    }
    streams.lock().clear();
    let _ = child.wait();
}

/// Has the page follow `url` with one of its libraries.
pub(crate) fn follow(library: &str, url: &str, events: &str, token: &str, last_event_id: &str) -> Followed {
    let browser = BROWSER.get_or_init(Browser::start);
    let number = browser.next.fetch_add(1, Ordering::Relaxed);
    let (sender, reports) = mpsc::channel(UNREAD);
    browser.streams.lock().insert(number, sender);
    let events: Vec<_> = events.split(',').collect();
    browser
        .tell(&json!({
            "follow": number, "with": library, "url": url, "events": events,
            "token": token, "lastEventId": last_event_id,
        }))
        .unwrap();
    Followed { number, reports }
}

impl Followed {
    /// The next report; `None` when the browser is gone.
    pub(crate) async fn report(&mut self) -> Option<Value> {
        self.reports.recv().await
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some(browser) = BROWSER.get() {
            browser.streams.lock().remove(&self.number);
            let _ = browser.tell(&json!({"close": self.number}));
        }
    }
}
