//! What is known of client libraries: what each does by itself when a stream ends in some way, or is refused.
//!
//! The tests of [`super::matrix`] hold each line against the library itself, and the tables in `docs/clients.md` are
//! written from it.

use std::fmt::Write as _;

use super::ways::Way;
use crate::support::client::Library;

/// A library.
pub(crate) struct Facts {
    pub(crate) library: Library,
    name: &'static str,
    /// For each of [`WAYS`].
    ends: [End; 7],
    /// For each of [`STATUSES`].
    refusals: [Refused; 3],
    /// Told `expired` and finished.
    pub(crate) expired: Refused,
    /// How it asks again when it was never told `retry:`.
    waits: &'static str,
}

/// What it does.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) then: Then,
    /// Whether it shows what came right before the end, whatever happens: who throws away unread what was there when the
    /// connection failed mostly shows it.
    pub(crate) shows_last_words: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// It comes back with the last id. Of the end it gives a reason that begins like this, or, if empty, none.
    Back(&'static str),
    /// The same, but the id is that of an event which it has not shown: that event is lost.
    Skips(&'static str),
    /// It ends without an error, as if there were no more to come.
    Stops,
    /// It raises this; coming back is the caller's.
    Raises(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It gives up for good.
    Stops,
    /// It asks again and again.
    ForEver,
    /// The program around it sees to that.
    Callers,
}

use Refused::{Callers, ForEver};
use Then::{Back, Raises, Skips, Stops};

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

pub(crate) const ALL: [Facts; 6] = [
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
        waits: "",
    },
];

const fn sure(then: Then) -> End {
    End { then, shows_last_words: true }
}

const fn unsure(then: Then) -> End {
    End { then, shows_last_words: false }
}

impl Facts {
    pub(crate) fn ends(&self) -> impl Iterator<Item = (Way, End)> {
        WAYS.into_iter().map(|(way, _)| way).zip(self.ends)
    }

    pub(crate) fn refusals(&self) -> impl Iterator<Item = (u16, Refused)> {
        STATUSES.into_iter().zip(self.refusals)
    }

    /// The version that is tested, from where it is pinned.
    fn version(&self) -> String {
        const NODE: &str = include_str!("../../../../../clients/node/package.json");
        const PYTHON: &str = include_str!("../../../../../clients/python/requirements.txt");
        let node = |name: &str| {
            let package: serde_json::Value = serde_json::from_str(NODE).unwrap();
            package["dependencies"][name].as_str().unwrap().to_owned()
        };
        let python = |name: &str| {
            let pinned = PYTHON.lines().filter_map(|line| line.split_once("=="));
            pinned.into_iter().find(|(known, _)| *known == name).unwrap().1.to_owned()
        };
        match self.library {
            Library::Browser => "the machine's".to_owned(),
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
            Skips(reason) => said("back, but **an event is lost**", reason),
            Stops => "**just ends**".to_owned(),
            Raises(error) => format!("raises `{error}`"),
        };
        if self.shows_last_words { cell } else { cell + " †" }
    }
}

impl Refused {
    fn cell(self) -> &'static str {
        match self {
            Self::Stops => "stops",
            Self::ForEver => "**asks for ever**",
            Self::Callers => "yours to see",
        }
    }
}

/// The two tables of `docs/clients.md`.
pub(crate) fn tables() -> String {
    let mut text = String::from("| client | version |");
    for (_, name) in WAYS {
        let _ = write!(text, " {name} |");
    }
    text += "\n|---|---|---|---|---|---|---|---|---|\n";
    for facts in &ALL {
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
    text += " `expired`, finished | waits, untold |\n|---|---|---|---|---|---|\n";
    for facts in &ALL {
        let _ = write!(text, "| {} |", facts.name);
        for refused in facts.refusals.into_iter().chain([facts.expired]) {
            let _ = write!(text, " {} |", refused.cell());
        }
        let _ = writeln!(text, " {} |", if facts.waits.is_empty() { "yours to see" } else { facts.waits });
    }
    text
}
