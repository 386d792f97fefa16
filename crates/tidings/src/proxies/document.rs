//! The advice as a document for people and one for programs, both of them committed.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Proxy, SIGNS, Trouble, fix};

/// The files of `deploy/proxies`, and the settings of platforms for which there can be no file.
const RECIPES: &str = include_str!("recipes.md");

/// A section on how long each proxy keeps an idle connection to the server.
const IDLE_CONNECTIONS: &str = include_str!("idle_connections.md");

fn markdown() -> String {
    let mut text = String::from(
        "<!-- Written by `cargo xtask docs`; the source is crates/tidings/src/proxies.rs. -->\n# \
         Behind a proxy\n\nA proxy between the server and its readers can buffer events, cut \
         streams and change heads. `tidings doctor URL`, run on a reader's machine, measures this \
         and prints [the lines of configuration](#fixes-by-check) that fix what it found. \
         `--json` prints the same for programs, and [proxies.json](proxies.json) contains those \
         lines for programs. The *Doctor* of the server's page at `/` measures from a browser, \
         and shows the same lines.\n",
    );
    text.push_str(RECIPES);
    text.push_str("\n## Fixes, by check\n\nEach section has the name of a check of the doctor.\n");
    for trouble in Trouble::ALL {
        let _ = write!(text, "\n### {}\n\n{}\n", trouble.check(), trouble.meaning());
        for proxy in Proxy::ALL {
            let _ = write!(
                text,
                "\n{}:\n\n```\n{}\n```\n",
                proxy.name(),
                fix(trouble, proxy)
            );
        }
    }
    text.push_str(IDLE_CONNECTIONS);
    text
}

fn for_programs() -> String {
    let proxies: Vec<_> = Proxy::ALL
        .iter()
        .map(|proxy| json!({ "id": proxy.id(), "name": proxy.name() }))
        .collect();
    let troubles: Vec<_> = Trouble::ALL
        .iter()
        .map(|&trouble| {
            let lines = Proxy::ALL.iter().map(|&proxy| (proxy.id().to_owned(), Value::from(fix(trouble, proxy))));
            json!({ "check": trouble.check(), "meaning": trouble.meaning(), "mend": lines.collect::<Map<_, _>>() })
        })
        .collect();
    let signs: Vec<_> = SIGNS
        .iter()
        .map(|(proxy, header, word)| json!({ "proxy": proxy.id(), "header": header, "contains": word }))
        .collect();
    format!(
        "{:#}\n",
        json!({ "proxies": proxies, "signs": signs, "troubles": troubles })
    )
}

#[test]
fn the_committed_page_on_proxies_is_fresh() {
    tidings_fresh::assert_fresh("docs/proxies.md", &markdown());
    tidings_fresh::assert_fresh("docs/proxies.json", &for_programs());
}
