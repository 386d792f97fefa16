//! One stream at a time, with paused time: the cursor, the timeouts, and the ways in which it ends.

use clap::{Args as _, Command, FromArgMatches as _};
use http_body_util::Full;
use tokio::time::Instant;

use super::*;

fn parsed(words: &[&str]) -> Result<Arguments, clap::Error> {
    let command = Arguments::augment_args(Command::new("tail"));
    Arguments::from_arg_matches(&command.try_get_matches_from([&["tail"], words].concat())?)
}

fn tail() -> Tail<Vec<u8>> {
    let printer = Printer {
        out: Vec::new(),
        json: false,
        quiet: true,
        events: Vec::new(),
        left: None,
    };
    Tail::new("/".into(), None, printer)
}

/// Reads a stream that sends `text` and is cut off.
async fn read(tail: &mut Tail<Vec<u8>>, text: &'static str) -> End {
    tail.read(Full::new(Bytes::from_static(text.as_bytes())))
        .await
        .unwrap()
}

/// Reads a stream that sends `text` and then stays silent. Returns how it ended, and after what
/// time.
async fn read_silent(tail: &mut Tail<Vec<u8>>, text: &'static str) -> (End, Duration) {
    let silent =
        Full::new(Bytes::from_static(text.as_bytes())).with_trailers(std::future::pending());
    let start = Instant::now();
    let end = tail.read(Box::pin(silent)).await.unwrap();
    (end, start.elapsed())
}

#[test]
fn clap_finds_no_fault_with_the_flags() {
    Arguments::augment_args(Command::new("tail")).debug_assert();
}

#[test]
fn every_argument_has_a_default() {
    let arguments = parsed(&[]).unwrap();
    assert_eq!(arguments.path, "/notifications/stream");
    assert_eq!(
        (arguments.after, arguments.count, arguments.events),
        (None, None, vec![])
    );
    assert!(!arguments.json && !arguments.quiet && !arguments.anonymous);
}

#[test]
fn every_flag_is_parsed() {
    let words = [
        "/chat/stream?roomId=a",
        "--after=k-1",
        "--count",
        "3",
        "--event=a,b",
        "--event",
        "c",
        "--json",
        "-q",
    ];
    let arguments = parsed(&words).unwrap();
    assert_eq!(arguments.path, "/chat/stream?roomId=a");
    assert_eq!(arguments.after.as_deref(), Some("k-1"));
    assert_eq!(arguments.count.map(NonZeroU64::get), Some(3));
    assert_eq!(arguments.events, ["a", "b", "c"]);
    assert!(arguments.json && arguments.quiet);
}

#[test]
fn invalid_arguments_are_refused() {
    for words in [
        &["--count=0"][..],
        &["--count=-1"],
        &["--after="],
        &["--after=a b"],
        &["/a", "/b"],
        &["--url=/"],
    ] {
        assert!(parsed(words).is_err(), "{words:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_stream_begins_after_the_last_complete_event() {
    let mut tail = tail();
    let end = read(
        &mut tail,
        "id: k-1\nevent: a\ndata: 1\n\nid: k-2\nevent: a\ndata: cut",
    )
    .await;
    assert_eq!(end, End::Broken("the connection was closed".into()));
    assert_eq!(tail.cursor.as_deref(), Some("k-1"));
    read(&mut tail, "event: connected\ndata: {}\n\n").await;
    assert_eq!(tail.cursor.as_deref(), Some("k-1"));
    assert_eq!(tail.printer.out, b"k-1  a  1\n");
}

#[tokio::test(start_paused = true)]
async fn the_retry_time_of_the_server_is_respected_within_bounds() {
    let mut tail = tail();
    for (text, milliseconds) in [
        ("retry: 1500\n", 1_500),
        ("retry: 0\n", 100),
        ("retry: 99999999\n", 60_000),
    ] {
        read(&mut tail, text).await;
        assert_eq!(tail.retry, Duration::from_millis(milliseconds));
    }
}

#[tokio::test(start_paused = true)]
async fn after_three_missing_heartbeats_the_connection_counts_as_dead() {
    let mut tail = tail();
    let connected = "event: connected\ndata: {\"heartbeatInterval\":2000}\n\n";
    let (end, after) = read_silent(&mut tail, connected).await;
    assert_eq!(
        end,
        End::Broken("the connection is dead: nothing came for 6.0 s".into())
    );
    assert_eq!(after.as_secs(), 6);
    let (_, after) = read_silent(&mut tail, "").await;
    assert_eq!(after.as_secs(), 75);
    let (_, after) = read_silent(
        &mut tail,
        "event: connected\ndata: {\"heartbeatInterval\":0}\n\n",
    )
    .await;
    assert_eq!(after.as_millis(), 1_500);
}

#[tokio::test(start_paused = true)]
async fn an_ending_says_whether_to_reconnect() {
    let mut tail = tail();
    assert_eq!(
        read(
            &mut tail,
            "event: draining\ndata: {\"reason\":\"shutdown\",\"reconnect\":true}\n\n"
        )
        .await,
        End::Broken("the server ended the stream: draining (shutdown)".into())
    );
    assert_eq!(
        read(
            &mut tail,
            "event: expired\ndata: {\"reason\":\"token_expired\",\"reconnect\":false}\n\n"
        )
        .await,
        End::Final("the server ended the stream: expired (token_expired)".into())
    );
}

#[tokio::test(start_paused = true)]
async fn only_a_stream_with_events_resets_the_count_of_failures() {
    let mut tail = tail();
    tail.failures = 4;
    read(
        &mut tail,
        "event: busy\nretry: 2000\ndata: {\"reason\":\"full\",\"reconnect\":true}\n\n",
    )
    .await;
    assert_eq!(tail.failures, 4);
    read(&mut tail, "event: connected\ndata: {}\n\n").await;
    assert_eq!(tail.failures, 0);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_too_long_ends_the_stream_for_good() {
    let mut tail = tail();
    let long = format!(
        "id: {}\n",
        "x".repeat(tidings_sse::decode::MAX_ID_BYTES + 1)
    );
    let end = tail.read(Full::new(Bytes::from(long))).await.unwrap();
    assert!(matches!(end, End::Final(_)), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_closed_output_ends_the_command() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let printer = Printer {
        out: Closed,
        json: false,
        quiet: false,
        events: Vec::new(),
        left: None,
    };
    let mut tail = Tail::new("/".into(), None, printer);
    let error = tail
        .read(Full::new(Bytes::from_static(b"data: 1\n\n")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}
