//! The followers that `docs/integrating.md` shows for Go, Java and Kotlin, each against the real
//! server. The code that the document shows is the code that runs here.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};
use tidings_server::Server;
use tidings_server::auth::By;
use tokio::task::JoinSet;

use super::ways::{Answer, Way, Ways};
use crate::support::binary::{Place, Process};
use crate::support::checks::SetClock;
use crate::support::client::{Client, Follower};
use crate::support::{
    ADMIN, Stream, TestServer, config, demo, http, in_time, jwt, start_on, start_with,
};

/// Three heartbeat intervals of the servers here.
const SILENCE: Duration = Duration::from_secs(3);
const HEARTBEATS: (&str, &str) = ("HEARTBEAT_INTERVAL", "1s");

/// The silence after which a follower gives up its connection, in tests that are not about that. On
/// a busy machine, a server may be silent for longer than three seconds.
const PATIENT: Duration = Duration::from_mins(1);

const EVENTS: &str = "connected,notification,reset,expired";

/// The title of the first notification that each follower shows.
const FIRST: &str = "the first";

/// The title of the notification that tells each follower that it has everything.
const LAST: &str = "the last";

/// A follower, and the ids of the notifications that it has shown.
struct Follows {
    follower: Follower,
    client: Client,
    shown: Vec<String>,
}

impl Follows {
    /// Follows the notifications, and waits until it is connected.
    async fn start(
        follower: Follower,
        address: SocketAddr,
        token: &str,
        last_id: &str,
        silence: Duration,
    ) -> Self {
        let url = format!("http://{address}/notifications/stream");
        let client = follower.follow(&url, EVENTS, token, last_id, silence);
        let mut follows = Self {
            follower,
            client,
            shown: Vec::new(),
        };
        while follows.client.next().await["event"] != "connected" {}
        follows
    }

    /// Reads until it has shown a notification with this title.
    async fn until_shown(&mut self, title: &str) {
        while self.next().await.as_deref() != Some(title) {}
    }

    /// Reads one report. Returns the title if it is a notification.
    async fn next(&mut self) -> Option<String> {
        let line = self.client.next().await;
        assert_ne!(line["event"], "reset", "{:?}: {line}", self.follower);
        assert!(line["error"].is_null(), "{:?}: {line}", self.follower);
        if line["event"] != "notification" {
            return None;
        }
        self.shown.push(line["id"].as_str().unwrap().to_owned());
        let data: Value = serde_json::from_str(line["data"].as_str().unwrap()).unwrap();
        data["title"].as_str().map(str::to_owned)
    }

    /// Reads until it has asked for its token `times` times. It asks each time before it connects.
    async fn until_asked(&mut self, times: usize) {
        for _ in 0..times {
            while self.client.next().await["asked"] != true {}
        }
    }
}

/// Runs `step` with each follower, all at the same time.
async fn each<S: Future<Output = Follows> + Send + 'static>(
    all: Vec<Follows>,
    step: impl Fn(Follows) -> S,
) -> Vec<Follows> {
    all.into_iter()
        .map(step)
        .collect::<JoinSet<_>>()
        .join_all()
        .await
}

/// Waits until each follower has shown a notification with this title.
async fn each_shows(all: Vec<Follows>, title: &'static str) -> Vec<Follows> {
    each(all, |mut one| async move {
        one.until_shown(title).await;
        one
    })
    .await
}

/// Starts all followers.
async fn start_each(address: SocketAddr, token: &str, silence: Duration) -> Vec<Follows> {
    let start = |follower| {
        let token = token.to_owned();
        async move { Follows::start(follower, address, &token, "", silence).await }
    };
    Follower::all()
        .map(start)
        .collect::<JoinSet<_>>()
        .join_all()
        .await
}

/// An address that stays reserved while nothing listens on it. While a socket is bound to a port,
/// the system does not choose that port for another socket; but a server that names the port may
/// listen on it, because that socket does not.
struct Held {
    address: SocketAddr,
    _socket: Socket,
}

