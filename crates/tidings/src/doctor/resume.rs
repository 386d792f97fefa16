//! Checks whether a reader that reconnects receives exactly the events that it missed.

use std::time::Duration;

use tidings_client::Client;
use tokio::time::Instant;

use super::finding::{Finding, Level};
use super::probe::{FIRST_EVENT_TIMEOUT, Next, NoStream, RequestOptions, Stream};
use super::test_events::{PATH, TestEvents};
use crate::proxies::Trouble;

/// The number of events that are published while no stream is open.
const MISSED: usize = 3;

/// How long to wait, after the missed events, for events that are delivered twice.
const REPETITION_WAIT: Duration = Duration::from_millis(250);

const LOSS_MEANING: &str = "Readers lose events when they reconnect, or see some twice. If there \
                            are several servers behind the proxy, they must share one log, or \
                            each reader must reconnect to the server that it had before.";

/// Publishes events, then opens the stream after the event `last`, and expects exactly the new
/// events.
pub(super) async fn check(
    client: &Client,
    test_events: &TestEvents<'_>,
    last: &str,
) -> Vec<Finding> {
    match examine(client, test_events, last).await {
        Ok(findings) => findings,
        Err(why) => vec![Finding::skipped("resume", why)],
    }
}

async fn examine(
    client: &Client,
    test_events: &TestEvents<'_>,
    last: &str,
) -> Result<Vec<Finding>, String> {
    let mut missed = Vec::new();
    for _ in 0..MISSED {
        missed.push(test_events.publish().await?);
    }
    let by_header = RequestOptions {
        compressed: false,
        after: Some(last),
    };
    let (mut stream, resumed) = open(client, PATH, by_header).await?;
    let mut findings = Vec::new();
    if resumed.is_none() {
        let message = "Last-Event-ID was sent, but did not reach the server";
        findings.push(Finding::trouble(
            Trouble::LastEventId,
            Level::Problem,
            message,
        ));
        // Sends the id in the URL, to see whether the rest works.
        let path = format!("{PATH}&lastEventId={last}");
        stream = open(client, &path, RequestOptions::default()).await?.0;
    } else {
        findings.push(Finding::ok("last-event-id", "it arrived"));
    }
    let arrived = read(&mut stream, test_events, missed.len()).await;
    findings.push(judge(&missed, &arrived));
    Ok(findings)
}

async fn open(
    client: &Client,
    path: &str,
    asked: RequestOptions<'_>,
) -> Result<(Stream, Option<bool>), String> {
    let mut stream = Stream::open(client, path, asked)
        .await
        .map_err(|error| match error {
            NoStream::TimedOut => format!("no answer within {} s", FIRST_EVENT_TIMEOUT.as_secs()),
            NoStream::Failed(failure) => failure.to_string(),
        })?;
    let connected = stream
        .connected()
        .await
        .map_err(|_| "the stream did not begin with `connected`".to_owned())?;
    Ok((stream, connected.resumed))
}

/// Returns the ids of the events that arrive, in order, and waits a moment longer for repetitions.
async fn read(stream: &mut Stream, test_events: &TestEvents<'_>, expected: usize) -> Vec<String> {
    let mut arrived = Vec::new();
    let mut deadline = Instant::now() + FIRST_EVENT_TIMEOUT;
    while let Next::Event(message, _) = stream.next(deadline).await {
        if test_events.contain(&message) {
            arrived.push(message.id);
            if arrived.len() == expected {
                deadline = Instant::now() + REPETITION_WAIT;
            }
        }
    }
    arrived
}

fn judge(missed: &[String], arrived: &[String]) -> Finding {
    let (all, some) = (
        missed.len(),
        arrived.iter().filter(|id| missed.contains(id)).count(),
    );
    if missed == arrived {
        Finding::ok(
            "resume",
            format!("exactly the {all} missed events arrived, in order"),
        )
    } else if some < all {
        Finding::new(
            "resume",
            Level::Problem,
            format!("{some} of {all} missed events arrived"),
        )
        .meaning(LOSS_MEANING)
    } else {
        let message = format!(
            "after {all} missed events, {} arrived, or they were out of order",
            arrived.len()
        );
        Finding::new("resume", Level::Problem, message).meaning(LOSS_MEANING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resuming_works_only_if_each_missed_event_arrives_once_and_in_order() {
        let ids = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        assert_eq!(judge(&ids("abc"), &ids("abc")).level, Level::Ok);
        for arrived in ["", "ab", "acb", "abcc", "zabc"] {
            assert_eq!(
                judge(&ids("abc"), &ids(arrived)).level,
                Level::Problem,
                "{arrived}"
            );
        }
    }
}
