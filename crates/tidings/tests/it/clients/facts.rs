//! What is known of client libraries: what each of them does by itself after each way in which a
//! stream can end, and when it is refused.
//!
//! The tests of [`super::matrix`] check each line against the library itself, and the tables in
//! `docs/clients.md` are generated from it.

use std::fmt::Write as _;

use super::ways::Way;
use crate::support::client::Library;

/// What is known of one library.
pub(crate) struct Facts {
    pub(crate) library: Library,
    name: &'static str,
    /// What it does after each of [`WAYS`].
    ends: [End; 7],
    /// What it does when it is refused with each of [`STATUSES`].
    refusals: [Refused; 3],
    /// What it does after a stream that sent `expired` and was finished.
    pub(crate) expired: Refused,
    /// How it waits before it reconnects, if a `retry:` was sent.
    pub(crate) retry: Retry,
    /// How it waits before it reconnects, if no `retry:` was ever sent.
    waits: &'static str,
}

/// What a library does after a stream has ended.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) then: Then,
    /// Whether it always shows what came right before the end. A library that discards unread data
    /// when the connection fails usually shows it, but not always.
    pub(crate) shows_last_words: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// It reconnects with the last id. It reports the end with a reason that begins like this, or
    /// without one if this is empty.
    Back(&'static str),
    /// It reconnects with the last id, and does not report the end.
    Silently,
    /// As `Back`, but the id is that of an event that it has not shown, so that event is lost.
    Skips(&'static str),
    /// As `Back`, but it has shown a part of an event, without an id of its own, as if it were
    /// complete.
    Part(&'static str),
    /// As `Back`, but it has shown the event whose last line has not come, and reconnects with the
    /// id of that event.
    Early(&'static str),
    /// It ends without an error, as if no more events would come.
    Stops,
    /// It raises this error. Its caller has to reconnect.
    Raises(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It gives up for good.
    Stops,
    /// It reconnects again and again.
    ForEver,
    /// It gives up if its first request is refused, but reconnects again and again if it had a
    /// stream before.
    ForEverLater,
    /// The program around the library decides.
    Callers,
}

/// How a library treats `retry:`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// It waits as long as `retry:` says.
    Obeys,
    /// It waits at least half as long as `retry:` says.
    Half,
    Ignores,
    /// The program around the library decides.
    Callers,
}

use Refused::{Callers, ForEver, ForEverLater};
use Then::{Back, Early, Part, Raises, Silently, Skips, Stops};

const WAYS: [(Way, &str); 7] = [
    (Way::Finished, "finished"),
    (Way::Cut, "cut"),
    (Way::Busy, "`busy`, cut"),
    (Way::Closed, "HTTP/1.0, closed"),
    (Way::Reset, "reset"),
    (Way::Broken, "cut within an event"),
    (Way::Brink, "cut behind its id"),
];

const STATUSES: [u16; 3] = [204, 401, 503];

pub(crate) const ALL: &[Facts] = &[
    Facts {
        library: Library::Browser,
        name: "`EventSource` in Chromium",
        ends: [
            sure(Back("")),
            sure(Back("")),
            sure(Back("")),
            sure(Back("")),
            unsure(Back("")),
            sure(Back("")),
            sure(Back("")),
        ],
        refusals: [Refused::Stops; 3],
        expired: ForEver,
        retry: Retry::Obeys,
        waits: "3 s",
    },
    Facts {
        library: Library::EventSource,
        name: "npm `eventsource`",
        ends: [
            sure(Back("")),
            sure(Back("TypeError: terminated")),
            sure(Back("TypeError: terminated")),
            sure(Back("")),
            unsure(Back("TypeError: terminated")),
            sure(Back("TypeError: terminated")),
            sure(Back("TypeError: terminated")),
        ],
        refusals: [Refused::Stops; 3],
        expired: ForEver,
        retry: Retry::Obeys,
        waits: "3 s",
    },
    Facts {
        library: Library::EventSourceClient,
        name: "npm `eventsource-client`",
        ends: [
            sure(Back("")),
            sure(Back("")),
            sure(Back("")),
            sure(Back("")),
            unsure(Back("")),
            sure(Back("")),
            sure(Back("")),
        ],
        refusals: [Refused::Stops, ForEver, ForEver],
        expired: ForEver,
        retry: Retry::Obeys,
        waits: "2 s",
    },
    Facts {
        library: Library::FetchEventSource,
        name: "npm `@microsoft/fetch-event-source`",
        ends: [
            sure(Stops),
            unsure(Back("TypeError: network error")),
            unsure(Back("TypeError: network error")),
            sure(Stops),
            unsure(Back("TypeError: network error")),
            sure(Back("TypeError: network error")),
            sure(Skips("TypeError: network error")),
        ],
        refusals: [ForEver; 3],
        expired: Refused::Stops,
        retry: Retry::Obeys,
        waits: "1 s",
    },
    Facts {
        library: Library::HttpxSse,
        name: "`httpx-sse`",
        ends: [
            sure(Stops),
            sure(Raises("RemoteProtocolError")),
            sure(Raises("RemoteProtocolError")),
            sure(Stops),
            unsure(Raises("ReadError")),
            sure(Raises("RemoteProtocolError")),
            sure(Raises("RemoteProtocolError")),
        ],
        refusals: [Callers; 3],
        expired: Callers,
        retry: Retry::Callers,
        waits: "",
    },
    Facts {
        library: Library::Sseclient,
        name: "`sseclient-py` over `requests`",
        ends: [
            sure(Stops),
            sure(Raises("ChunkedEncodingError")),
            sure(Raises("ChunkedEncodingError")),
            sure(Stops),
            unsure(Raises("ChunkedEncodingError")),
            sure(Raises("ChunkedEncodingError")),
            sure(Raises("ChunkedEncodingError")),
        ],
        refusals: [Callers; 3],
        expired: Callers,
        retry: Retry::Callers,
        waits: "",
    },
    Facts {
        library: Library::R3labs,
        name: "Go `r3labs/sse`",
        ends: [
            sure(Stops),
            sure(Back("unexpected EOF")),
            sure(Back("unexpected EOF")),
            sure(Stops),
            unsure(Back("read tcp")),
            sure(Part("unexpected EOF")),
            sure(Early("unexpected EOF")),
        ],
        refusals: [ForEver; 3],
        expired: Refused::Stops,
        retry: Retry::Ignores,
        waits: "0.25–0.75 s",
    },
    Facts {
        library: Library::Tmaxmax,
        name: "Go `tmaxmax/go-sse`",
        ends: [
            sure(Back("request failed: connection to server lost: EOF")),
            sure(Back(
                "request failed: connection to server lost: unexpected EOF",
            )),
            sure(Back(
                "request failed: connection to server lost: unexpected EOF",
            )),
            sure(Back("request failed: connection to server lost: EOF")),
            unsure(Back("request failed: connection to server lost: read tcp")),
            sure(Back(
                "request failed: connection to server lost: unexpected EOF",
            )),
            sure(Back(
                "request failed: connection to server lost: unexpected EOF",
            )),
        ],
        refusals: [Refused::Stops; 3],
        expired: ForEver,
        retry: Retry::Half,
        waits: "0.25–0.75 s",
    },
    Facts {
        library: Library::GoEventSource,
        name: "Go `launchdarkly/eventsource`",
        ends: [
            sure(Back("EOF")),
            sure(Back("EOF")),
            sure(Back("EOF")),
            sure(Back("EOF")),
            unsure(Back("read tcp")),
            sure(Back("unexpected EOF")),
            sure(Back("unexpected EOF")),
        ],
        refusals: [ForEverLater; 3],
        expired: ForEver,
        retry: Retry::Obeys,
        waits: "3 s",
    },
    Facts {
        library: Library::Donovanhide,
        name: "Go `donovanhide/eventsource`",
        ends: [
            sure(Back("EOF")),
            sure(Back("EOF")),
            sure(Back("EOF")),
            sure(Back("EOF")),
            unsure(Back("read tcp")),
            sure(Back("unexpected EOF")),
            sure(Back("unexpected EOF")),
        ],
        refusals: [ForEverLater; 3],
        expired: ForEver,
        retry: Retry::Obeys,
        waits: "3 s",
    },
    Facts {
        library: Library::NetHttp,
        name: "Go `net/http`, `bufio.Scanner`",
        ends: [
            sure(Stops),
            sure(Raises("unexpected EOF")),
            sure(Raises("unexpected EOF")),
            sure(Stops),
            unsure(Raises("read tcp")),
            sure(Raises("unexpected EOF")),
            sure(Raises("unexpected EOF")),
        ],
        refusals: [Callers; 3],
        expired: Callers,
        retry: Retry::Callers,
        waits: "",
    },
    Facts {
        library: Library::OkHttp,
        name: "`okhttp-sse`",
        ends: [
            sure(Stops),
            sure(Raises("EOFException")),
            sure(Raises("EOFException")),
            sure(Stops),
            unsure(Raises("SocketException")),
            sure(Raises("EOFException")),
            sure(Raises("EOFException")),
        ],
        refusals: [Callers; 3],
        expired: Callers,
        retry: Retry::Callers,
        waits: "",
    },
    Facts {
        library: Library::OkHttpEventSource,
        name: "`okhttp-eventsource`",
        ends: [
            sure(Back("StreamClosedByServerException")),
            sure(Back("StreamIOException")),
            sure(Back("StreamIOException")),
            sure(Back("StreamClosedByServerException")),
            unsure(Back("StreamIOException")),
            sure(Back("StreamIOException")),
            sure(Back("StreamIOException")),
        ],
        refusals: [ForEver; 3],
        expired: ForEver,
        retry: Retry::Half,
        waits: "0.5–1 s",
    },
    Facts {
        library: Library::WebClient,
        name: "Spring's `WebClient`",
        ends: [
            sure(Stops),
            sure(Raises("WebClientResponseException")),
            sure(Raises("WebClientResponseException")),
            sure(Stops),
            unsure(Raises("WebClientResponseException")),
            sure(Raises("WebClientResponseException")),
            sure(Raises("WebClientResponseException")),
        ],
        refusals: [Callers; 3],
        expired: Callers,
        retry: Retry::Callers,
        waits: "",
    },
    Facts {
        library: Library::JavaNetHttp,
        name: "Java `java.net.http`, `ofLines()`",
        ends: [
            sure(Stops),
            sure(Raises("UncheckedIOException")),
            sure(Raises("UncheckedIOException")),
            sure(Stops),
            unsure(Raises("UncheckedIOException")),
            sure(Raises("UncheckedIOException")),
            sure(Raises("UncheckedIOException")),
        ],
        refusals: [Callers; 3],
        expired: Callers,
        retry: Retry::Callers,
        waits: "",
    },
    Facts {
        library: Library::Jersey,
        name: "Jersey `SseEventSource`",
        ends: [
            sure(Silently),
            sure(Silently),
            sure(Silently),
            sure(Silently),
            unsure(Silently),
            sure(Silently),
            sure(Silently),
        ],
        refusals: [ForEver, Refused::Stops, ForEver],
        expired: ForEver,
        retry: Retry::Obeys,
        waits: "0.5 s",
    },
    Facts {
        library: Library::Ktor,
        name: "Ktor's plugin `SSE`",
        ends: [
            sure(Stops),
            sure(Stops),
            sure(Stops),
            sure(Stops),
            unsure(Stops),
            sure(Stops),
            sure(Stops),
        ],
        refusals: [Callers; 3],
        expired: Callers,
        retry: Retry::Callers,
        waits: "",
    },
    Facts {
        library: Library::KtorReconnecting,
        name: "the same, `maxReconnectionAttempts`",
        ends: [
            sure(Silently),
            sure(Silently),
            sure(Silently),
            sure(Silently),
            unsure(Silently),
            sure(Silently),
            sure(Silently),
        ],
        refusals: [Refused::Stops, ForEverLater, ForEverLater],
        expired: ForEver,
        retry: Retry::Obeys,
        waits: "3 s",
    },
];

const fn sure(then: Then) -> End {
    End {
        then,
        shows_last_words: true,
    }
}

const fn unsure(then: Then) -> End {
    End {
        then,
        shows_last_words: false,
    }
}

impl Facts {
    pub(crate) fn ends(&self) -> impl Iterator<Item = (Way, End)> {
        WAYS.into_iter().map(|(way, _)| way).zip(self.ends)
    }

    pub(crate) fn refusals(&self) -> impl Iterator<Item = (u16, Refused)> {
        STATUSES.into_iter().zip(self.refusals)
    }

    /// The version that is tested, read from where it is pinned.
    fn version(&self) -> String {
        const NODE: &str = include_str!("../../../../../clients/node/package.json");
        const PYTHON: &str = include_str!("../../../../../clients/python/requirements.txt");
        const GO: &str = include_str!("../../../../../clients/go/go.mod");
        const JVM: &str = include_str!("../../../../../clients/jvm/pom.xml");
        let node = |name: &str| {
            let package: serde_json::Value = serde_json::from_str(NODE).unwrap();
            package["dependencies"][name].as_str().unwrap().to_owned()
        };
        let python = |name: &str| {
            let pinned = PYTHON.lines().filter_map(|line| line.split_once("=="));
            pinned
                .into_iter()
                .find(|(known, _)| *known == name)
                .unwrap()
                .1
                .to_owned()
        };
        let go = |module: &str| {
            let required = GO.lines().filter_map(|line| line.trim().split_once(' '));
            let version = required
                .into_iter()
                .find(|(known, _)| *known == module)
                .unwrap()
                .1;
            // A version without a name is given as a commit.
            version
                .trim_start_matches("v0.0.0-")
                .trim_start_matches('v')
                .to_owned()
        };
        let jvm = |property: &str| {
            let (_, rest) = JVM.split_once(&format!("<{property}.version>")).unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        match self.library {
            Library::Browser | Library::NetHttp | Library::JavaNetHttp => {
                "the machine's".to_owned()
            }
            Library::R3labs => go("github.com/r3labs/sse/v2"),
            Library::Tmaxmax => go("github.com/tmaxmax/go-sse"),
            Library::GoEventSource => go("github.com/launchdarkly/eventsource"),
            Library::Donovanhide => go("github.com/donovanhide/eventsource"),
            Library::OkHttp => jvm("okhttp"),
            Library::OkHttpEventSource => jvm("okhttp-eventsource"),
            Library::WebClient => jvm("spring"),
            Library::Jersey => jvm("jersey"),
            Library::Ktor | Library::KtorReconnecting => jvm("ktor"),
            Library::EventSource => node("eventsource"),
            Library::EventSourceClient => node("eventsource-client"),
            Library::FetchEventSource => node("@microsoft/fetch-event-source"),
            Library::HttpxSse => python("httpx-sse"),
            Library::Sseclient => python("sseclient-py"),
        }
    }
}

impl End {
    fn cell(self) -> String {
        let said = |word: &str, reason: &str| match reason {
            "" => word.to_owned(),
            reason => format!("{word}: `{reason}`"),
        };
        let cell = match self.then {
            Back(reason) => said("back", reason),
            Silently => "back, without a word".to_owned(),
            Skips(reason) => said("back, but **an event is lost**", reason),
            Part(reason) => said("back, but **shows the part**", reason),
            Early(reason) => said("back, after the event", reason),
            Stops => "**just ends**".to_owned(),
            Raises(error) => format!("raises `{error}`"),
        };
        if self.shows_last_words {
            cell
        } else {
            cell + " †"
        }
    }
}

impl Refused {
    fn cell(self) -> &'static str {
        match self {
            Self::Stops => "stops",
            Self::ForEver => "**asks for ever**",
            Self::ForEverLater => "stops at first, later **asks for ever**",
            Self::Callers => "yours to see",
        }
    }
}

impl Retry {
    fn cell(self) -> &'static str {
        match self {
            Self::Obeys => "obeys",
            Self::Half => "half at least",
            Self::Ignores => "**ignores**",
            Self::Callers => "yours to see",
        }
    }
}

/// Writes the two tables of `docs/clients.md`.
pub(crate) fn tables() -> String {
    let mut text = String::from("| client | version |");
    for (_, name) in WAYS {
        let _ = write!(text, " {name} |");
    }
    text += "\n|---|---|---|---|---|---|---|---|---|\n";
    for facts in ALL {
        let _ = write!(text, "| {} | {} |", facts.name, facts.version());
        for end in facts.ends {
            let _ = write!(text, " {} |", end.cell());
        }
        text.push('\n');
    }
    text += "\n| client |";
    for status in STATUSES {
        let _ = write!(text, " {status} |");
    }
    text += " `expired`, finished | `retry:` | waits, untold |\n|---|---|---|---|---|---|---|\n";
    for facts in ALL {
        let _ = write!(text, "| {} |", facts.name);
        for refused in facts.refusals.into_iter().chain([facts.expired]) {
            let _ = write!(text, " {} |", refused.cell());
        }
        let _ = write!(text, " {} |", facts.retry.cell());
        let _ = writeln!(
            text,
            " {} |",
            if facts.waits.is_empty() {
                "yours to see"
            } else {
                facts.waits
            }
        );
    }
    text
}
