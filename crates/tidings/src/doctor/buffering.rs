//! Checks whether events arrive one by one, as they were published, or something buffers them.

use std::time::Duration;

use tidings_sse::Message;
use tokio::time::{Instant, sleep_until};

use super::finding::{Finding, Level};
use super::probe::{Next, Stream};
use super::test_events::TestEvents;
use crate::proxies::Trouble;

/// The number of events that are published.
const EVENTS: u32 = 5;

/// The time between two publishes. An event that is later than this arrived after the next one was
/// published: it was buffered, and not just slow.
const SPACING: Duration = Duration::from_millis(500);

/// How long the last event may take.
const LAST_EVENT_TIMEOUT: Duration = Duration::from_secs(3);

/// The shortest delay that a reader notices.
const NOTICEABLE_DELAY: Duration = Duration::from_millis(250);

/// How much later than announced a heartbeat may arrive.
const HEARTBEAT_TOLERANCE: Duration = Duration::from_secs(2);

/// The longest interval of heartbeats for which the check waits.
const MAX_HEARTBEAT_INTERVAL: Duration = Duration::from_mins(1);

/// Publishes events one by one and reads them meanwhile. Returns the finding and the id of the last
/// event that arrived, or why nothing can be published.
pub(super) async fn by_events(
    stream: &mut Stream,
    test_events: &TestEvents<'_>,
) -> Result<(Finding, Option<String>), String> {
    let publishing = publish(test_events);
    tokio::pin!(publishing);
    let mut published = None;
    let mut arrived: Vec<(String, Instant)> = Vec::new();
    // Publishing has its own timeouts; until it is done, the stream needs none.
    let mut deadline = Instant::now() + Duration::from_hours(1);
    let published = loop {
        if let Some(published) =
            published.take_if(|published: &mut Vec<_>| arrived.len() >= published.len())
        {
            break published;
        }
        tokio::select! {
            done = &mut publishing, if published.is_none() => {
                published = Some(done?);
                deadline = Instant::now() + LAST_EVENT_TIMEOUT;
            }
            next = stream.next(deadline) => match next {
                Next::Event(message, at) if test_events.contain(&message) => arrived.push((message.id, at)),
                Next::Event(..) => {}
                Next::End => return Ok((cut(stream), arrived.pop().map(|(id, _)| id))),
                Next::Silence => break match published {
                    Some(published) => published,
                    None => publishing.await?,
                },
            },
        }
    };
    let delays: Vec<_> = published
        .iter()
        .map(|(id, answered)| {
            let at = arrived.iter().find(|(arrived, _)| arrived == id)?.1;
            Some(at.saturating_duration_since(*answered))
        })
        .collect();
    Ok((judge(&delays), arrived.pop().map(|(id, _)| id)))
}

/// Reports a stream that ended while events were published.
fn cut(stream: &Stream) -> Finding {
    let seconds = (Instant::now() - stream.opened).as_secs_f64();
    let message = format!(
        "cut after {seconds:.1} s, although events arrived: because of its age, not because it \
         was idle"
    );
    Finding::trouble(Trouble::IdleCut, Level::Problem, message).measured(seconds, "s")
}

/// Publishes the events. Returns their ids, each with the time at which its publish was answered.
async fn publish(test_events: &TestEvents<'_>) -> Result<Vec<(String, Instant)>, String> {
    let start = Instant::now();
    let mut published = Vec::new();
    for n in 0..EVENTS {
        sleep_until(start + SPACING * n).await;
        let id = test_events.publish().await?;
        published.push((id, Instant::now()));
    }
    Ok(published)
}

/// Judges how long after the answer to its publisher each event arrived. `None` means that it did
/// not arrive.
fn judge(delays: &[Option<Duration>]) -> Finding {
    let all = delays.len();
    let lost = delays.iter().filter(|delay| delay.is_none()).count();
    let buffered = delays
        .iter()
        .flatten()
        .filter(|delay| **delay > SPACING)
        .count();
    let longest = delays.iter().flatten().max().copied().unwrap_or_default();
    let (longest_ms, spacing_ms) = (longest.as_secs_f64() * 1e3, SPACING.as_millis());
    let finding = if lost > 0 {
        let message = format!(
            "{lost} of {all} events, {spacing_ms} ms apart, had not arrived {} s after the last \
             was published",
            LAST_EVENT_TIMEOUT.as_secs()
        );
        Finding::trouble(Trouble::Buffering, Level::Problem, message)
    } else if buffered > 1 {
        let message = format!(
            "{buffered} of {all} events, {spacing_ms} ms apart, arrived together, up to \
             {longest_ms:.0} ms late"
        );
        Finding::trouble(Trouble::Buffering, Level::Problem, message)
    } else if longest > NOTICEABLE_DELAY {
        let message = format!("{all} events arrived one by one, but up to {longest_ms:.0} ms late");
        Finding::new("buffering", Level::Warning, message)
            .meaning("The network or the server is slow or busy; nothing seems to buffer events.")
    } else {
        let message = format!(
            "none: {all} events, {spacing_ms} ms apart, arrived at most {longest_ms:.1} ms late"
        );
        Finding::ok("buffering", message)
    };
    finding.measured(longest_ms, "ms")
}

/// Waits for a heartbeat where nothing can be published.
pub(super) async fn by_heartbeat(stream: &mut Stream, interval: Option<u64>, why: &str) -> Finding {
    let Some(interval) = interval
        .map(Duration::from_millis)
        .filter(|interval| *interval <= MAX_HEARTBEAT_INTERVAL)
    else {
        return Finding::skipped(
            "buffering",
            format!("{why}; and heartbeats are too rare to measure with"),
        );
    };
    let began = Instant::now();
    let deadline = began + interval + HEARTBEAT_TOLERANCE;
    loop {
        match stream.next(deadline).await {
            Next::Event(Message { event, .. }, at) if event == "heartbeat" => {
                let seconds = at.saturating_duration_since(began).as_secs_f64();
                let announced = interval.as_secs_f64();
                let message = format!(
                    "none: a heartbeat arrived after {seconds:.1} of {announced:.1} s ({why})"
                );
                return Finding::ok("buffering", message).measured(seconds, "s");
            }
            Next::Event(..) => {}
            Next::Silence => {
                let seconds = (deadline - began).as_secs_f64();
                let message = format!("no heartbeat for {seconds:.1} s ({why})");
                return Finding::trouble(Trouble::Buffering, Level::Problem, message)
                    .measured(seconds, "s");
            }
            Next::End => {
                let seconds = began.elapsed().as_secs_f64();
                let message = format!(
                    "the stream was cut after {seconds:.1} s, before a heartbeat arrived ({why})"
                );
                return Finding::trouble(Trouble::IdleCut, Level::Problem, message)
                    .measured(seconds, "s");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(delays: &[u64]) -> Level {
        let delays: Vec<_> = delays
            .iter()
            .map(|ms| Some(Duration::from_millis(*ms)))
            .collect();
        judge(&delays).level
    }

    #[test]
    fn events_that_arrive_together_at_the_end_were_buffered() {
        assert_eq!(level(&[2000, 1500, 1000, 500, 0]), Level::Problem);
        assert_eq!(judge(&[Some(Duration::ZERO), None]).level, Level::Problem);
    }

    #[test]
    fn one_late_event_is_not_buffering() {
        assert_eq!(level(&[1, 1, 700, 1, 1]), Level::Warning);
        assert_eq!(level(&[200, 210, 190, 200, 240]), Level::Ok);
    }
}