impl Held {
    fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket
            .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
            .unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Self {
            address,
            _socket: socket,
        }
    }

    /// Starts a server in a process of its own, at this address.
    fn serve(&self, journal: &std::path::Path) -> Process {
        let place = Place::bare()
            .env("DATA_DIR", journal.to_str().unwrap())
            .env("LOG_LEVEL", "warn");
        let lane = std::env::var("TIDINGS_TEST_LANE");
        let place = if let Ok(lane) = lane {
            place.env("STREAM_LANE", &lane)
        } else {
            place
        };
        let (name, value) = HEARTBEATS;
        place
            .env(name, value)
            .env("HOST", "127.0.0.1")
            .env("PORT", &self.address.port().to_string())
            .start(&[])
    }
}

/// Publishes a notification. Returns its id if it was acknowledged, and `None` if no server was
/// there to do so.
async fn publish(address: SocketAddr, title: &str) -> Option<String> {
    let body = json!({"title": title, "message": "m"}).to_string();
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", bearer.as_str()),
    ];
    let answer = http::attempt(
        address,
        "POST",
        "/notifications/send",
        &headers,
        body.as_bytes(),
    )
    .await?;
    let announced: usize = answer.header("content-length")?.parse().unwrap();
    if answer.body.len() < announced {
        return None;
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    Some(answer.json()["eventId"].as_str()?.to_owned())
}

