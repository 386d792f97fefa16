//! What each command posts, and when it repeats a call.

use std::cell::Cell;

use clap::{Args as _, Command, FromArgMatches as _};
use tidings_client::Refusal;
use tokio::time::Instant;

use super::*;

fn parsed(words: &[&str]) -> Result<Arguments, clap::Error> {
    let command = Arguments::augment_args(Command::new("publish"));
    Arguments::from_arg_matches(&command.try_get_matches_from([&["publish"], words].concat())?)
}

fn request(words: &[&str]) -> (String, String) {
    let (path, body) = parsed(words).unwrap().what.request().unwrap();
    (path, String::from_utf8(body.to_vec()).unwrap())
}

fn pair(path: &str, body: &str) -> (String, String) {
    (path.to_owned(), body.to_owned())
}

fn refused(status: u16, retry_after: Option<u64>) -> Failure {
    let status = http::StatusCode::from_u16(status).unwrap();
    let after = retry_after.map(|seconds| (http::header::RETRY_AFTER, HeaderValue::from(seconds)));
    Failure::Refused(Refusal::read(status, &after.into_iter().collect(), b""))
}

/// Returns how often a call that always fails was made, and how long that took.
async fn attempts(failure: impl Fn() -> Failure) -> (u32, Duration) {
    let (calls, start) = (Cell::new(0), Instant::now());
    let call = async || {
        calls.set(calls.get() + 1);
        Err(failure())
    };
    assert!(with_retries(call).await.is_err());
    (calls.get(), start.elapsed())
}

#[test]
fn clap_finds_no_fault_with_the_flags() {
    Arguments::augment_args(Command::new("publish")).debug_assert();
}

#[test]
fn each_command_makes_the_call_of_its_group() {
    assert_eq!(
        request(&[
            "notification",
            "--title",
            "Hi",
            "--message",
            "-5 °C",
            "--type=warning",
            "--to=ann & co"
        ]),
        pair(
            "/notifications/send?targetUserId=ann+%26+co",
            r#"{"title":"Hi","message":"-5 °C","type":"warning"}"#
        )
    );
    assert_eq!(
        request(&[
            "update",
            "--entity=order",
            "--action=update",
            "--data",
            r#"{"n":12345678901234567890.10}"#
        ]),
        pair(
            "/realtime/update",
            r#"{"entity":"order","action":"update","data":{"n":12345678901234567890.10}}"#
        )
    );
    assert_eq!(
        request(&["message", "--room", "general", "good \"morning\""]),
        pair(
            "/chat/message",
            r#"{"roomId":"general","message":"good \"morning\"","type":"text"}"#
        )
    );
    assert_eq!(
        request(&["status", "--service=db", "--status=online"]),
        pair(
            "/system/status/update",
            r#"{"service":"db","status":"online"}"#
        )
    );
    assert_eq!(request(&["raw", "/a?b=c", "[1]"]), pair("/a?b=c", "[1]"));
    assert_eq!(
        request(&["raw", "/chat/room/r/join"]),
        pair("/chat/room/r/join", "")
    );
}

#[test]
fn an_empty_target_is_sent() {
    let (path, _) = request(&["notification", "--title=a", "--message=b", "--to="]);
    assert_eq!(path, "/notifications/send?targetUserId=");
}

#[test]
fn the_url_is_accepted_before_and_after_the_subcommand() {
    for words in [
        ["--url=http://h", "raw", "/a"],
        ["raw", "/a", "--url=http://h"],
    ] {
        let Arguments { remote, .. } = parsed(&words).unwrap();
        assert!(remote.client().is_ok());
        assert_eq!(remote.url.to_string(), "http://h");
    }
}

#[test]
fn missing_arguments_and_invalid_json_are_refused() {
    for words in [
        &["notification", "--title=a"][..],
        &["update", "--entity=a", "--action=create", "--data={"],
        &["message", "--room=a"],
        &["raw"],
        &["--url=localhost", "raw", "/a"],
        &[],
    ] {
        assert!(parsed(words).is_err(), "{words:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_is_repeated_a_limited_number_of_times() {
    let (calls, took) = attempts(|| Failure::Lost(String::new())).await;
    assert_eq!(calls, ATTEMPTS);
    assert!(
        (Duration::from_secs(3)..Duration::from_secs(9)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_respected_up_to_30_seconds() {
    let (calls, took) = attempts(|| refused(503, Some(10))).await;
    assert_eq!(calls, ATTEMPTS);
    assert!(took >= Duration::from_secs(40), "{took:?}");
    assert_eq!(
        attempts(|| refused(503, Some(31))).await,
        (1, Duration::ZERO)
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_be_refused_again_is_not_repeated() {
    assert_eq!(attempts(|| refused(403, None)).await, (1, Duration::ZERO));
    assert_eq!(
        attempts(|| refused(422, Some(1))).await,
        (1, Duration::ZERO)
    );
}
