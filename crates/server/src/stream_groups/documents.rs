//! What is generated from the table: the README's streams, and the page's.
//!
//! The streams of `docs/openapi.json` are written by [`crate::openapi`].

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{GROUPS, Group, offered, streams};
use crate::auth::rule::Audience;
use tidings_fresh as fresh;

/// Before and behind the README's table.
const BEGIN: &str = "<!-- `cargo xtask docs` writes this table from that of the stream groups. -->\n\n";
const END: &str = "\n<!-- The end of that table. -->\n";

/// The README's table of streams.
pub(super) fn table(groups: &'static [Group]) -> String {
    let mut table = String::from("| path | token | events | `retry:` |\n|---|---|---|---|\n");
    for (group, stream) in streams(groups) {
        let token = match group.audience(stream) {
            Audience::Public => "optional",
            Audience::Authenticated | Audience::Me => "required",
            Audience::Admin | Audience::Server => "admin",
        };
        let (path, summary, retry) = (stream.path, stream.about.summary, stream.retry.as_secs());
        let _ = writeln!(table, "| `GET {path}` | {token} | {summary} | {retry} s |");
    }
    table
}

/// The page's list of streams: what to open, and which topics each shows.
pub(super) fn list(groups: &'static [Group]) -> Value {
    let entry = |(group, stream): (&Group, &super::Stream)| {
        let mut entry = json!({
            "key": stream.counted_as[0],
            "label": stream.about.label,
            "path": stream.path,
            "needsToken": group.audience(stream) != Audience::Public,
            "shows": stream.shows,
        });
        if let Some(narrowing) = &stream.narrowing {
            let (label, placeholder) = narrowing.field;
            entry["field"] = json!({
                "name": narrowing.parameter,
                "label": label,
                "placeholder": placeholder,
                "shows": narrowing.shows,
            });
        }
        entry
    };
    offered(groups).map(entry).collect()
}

#[test]
fn the_committed_streams_of_the_readme_are_fresh() {
    let readme = fresh::committed("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("the table's beginning");
    let (_, after) = rest.split_once(END).expect("the table's end");
    fresh::assert_fresh("README.md", &format!("{before}{BEGIN}{}{END}{after}", table(GROUPS)));
}

#[test]
fn the_committed_streams_of_the_page_are_fresh() {
    let written = serde_json::to_string_pretty(&list(GROUPS)).unwrap();
    fresh::assert_fresh("web/src/console/streams.json", &format!("{written}\n"));
}