/// Returns the ids of all notifications up to [`LAST`].
async fn stored(address: SocketAddr) -> Vec<String> {
    let mut stream = Stream::open(address, "/notifications/stream?lastEventId=earliest", &[]).await;
    let mut ids = Vec::new();
    loop {
        let event = stream.next().await;
        if event.event == "notification" {
            ids.push(event.last_id);
            if event.data["title"] == LAST {
                return ids;
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs Go and a JDK: `cargo xtask test` runs it"]
async fn a_server_that_is_killed_and_away_for_eight_seconds_costs_no_follower_an_event() {
    let (held, journal) = (Held::new(), tempfile::tempdir().unwrap());
    let server = held.serve(journal.path());
    let address = held.address;
    let following = start_each(address, &demo("ann", "user"), PATIENT).await;
    let mut acknowledged = vec![publish(address, FIRST).await.unwrap()];
    let following = each_shows(following, FIRST).await;

    // Some of these are in flight when the server is killed.
    let publisher = tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        while let Some(id) = publish(address, "one of many").await {
            acknowledged.push(id);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        acknowledged
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.signal("KILL");
    drop(server);
    acknowledged.extend(in_time(publisher).await.unwrap());
    tokio::time::sleep(Duration::from_secs(8)).await;

    let _server = held.serve(journal.path());
    acknowledged.push(publish(address, "before they are back").await.unwrap());
    let following = each_shows(following, "before they are back").await;
    acknowledged.push(publish(address, LAST).await.unwrap());
    let following = each_shows(following, LAST).await;
    let stored = stored(address).await;
    assert!(acknowledged.iter().all(|id| stored.contains(id)));
    assert!(
        acknowledged.len() > 4,
        "it was killed while something was published"
    );
    for one in following {
        assert_eq!(one.shown, stored, "{:?}", one.follower);
    }
}

#[tokio::test]
#[ignore = "needs Go and a JDK: `cargo xtask test` runs it"]
async fn each_follower_notices_a_suspended_server_even_before_its_answer() {
    let (held, journal) = (Held::new(), tempfile::tempdir().unwrap());
    let server = held.serve(journal.path());
    let following = start_each(held.address, &demo("ann", "user"), SILENCE).await;
    let id = publish(held.address, FIRST).await.unwrap();
    let following = each_shows(following, FIRST).await;
    server.signal("STOP");
    // The system accepts connections for a stopped process. A follower that asks twice has also
    // given up a request that was not answered.
    let following = each(following, |mut one| async move {
        one.until_asked(2).await;
        one
    })
    .await;
    server.signal("CONT");
    let last = publish(held.address, LAST).await.unwrap();
    let following = each_shows(following, LAST).await;
    for one in following {
        // On a busy machine, a follower that was slow to see the first event may have reconnected
        // in between, but it never saw the event twice.
        assert_eq!(one.shown, [&*id, &*last], "{:?}", one.follower);
    }
}

#[tokio::test]
#[ignore = "needs Go and a JDK: `cargo xtask test` runs it"]
async fn the_largest_event_and_the_next_one_reach_each_follower() {
    let server = start_with(&[("MAX_BODY_BYTES", "300KiB")]).await;
    let following = start_each(server.address, &demo("ann", "user"), PATIENT).await;
    let mut published = vec![server.notify(FIRST).await];
    // As large as the data of an event may be: 251 KiB, which includes what the server adds.
    let form = |ballast: usize| json!({"title": "largest", "message": "m", "ballast": "x".repeat(ballast)});
    server.say(&form(0)).await;
    let kept = server.kept("notifications", "").await;
    let around = kept.last().unwrap()["data"].to_string().len();
    published.push(kept.last().unwrap()["id"].as_str().unwrap().to_owned());
    published.push(server.say(&form((251 << 10) - around)).await);
    assert!(
        server
            .handle
            .notify(By::Application, &form((251 << 10) - around + 1))
            .await
            .is_err(),
        "none is larger"
    );
    published.push(server.notify(LAST).await);
    for mut one in following {
        one.until_shown(FIRST).await;
        one.until_shown("largest").await;
        one.until_shown("largest").await;
        one.until_shown(LAST).await;
        assert_eq!(one.shown, published, "{:?}", one.follower);
    }
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A server whose tokens expire when its clock is moved.
fn start_with_tokens() -> (TestServer, SetClock) {
    let clock = SetClock::at("2026-11-23T22:30:15.138Z");
    let config = config(&[("JWT_SECRET", SECRET), HEARTBEATS]).unwrap();
    (
        start_on(Server::builder().config(config).clock(clock.clock())),
        clock,
    )
}

#[tokio::test]
#[ignore = "needs Go and a JDK: `cargo xtask test` runs it"]
async fn a_follower_whose_token_expires_reconnects_with_a_new_one() {
    let (server, clock) = start_with_tokens();
    let following = start_each(server.address, &jwt(SECRET, clock.now(), 600), PATIENT).await;
    let mut published = vec![server.notify(FIRST).await];
    let following = each_shows(following, FIRST).await;
    for one in &following {
        one.client.renew(&jwt(SECRET, clock.now(), 7_200));
    }
    // The server checks this at each heartbeat.
    clock.advance(Duration::from_hours(1));
    let following = each(following, |mut one| async move {
        assert_eq!(
            one.client.event("expired").await["data"],
            r#"{"reason":"token_expired","reconnect":false}"#
        );
        one
    })
    .await;
    published.push(server.notify("while they were away").await);
    published.push(server.notify(LAST).await);
    for mut one in following {
        one.client.asked().await;
        one.client.event("connected").await;
        one.until_shown(LAST).await;
        assert_eq!(one.shown, published, "{:?}", one.follower);
    }
}

#[tokio::test]
#[ignore = "needs Go and a JDK: `cargo xtask test` runs it"]
async fn a_401_ends_each_follower_and_a_new_one_with_a_new_token_resumes() {
    let (server, clock) = start_with_tokens();
    let following = start_each(server.address, &jwt(SECRET, clock.now(), 600), PATIENT).await;
    let id = server.notify(FIRST).await;
    let following = each_shows(following, FIRST).await;
    clock.advance(Duration::from_hours(1));
    let token = jwt(SECRET, clock.now(), 600);
    let address = server.address;
    let missed = server.notify("while they were away").await;
    let following = each(following, |mut one| async move {
        let expired = loop {
            let line = one.client.next().await;
            if line["event"] == "expired" {
                break line;
            }
        };
        assert_eq!(
            expired["data"],
            r#"{"reason":"token_expired","reconnect":false}"#
        );
        one
    })
    .await;
    // What was published before the heartbeat that ended the stream may have been shown on that
    // stream.
    let following = each(following, |mut one| {
        let (token, last_id) = (token.clone(), id.clone());
        async move {
            one.client.asked().await;
            let refused = one.client.next().await;
            assert_eq!(refused["status"], 401, "{:?}: {refused}", one.follower);
            assert_eq!(
                one.client.exit().await,
                Some(1),
                "{:?}: asked once, and no more",
                one.follower
            );
            Follows::start(one.follower, address, &token, &last_id, PATIENT).await
        }
    })
    .await;
    let last = server.notify(LAST).await;
    for mut one in following {
        one.until_shown(LAST).await;
        assert_eq!(one.shown, [&*missed, &*last], "{:?}", one.follower);
    }
}

#[tokio::test]
#[ignore = "needs Go and a JDK: `cargo xtask test` runs it"]
async fn a_follower_reconnects_after_a_502_and_after_a_finished_stream() {
    let following = Follower::all().map(|follower| async move {
        let answers = [
            Answer::Status(502),
            Answer::Ends(Way::Finished),
            Answer::Status(503),
            Answer::Stays,
        ];
        let mut server = Ways::start(&answers).await;
        let mut client = follower.follow(&server.url, "first,last,again", "a token", "", PATIENT);
        for _ in 0..2 {
            client.asked().await;
            assert_eq!(
                in_time(server.asked()).await.last_event_id,
                None,
                "{follower:?}"
            );
        }
        let first = client.event("first").await;
        server.sign();
        client.event("last").await;
        for _ in 0..2 {
            client.asked().await;
            assert_eq!(
                in_time(server.asked()).await.last_event_id.as_deref(),
                first["id"].as_str(),
                "{follower:?}"
            );
        }
        client.event("again").await;
    });
    following.collect::<JoinSet<()>>().join_all().await;
}

/// Precedes the name of the file, after the language of a code block that is a file of the
/// repository.
const FILE: &str = " file=";

#[test]
fn the_committed_followers_are_fresh() {
    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    const PAGE: &str = "docs/integrating.md";
    let read = |path: &str| std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap();
    let page = read(PAGE);
    let (mut fresh, mut files) = (String::new(), Vec::new());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        fresh += line;
        fresh.push('\n');
        let Some((_, file)) = line
            .strip_prefix("```")
            .and_then(|info| info.split_once(FILE))
        else {
            continue;
        };
        // The package that it is in is the reader's own.
        let code = read(file);
        let (first, rest) = code.split_once("\n\n").unwrap();
        fresh += if first.starts_with("package ") {
            rest
        } else {
            &code
        };
        fresh += "```\n";
        files.push(file.to_owned());
        assert!(lines.any(|line| line == "```"), "{file} has no end");
    }
    let all = [
        "clients/go/nethttp/follow.go",
        "clients/go/launchdarkly/follow.go",
        "clients/jvm/okhttp/src/main/java/tidings/clients/OkHttpFollower.java",
        "clients/jvm/launchdarkly/src/main/java/tidings/clients/EventSourceFollower.java",
        "clients/jvm/spring/src/main/java/tidings/clients/WebClientFollower.java",
        "clients/jvm/jdk/src/main/java/tidings/clients/JdkFollower.java",
        "clients/jvm/ktor/src/main/kotlin/tidings/clients/KtorFollower.kt",
    ];
    assert_eq!(files, all);
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        std::fs::write(format!("{ROOT}/{PAGE}"), fresh).unwrap();
    } else {
        assert!(
            page == fresh,
            "{PAGE} does not show the code that runs; refresh it with `cargo xtask docs`"
        );
    }
}
