//! Settings of event streams and of their end.

use std::time::Duration;

use tidings_settings::rule::{Choice, Number, Or};
use tidings_settings::section;
use tidings_settings::units::{DAY, HOUR, KIB, MIB, MILLISECOND, MINUTE, SECOND, Size, Span};

section! {
    "Streams"
    /// What open event streams do.
    pub struct Streams {
        /// How often each stream shows that it lives. The default is just under the 30 seconds after which common proxies
        /// cut a silent connection. A client should wait for three of them; one that waits for less than one, as `OkHttp`
        /// (10 s) and `okhttp-eventsource` (5 s) do by themselves, comes back again and again while nothing is sent.
        "heartbeat_interval" => pub heartbeat_interval: Duration = Span(100 * MILLISECOND..=HOUR), "25s";

        /// `event` sends `event: heartbeat` at each interval, whatever else was sent; `comment` sends an empty comment
        /// after an interval of silence. `/system/heartbeat` keeps the event.
        "heartbeat_style" => pub heartbeat_style: HeartbeatStyle = HEARTBEAT_STYLE, "event";

        /// How a stream is refused for a passing reason: `busy` answers 200 with an event that tells when to come back, as
        /// a browser's `EventSource` gives up for good at any other status; `status` answers 429 or 503.
        "stream_refusal" => pub refusal: Refusal = REFUSAL, "busy";

        /// How long a peer may take no byte of what is written to it before its connection is closed.
        "write_timeout" => pub write_timeout: Duration = Span(SECOND..=HOUR), "30s";

        /// How many streams may be open at the same time. `auto` is what the system's limit of file descriptors allows, less
        /// 512 for everything else.
        "max_connections" => pub max_connections: Option<usize> = Or("auto", Number(1..=100_000_000)), "auto";

        /// How many streams one user may have open.
        "max_connections_per_user" => pub max_connections_per_user: usize = Number(1..=100_000_000), "20";

        /// How many streams anonymous visitors from one address may have open; loopback and trusted proxies are exempt.
        /// Of IPv6, the 64 bits that a provider gives to one customer are one address.
        /// `auto` is a quarter of `MAX_CONNECTIONS`.
        "max_connections_per_ip" => pub max_connections_per_ip: Option<usize> = Or("auto", Number(1..=100_000_000)), "auto";

        /// How many bytes of its topics that were shown more than 5 seconds ago may wait for a stream whose socket takes
        /// nothing. Beyond it is ended with `slow` and goes on by its last id; a burst that a healthy reader takes in time
        /// ends nobody. The most is what is held in memory of one topic.
        "max_lag_bytes" => pub max_lag_bytes: usize = Size(64 * KIB..=2 * MIB), "1MiB";

        /// About how long a stream lives, 10 % more or less, before its client is sent to come again; `off` is for ever.
        "max_connection_age" => pub max_connection_age: Option<Duration> = Or("off", Span(SECOND..=3_650 * DAY)), "off";

        /// What carries streams over HTTP/1: `parked` is a small task for each, `hyper` the library that carries all other
        /// calls, at more than ten times the memory. For comparing the two, and for ruling one out.
        "stream_lane" => pub lane: Lane = LANE, "parked";

        /// How long a chat room's member without an open stream stays a member.
        "presence_grace" => pub presence_grace: Duration = Span(Duration::ZERO..=HOUR), "60s";
    }
}

section! {
    "Stopping"
    /// How the server ends, after SIGTERM or ctrl-c.
    pub struct Lifecycle {
        /// Over how long open streams are ended one by one, so that their clients don't all come back at once. Takes other
        /// units too, despite its name. By itself, all of the end fits into the 10 seconds that `docker stop` gives.
        "drain_seconds" => pub drain: Duration = Span(Duration::ZERO..=10 * MINUTE), "8s";

        /// When the process exits, whatever is left.
        "shutdown_timeout" => pub shutdown_timeout: Duration = Span(Duration::ZERO..=HOUR), "30s";
    }
}

/// What a heartbeat looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatStyle {
    /// `event: heartbeat` with the time.
    Event,
    /// `:`, and only after silence.
    Comment,
}

/// How a stream is refused for a passing reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 200 and `event: busy`, for callers that accept an event stream.
    Busy,
    /// The status alone, for everybody.
    Status,
}

const HEARTBEAT_STYLE: Choice<HeartbeatStyle> =
    Choice { of: &[("event", HeartbeatStyle::Event), ("comment", HeartbeatStyle::Comment)], note: "" };

/// What carries streams over HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A small task for each.
    Parked,
    /// The library that carries all other calls.
    Hyper,
}

const LANE: Choice<Lane> = Choice { of: &[("parked", Lane::Parked), ("hyper", Lane::Hyper)], note: "" };

const REFUSAL: Choice<Refusal> = Choice { of: &[("busy", Refusal::Busy), ("status", Refusal::Status)], note: "" };
