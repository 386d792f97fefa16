//! `tidings tail`: what it shows, and that nothing is lost when a connection or a server goes away.

use crate::proxy::Proxy;
use crate::support::Place;

#[tokio::test]
async fn tail_shows_published_events_and_stops_after_the_count() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    let mut tail = place.start(&["tail", "--json", "--quiet", "--count=2"]);
    server.until_open(1).await;
    for title in ["one", "two"] {
        let id = place.notify(title).await;
        let event = tail.event("notification").await;
        assert_eq!(
            (&event["id"], &event["data"]["title"]),
            (&id.into(), &title.into())
        );
    }
    let (status, said) = tail.end().await;
    assert_eq!((status.code(), &*said), (Some(0), ""));
}

#[tokio::test]
async fn tail_starts_after_an_id_or_at_earliest() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    let first = place.notify("one").await;
    let second = place.notify("two").await;
    let all = place
        .succeed(&[
            "tail",
            "--after=earliest",
            "--event=notification",
            "--count=2",
        ])
        .await;
    let starts: Vec<_> = all
        .lines()
        .map(|line| line.split("  {").next().unwrap())
        .collect();
    assert_eq!(
        starts,
        [
            format!("{first}  notification"),
            format!("{second}  notification")
        ]
    );
    let rest = place
        .succeed(&["tail", "--after", &first, "--quiet", "--count=1"])
        .await;
    assert!(rest.starts_with(&second), "{rest}");
}

#[tokio::test]
async fn tail_misses_nothing_after_an_administrator_ended_its_stream() {
    let server = Place::new().serve().await;
    let proxy = Proxy::new(Some(server.address), 0).await;
    let place = Place::new().calling(server.address);
    let mut tail = Place::new()
        .calling(proxy.address)
        .start(&["tail", "--json"]);
    let connected = tail.event("connected").await;
    place.notify("before").await;
    tail.event("notification").await;

    proxy.redirect(None); // so that it can't be back before everything is published
    let id = connected["data"]["connectionId"].as_str().unwrap();
    let (status, _) = server
        .call("DELETE", &format!("/system/connections/{id}"))
        .await;
    assert_eq!(status, 200);
    tail.event("revoked").await;
    let between = [place.notify("between").await, place.notify("too").await];
    tail.note_that(
        "tidings: the server ended the stream: revoked (disconnected); trying again in ",
    )
    .await;
    proxy.redirect(Some(server.address));

    let connected = tail.event("connected").await;
    assert_eq!(connected["data"]["resumed"], true);
    for missed in between {
        assert_eq!(tail.event("notification").await["id"], *missed);
    }
}

#[tokio::test]
async fn tail_reconnects_to_a_new_server_and_says_what_may_be_missing() {
    let server = Place::new().serve().await;
    let proxy = Proxy::new(Some(server.address), 0).await;
    let mut tail = Place::new()
        .calling(proxy.address)
        .start(&["tail", "--json"]);
    tail.event("connected").await;
    Place::new().calling(server.address).notify("before").await;
    tail.event("notification").await;
    proxy.redirect(None);
    server.kill().await;
    tail.note_that("tidings: the connection was closed; trying again in 3.0 s")
        .await;

    // Its journal was in memory: a server that starts anew can't know what the tail has seen.
    let server = Place::new().env("JOURNAL", "memory").serve().await;
    proxy.redirect(Some(server.address));
    tail.event("connected").await;
    assert_eq!(tail.event("reset").await["data"]["reason"], "epoch");
    tail.note_that(
        "tidings: events may be missing (epoch): reload the state; the stream continues after ",
    )
    .await;
    let id = Place::new().calling(server.address).notify("after").await;
    assert_eq!(tail.event("notification").await["id"], *id);
}

#[tokio::test]
async fn tail_may_be_started_before_the_server() {
    let proxy = Proxy::new(None, 0).await;
    let mut tail = Place::new()
        .calling(proxy.address)
        .start(&["tail", "--json"]);
    let note = tail.note().await;
    assert!(
        note.starts_with("tidings: no answer from ") && note.ends_with("; trying again in 3.0 s"),
        "{note}"
    );
    let server = Place::new().serve().await;
    proxy.redirect(Some(server.address));
    tail.event("connected").await;
}

#[tokio::test]
async fn a_permanent_refusal_ends_tail() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    for (arguments, words) in [
        (&["/nope"][..], "Cannot GET /nope (404)"),
        (
            &["/chat/stream", "--anonymous"],
            "Authentication token is required (401)",
        ),
        (
            &["/health"],
            "the server answered with something other than an event stream; is the path that of a \
             stream?",
        ),
    ] {
        let (said, code) = place.fail(&[&["tail"], arguments].concat()).await;
        assert_eq!((said, code), (format!("tidings: {words}\n"), Some(1)));
    }
}

#[tokio::test]
async fn a_reader_that_closes_the_output_is_not_a_failure() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    let mut tail = place.start(&["tail"]);
    tail.line().await;
    tail.close_output();
    place.notify("nobody reads this").await;
    let (status, said) = tail.end().await;
    assert_eq!((status.code(), &*said), (Some(0), ""));
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_ends_tail_with_0() {
    let server = Place::new().serve().await;
    let mut tail = Place::new().calling(server.address).start(&["tail"]);
    tail.line().await;
    tail.interrupt();
    let (status, said) = tail.end().await;
    assert_eq!((status.code(), &*said), (Some(0), ""));
}
