//! After which ways of ending a stream each client reconnects: checks every line of
//! [`super::facts`] against the library itself.

use std::time::Duration;

use super::facts::{self, End, Facts, Refused, Retry, Then};
use super::ways::{Answer, HALF, ID, RETRY, Request, Way, Ways};
use crate::support::client::{Client, Library};
use crate::support::in_time;

/// How early a timer may fire: those of Node and of the browser count in whole milliseconds.
const EARLY: Duration = Duration::from_millis(20);

/// What a client did after a stream had ended.
struct Seen {
    /// The events that it showed from then on.
    events: Vec<String>,
    error: String,
    /// Its next request; `None` if it gave up.
    back: Option<Request>,
}

/// Reads what the client reports until it has reconnected or given up.
async fn until_back(client: &mut Client, server: &mut Ways) -> Seen {
    let (mut events, mut error) = (Vec::new(), String::new());
    let mut back = None;
    let reading = async {
        loop {
            tokio::select! {
                // After the client has reconnected, its earlier reports are still to be read, up to
                // the event of its new stream.
                request = server.asked(), if back.is_none() => back = Some(request),
                line = client.line() => match line {
                    None => return,
                    Some(line) if line["event"] == "again" => return,
                    Some(line) if line["event"].is_string() => events.push(line["event"].as_str().unwrap().to_owned()),
                    Some(line) if line["error"].is_string() => line["error"].as_str().unwrap().clone_into(&mut error),
                    Some(_) => {}
                },
            }
        }
    };
    in_time(reading).await;
    Seen {
        events,
        error,
        back,
    }
}

async fn check_end(facts: &Facts, way: Way, end: End) {
    let library = facts.library;
    let mut server = Ways::start(&[Answer::Ends(way), Answer::Stays]).await;
    let mut client = library.follow(&server.url, "first,last,half,again", "", "");
    let first = in_time(server.asked()).await;
    assert_eq!(first.last_event_id, None);
    let mut since = first.at;
    if way != Way::Busy {
        client.opened().await;
        assert_eq!(client.event("first").await["id"], ID);
        since = tokio::time::Instant::now();
        server.sign();
    }
    let seen = until_back(&mut client, &mut server).await;

    let showed_last = seen.events.iter().any(|event| event == "last");
    if !matches!(way, Way::Broken | Way::Brink) && end.shows_last_words {
        assert!(showed_last);
    }
    let half: &[&str] = if matches!(end.then, Then::Part(_) | Then::Early(_)) {
        &["half"]
    } else {
        &[]
    };
    let others: Vec<_> = seen
        .events
        .iter()
        .filter(|event| *event != "last")
        .collect();
    assert_eq!(others, half);

    let (comes_back, reason) = match end.then {
        Then::Back(reason) | Then::Skips(reason) | Then::Part(reason) | Then::Early(reason) => {
            (true, reason)
        }
        Then::Silently => (true, ""),
        Then::Raises(error) => (library == Library::HttpxSse, error),
        // The loop around this library reconnects after this too.
        Then::Stops => (library == Library::HttpxSse, ""),
    };
    if matches!(end.then, Then::Silently) {
        assert_eq!(seen.error, "");
    } else {
        let reason = if reason.is_empty() {
            "no reason given"
        } else {
            reason
        };
        assert!(seen.error.starts_with(reason), "{}", seen.error);
    }
    assert_eq!(seen.back.is_some(), comes_back);
    if let Some(back) = seen.back {
        let id = match (end.then, way) {
            (Then::Skips(_) | Then::Early(_), _) => Some(HALF),
            (_, Way::Busy) if !showed_last => None,
            _ => Some(ID),
        };
        assert_eq!(back.last_event_id.as_deref(), id);
        if showed_last {
            let waited = back.at.duration_since(since);
            let least = match facts.retry {
                Retry::Obeys | Retry::Callers => RETRY,
                Retry::Half => RETRY / 2,
                Retry::Ignores => Duration::ZERO,
            };
            assert!(waited + EARLY >= least, "came back after {waited:?}");
        }
    } else {
        assert_eq!(client.exit().await, Some(1));
    }
}

