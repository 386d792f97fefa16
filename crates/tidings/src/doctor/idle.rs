//! Checks whether an idle stream stays open.

use std::time::Duration;

use tidings_client::Client;
use tokio::time::Instant;

use super::finding::{Finding, Level};
use super::probe::{FIRST_EVENT_TIMEOUT, Next, NoStream, RequestOptions, Stream};
use super::test_events::PATH;
use crate::proxies::Trouble;

/// The shortest idle timeout of common proxies: nginx and ALB wait for 60 s, most others for 30 s.
const SHORTEST_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A stream that was silent for less than the heartbeat interval divided by this was not cut
/// because of the silence.
const ACTIVE_DIVISOR: u32 = 2;

/// Judges the heartbeat interval that the server announces, without waiting for a heartbeat.
pub(super) fn announced(interval: Option<u64>) -> Finding {
    let Some(interval) = interval.map(Duration::from_millis) else {
        return Finding::skipped("heartbeat", "the server does not announce an interval");
    };
    let seconds = interval.as_secs_f64();
    let finding =
        if interval > SHORTEST_IDLE_TIMEOUT {
            Finding::new("heartbeat", Level::Warning, format!("one every {seconds:.1} s")).meaning(
            "Many proxies cut a stream after 30 or 60 s of silence. Set HEARTBEAT_INTERVAL=25s, \
             or test this proxy with --patient.",
        )
        } else {
            Finding::ok(
                "heartbeat",
                format!("one every {seconds:.1} s, before common proxies cut an idle stream"),
            )
        };
    finding.measured(seconds, "s")
}

/// Keeps a stream open until it is cut, but at most for `patience`.
pub(super) async fn wait(client: &Client, patience: Duration, interval: Option<u64>) -> Finding {
    let mut stream = match Stream::open(client, PATH, RequestOptions::default()).await {
        Ok(stream) => stream,
        Err(NoStream::TimedOut) => {
            return Finding::skipped(
                "idle",
                format!("no answer within {} s", FIRST_EVENT_TIMEOUT.as_secs()),
            );
        }
        Err(NoStream::Failed(failure)) => return Finding::skipped("idle", failure.to_string()),
    };
    let interval = interval.map(Duration::from_millis);
    let deadline = Instant::now() + patience;
    let mut heartbeats = 0_u32;
    loop {
        match stream.next(deadline).await {
            Next::Event(message, _) => match &*message.event {
                "heartbeat" => heartbeats += 1,
                "busy" | "expired" | "revoked" | "slow" | "draining" => {
                    return Finding::skipped(
                        "idle",
                        format!("the server itself ended the stream: {}", message.event),
                    );
                }
                _ => {}
            },
            Next::Silence => {
                let seconds = patience.as_secs_f64();
                let message = format!("open for {seconds:.0} s, with {heartbeats} heartbeats");
                return Finding::ok("idle", message).measured(seconds, "s");
            }
            Next::End => {
                let now = Instant::now();
                return cut(now - stream.opened, now - stream.last_bytes, interval);
            }
        }
    }
}

/// Reports a stream that was cut after it had been `open` for a time, at the end of which no byte
/// arrived for `silence`.
fn cut(open: Duration, silence: Duration, interval: Option<Duration>) -> Finding {
    let (open, silent) = (open.as_secs_f64(), silence.as_secs_f64());
    if interval
        .is_some_and(|interval| silence < interval / ACTIVE_DIVISOR && open > 2.0 * silent + 1.0)
    {
        let message = format!(
            "cut after {open:.1} s, {silent:.1} s after the last byte: because of its age, not \
             because it was idle"
        );
        return Finding::trouble(Trouble::IdleCut, Level::Warning, message).measured(open, "s");
    }
    let heartbeat = interval.map_or_else(
        || "the server announces no heartbeat".to_owned(),
        |interval| {
            format!(
                "a heartbeat every {:.1} s is not enough",
                interval.as_secs_f64()
            )
        },
    );
    let message = format!("cut after {silent:.1} s of silence; {heartbeat}");
    Finding::trouble(Trouble::IdleCut, Level::Problem, message).measured(silent, "s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_was_cut_because_of_its_age_is_not_reported_as_idle() {
        let level = |open, silence| {
            cut(
                Duration::from_secs(open),
                Duration::from_secs(silence),
                Some(Duration::from_secs(25)),
            )
            .level
        };
        assert_eq!(level(2, 2), Level::Problem);
        assert_eq!(level(85, 20), Level::Problem);
        assert_eq!(level(100, 3), Level::Warning);
    }
}
