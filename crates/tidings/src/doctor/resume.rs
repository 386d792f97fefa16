//! Checks whether a reader that comes back receives exactly what it missed.

use std::time::Duration;

use tidings_client::Client;
use tokio::time::Instant;

use super::finding::{Finding, Level};
use super::probe::{Asked, FIRST_EVENT_TIMEOUT, Next, NoStream, Stream};
use super::test_events::{PATH, TestEvents};
use crate::proxies::Trouble;

/// The number of events that are published while nobody reads.
const MISSED: usize = 3;

/// How long to wait for events that should not be repeated.
const REPETITION_WAIT: Duration = Duration::from_millis(250);

const LOSS_MEANING: &str = "Readers lose events when they come back, or see some twice. Where several servers stand behind the \
                     proxy, they must share one log, or each reader must come back to its own.";

/// Opens the stream again after the event `last`, which was seen, and expects the events that were
/// not.
pub(super) async fn check(client: &Client, test_events: &TestEvents<'_>, last: &str) -> Vec<Finding> {
    match examine(client, test_events, last).await {
        Ok(findings) => findings,
        Err(why) => vec![Finding::skipped("resume", why)],
    }
}

async fn examine(client: &Client, test_events: &TestEvents<'_>, last: &str) -> Result<Vec<Finding>, String> {
    let mut missed = Vec::new();
    for _ in 0..MISSED {
        missed.push(test_events.publish().await?);
    }
    let by_header = Asked { compressed: false, after: Some(last) };
    let (mut stream, resumed) = open(client, PATH, by_header).await?;
    let mut findings = Vec::new();
    if resumed.is_none() {
        let message = "Last-Event-ID was sent, and the server did not see one";
        findings.push(Finding::trouble(Trouble::LastEventId, Level::Problem, message));
        // Asks by the URL, to see whether the rest works.
        let path = format!("{PATH}&lastEventId={last}");
        stream = open(client, &path, Asked::default()).await?.0;
    } else {
        findings.push(Finding::ok("last-event-id", "it arrived"));
    }
    let came = read(&mut stream, test_events, missed.len()).await;
    findings.push(judge(&missed, &came));
    Ok(findings)
}

async fn open(client: &Client, path: &str, asked: Asked<'_>) -> Result<(Stream, Option<bool>), String> {
    let mut stream = Stream::open(client, path, asked).await.map_err(|error| match error {
        NoStream::Held => format!("no answer came for {} s", FIRST_EVENT_TIMEOUT.as_secs()),
        NoStream::Failed(failure) => failure.to_string(),
    })?;
    let connected =
        stream.connected().await.map_err(|_| "the second stream did not begin as the first did".to_owned())?;
    Ok((stream, connected.resumed))
}

/// Returns the ids of the events that arrive, in order, and waits a moment longer for repetitions.
async fn read(stream: &mut Stream, test_events: &TestEvents<'_>, expected: usize) -> Vec<String> {
    let mut came = Vec::new();
    let mut deadline = Instant::now() + FIRST_EVENT_TIMEOUT;
    while let Next::Event(message, _) = stream.next(deadline).await {
        if test_events.knows(&message) {
            came.push(message.id);
            if came.len() == expected {
                deadline = Instant::now() + REPETITION_WAIT;
            }
        }
    }
    came
}

fn judge(missed: &[String], came: &[String]) -> Finding {
    let (all, some) = (missed.len(), came.iter().filter(|id| missed.contains(id)).count());
    if missed == came {
        Finding::ok("resume", format!("exactly the {all} missed events came, in order"))
    } else if some < all {
        Finding::new("resume", Level::Problem, format!("{some} of {all} missed events came")).meaning(LOSS_MEANING)
    } else {
        let message = format!("{all} missed events came as {}, or out of order", came.len());
        Finding::new("resume", Level::Problem, message).meaning(LOSS_MEANING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_each_missed_event_once_and_in_order_is_a_resumption() {
        let ids = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        assert_eq!(judge(&ids("abc"), &ids("abc")).level, Level::Ok);
        for came in ["", "ab", "acb", "abcc", "zabc"] {
            assert_eq!(judge(&ids("abc"), &ids(came)).level, Level::Problem, "{came}");
        }
    }
}