async fn check_refusal(library: Library, answer: Answer, refused: Refused) {
    let mut server = Ways::start(&[answer]).await;
    let client = library.follow(&server.url, "again", "", "");
    match refused {
        Refused::ForEver => {
            for _ in 0..3 {
                in_time(server.asked()).await;
            }
        }
        Refused::Stops => gives_up(client).await,
        Refused::ForEverLater => {
            gives_up(client).await;
            let mut server = Ways::start(&[Answer::Ends(Way::Cut), answer]).await;
            let mut client = library.follow(&server.url, "first,again", "", "");
            in_time(server.asked()).await;
            client.opened().await;
            client.event("first").await;
            server.sign();
            for _ in 0..3 {
                in_time(server.asked()).await;
            }
        }
        // The loop that reconnects after a finished stream, and the check of the status, are in the
        // program around the library.
        Refused::Callers if matches!(answer, Answer::Status(_)) => gives_up(client).await,
        Refused::Callers => drop(in_time(server.asked()).await),
    }
}

async fn gives_up(mut client: Client) {
    in_time(async { while client.line().await.is_some() {} }).await;
    assert_eq!(client.exit().await, Some(1));
}

/// Runs all cases at the same time, because they mostly wait. Fails with the name of every case
/// that failed.
async fn all<C: Future<Output = ()> + Send + 'static>(cases: impl Iterator<Item = (String, C)>) {
    let cases: Vec<_> = cases
        .map(|(name, case)| (name, tokio::spawn(case)))
        .collect();
    let mut failed = Vec::new();
    for (name, case) in cases {
        if let Err(error) = case.await {
            let panic = error.into_panic();
            failed.push(format!(
                "{name}: {}",
                panic.downcast_ref::<String>().map_or("", String::as_str)
            ));
        }
    }
    assert!(failed.is_empty(), "not so:\n{}", failed.join("\n"));
}

fn libraries() -> impl Iterator<Item = &'static Facts> {
    facts::ALL.iter().filter(|facts| facts.library.is_there())
}

#[tokio::test]
#[ignore = "needs Node, Python, Go, a JDK and a browser: `cargo xtask test` runs it"]
async fn each_client_reacts_to_each_way_of_ending_as_the_table_says() {
    let cases = libraries().flat_map(|facts| {
        let name = |way| format!("{:?}, {way:?}", facts.library);
        facts
            .ends()
            .map(move |(way, end)| (name(way), check_end(facts, way, end)))
    });
    all(cases).await;
}

#[tokio::test]
#[ignore = "needs Node, Python, Go, a JDK and a browser: `cargo xtask test` runs it"]
async fn each_client_reacts_to_each_refusal_as_the_table_says() {
    let cases = libraries().flat_map(|facts| {
        let statuses = facts
            .refusals()
            .map(|(status, refused)| (Answer::Status(status), refused));
        let expired = (Answer::Expired, facts.expired);
        let name = |answer| format!("{:?}, {answer:?}", facts.library);
        statuses.chain([expired]).map(move |(answer, refused)| {
            (name(answer), check_refusal(facts.library, answer, refused))
        })
    });
    all(cases).await;
}

#[test]
fn the_committed_client_tables_are_fresh() {
    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/clients.md");
    const BEGIN: &str = "<!-- Generated from crates/tidings/tests/it/clients/facts.rs by `cargo \
                         xtask docs`. -->\n\n";
    const END: &str = "\n<!-- To here. -->\n";
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let fresh = format!("{before}{BEGIN}{}{END}{after}", facts::tables());
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        std::fs::write(PAGE, fresh).unwrap();
    } else {
        assert!(
            page == fresh,
            "docs/clients.md is not what the facts say; refresh it with `cargo xtask docs`"
        );
    }
}
