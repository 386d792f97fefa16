//! Settings of event streams and of their end.

use std::time::Duration;

use tidings_settings::rule::{Choice, Number, Or};
use tidings_settings::section;
use tidings_settings::units::{DAY, HOUR, KIB, MIB, MILLISECOND, MINUTE, SECOND, Size, Span};

section! {
    "Streams"
    /// The behaviour of open event streams.
    pub struct Streams {
        /// How often each stream sends a heartbeat. The default is just below the 30 seconds after
        /// which common proxies cut a silent connection. A client's read timeout should be three
        /// intervals. With a timeout shorter than one interval, such as the defaults of `OkHttp`
        /// (10 s) and `okhttp-eventsource` (5 s), a client reconnects again and again while nothing
        /// is published.
        "heartbeat_interval" => pub heartbeat_interval: Duration = Span(100 * MILLISECOND..=HOUR), "25s";

        /// The form of the heartbeat. `event` sends `event: heartbeat` at each interval, whatever
        /// else was sent; `comment` sends an empty comment after an interval of silence.
        /// `/system/heartbeat` always sends the event.
        "heartbeat_style" => pub heartbeat_style: HeartbeatStyle = HEARTBEAT_STYLE, "event";

        /// How a stream is refused for a temporary reason: `busy` answers 200 with an event that
        /// says when to come back, because a browser's `EventSource` gives up for good at any other
        /// status; `status` answers 429 or 503.
        "stream_refusal" => pub refusal: Refusal = REFUSAL, "busy";

        /// How long a client may accept no byte before its connection is closed.
        "write_timeout" => pub write_timeout: Duration = Span(SECOND..=HOUR), "30s";

        /// How many streams may be open at the same time. `auto` is the system's limit of file
        /// descriptors, less 512 for everything else.
        "max_connections" => pub max_connections: Option<usize> = Or("auto", Number(1..=100_000_000)), "auto";

        /// How many streams one user may have open.
        "max_connections_per_user" => pub max_connections_per_user: usize = Number(1..=100_000_000), "20";

        /// How many streams anonymous visitors from one address may have open; loopback and trusted
        /// proxies are exempt. For IPv6, the 64 bits that a provider assigns to one customer count
        /// as one address. `auto` is a quarter of `MAX_CONNECTIONS`.
        "max_connections_per_ip" => pub max_connections_per_ip: Option<usize> = Or("auto", Number(1..=100_000_000)), "auto";

        /// How many bytes of events may wait for a stream whose socket accepts nothing. Only events
        /// count that became visible more than 5 seconds ago, so a burst that a healthy client
        /// reads in time ends no stream. Beyond the limit the stream is ended with `slow`, and
        /// resumes after its last id. The largest value is how much of one topic is held in
        /// memory.
        "max_lag_bytes" => pub max_lag_bytes: usize = Size(64 * KIB..=2 * MIB), "1MiB";

        /// How long a stream may be open, plus or minus 10 %, before its client is told to
        /// reconnect. `off` is no limit.
        "max_connection_age" => pub max_connection_age: Option<Duration> = Or("off", Span(SECOND..=3_650 * DAY)), "off";

        /// The implementation of streams over HTTP/1: `parked` is a small task for each stream;
        /// `hyper` is the library that handles all other calls, and needs more than ten times the
        /// memory for a stream. This setting is for comparing the two, and for excluding one as the
        /// cause of a problem.
        "stream_lane" => pub lane: Lane = LANE, "parked";

        /// How long a member of a chat room stays a member without an open stream.
        "presence_grace" => pub presence_grace: Duration = Span(Duration::ZERO..=HOUR), "60s";
    }
}

section! {
    "Stopping"
    /// How the server ends, after SIGTERM or ctrl-c.
    pub struct Lifecycle {
        /// The time over which open streams are ended one by one, so that their clients do not all
        /// come back at once. Accepts other units too, despite its name. By default the whole end
        /// fits into the 10 seconds that `docker stop` grants.
        "drain_seconds" => pub drain: Duration = Span(Duration::ZERO..=10 * MINUTE), "8s";

        /// The time after which the process exits, whatever is unfinished.
        "shutdown_timeout" => pub shutdown_timeout: Duration = Span(Duration::ZERO..=HOUR), "30s";
    }
}

/// The form of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatStyle {
    /// `event: heartbeat` with the time.
    Event,
    /// `:`, and only after silence.
    Comment,
}

/// How a stream is refused for a temporary reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 200 and `event: busy`, for callers that accept an event stream.
    Busy,
    /// The status alone, for every caller.
    Status,
}

const HEARTBEAT_STYLE: Choice<HeartbeatStyle> = Choice {
    of: &[
        ("event", HeartbeatStyle::Event),
        ("comment", HeartbeatStyle::Comment),
    ],
    note: "",
};

/// The implementation of streams over HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A small task for each stream.
    Parked,
    /// The library that handles all other calls.
    Hyper,
}

const LANE: Choice<Lane> = Choice {
    of: &[("parked", Lane::Parked), ("hyper", Lane::Hyper)],
    note: "",
};

const REFUSAL: Choice<Refusal> = Choice {
    of: &[("busy", Refusal::Busy), ("status", Refusal::Status)],
    note: "",
};
