//! `SIGHUP` and `POST /system/reload`: which settings change without a restart, and what a closed
//! terminal does.

use std::fs::File;
use std::io::IsTerminal as _;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

#[cfg(target_os = "linux")]
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};
use tidings_server::Server;
use tidings_server::config::{Config, Flags};

use super::support::Bare;
use crate::support::binary::Place;
#[cfg(target_os = "linux")]
use crate::support::stream::End;
use crate::support::{ADMIN, Answer, TestServer, demo, start, start_on, until};

/// Starts a server whose log is a file, and which drains at once.
async fn serve(place: Place, first: &str) -> Bare {
    let log = File::create(place.path().join("log")).unwrap();
    Bare::start(place.env("DRAIN_SECONDS", "0"), log, first).await
}

async fn reload(server: &Bare) -> Value {
    let answer = server.post("/system/reload").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Whether pages of `origin` may call the server.
async fn lets_in(server: &Bare, origin: &str) -> bool {
    let answer =
        crate::support::http::request(server.address, "GET", "/health", &[("Origin", origin)], b"")
            .await;
    answer.header("access-control-allow-origin") == Some(origin)
}

#[tokio::test]
async fn a_hang_up_reloads_the_log_level_and_the_origins() {
    let server = serve(
        Place::new().file(".env", "CORS_ORIGIN=https://a.example\n"),
        "",
    )
    .await;
    assert!(lets_in(&server, "https://a.example").await);
    server.get("/before").await;
    server.write(".env", "CORS_ORIGIN=https://b.example\n");
    server.write(
        "tidings.toml",
        "log_level = \"info,tidings_server::http=debug\"\n",
    );
    server.signal("HUP");
    until(async || lets_in(&server, "https://b.example").await).await;
    assert!(!lets_in(&server, "https://a.example").await);
    until(async || server.said().contains("reloaded")).await;
    server.get("/after").await;
    until(async || server.said().contains("/after")).await;
    let said = server.said();
    assert!(
        !said.contains("/before") && said.contains("changed=\"CORS_ORIGIN,LOG_LEVEL\""),
        "{said}"
    );
    assert_eq!(
        reload(&server).await,
        json!({
            "success": true, "message": "Nothing was changed", "changed": [], "needsRestart": []
        })
    );
}

#[tokio::test]
async fn what_needs_a_restart_is_named_each_time_and_no_secret_is_shown() {
    let secret = |nth: u8| format!("JWT_SECRET=Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ{nth}\n");
    let server = serve(Place::new().file(".env", &secret(1)), "").await;
    server.write(
        ".env",
        &format!("{}LOG_LEVEL=warn\nHEARTBEAT_INTERVAL=7s\n", secret(2)),
    );
    let answer = reload(&server).await;
    assert_eq!(answer["changed"], json!(["LOG_LEVEL"]));
    assert_eq!(
        answer["needsRestart"],
        json!(["JWT_SECRET", "HEARTBEAT_INTERVAL"])
    );
    assert_eq!(
        answer["message"],
        "Reloaded LOG_LEVEL; a restart is needed for JWT_SECRET, HEARTBEAT_INTERVAL"
    );
    let again = reload(&server).await;
    assert_eq!(
        (&again["changed"], &again["needsRestart"]),
        (&json!([]), &answer["needsRestart"])
    );
    server.write(".env", &secret(1));
    assert_eq!(
        reload(&server).await["needsRestart"],
        json!([]),
        "as it was at the start"
    );
    assert!(!server.said().contains("Zm9yIHRlc3Rz"));
    until(async || server.said().contains("some settings need a restart")).await;
}

#[tokio::test]
async fn a_reload_that_is_refused_changes_nothing_is_logged_and_turns_nothing_red() {
    let good = "CORS_ORIGIN=https://a.example\n";
    let server = serve(Place::new().file(".env", good), "").await;
    let bad = [
        (
            ".env",
            "CORS_ORIGIN=https://b.example\nLOG_LEVEL=debgu\n",
            "LOG_LEVEL=debgu (.env line 2) is not allowed",
        ),
        (".env", "CORS_ORIGIN=*\n", "CORS_CREDENTIALS=true"),
        (
            ".env",
            "CORS_ORIGIN=https://b.example\nHEARTBEAT_INTERVAL=1ms\n",
            "HEARTBEAT_INTERVAL=1ms",
        ),
        ("tidings.toml", "cors_origin = [", "tidings.toml"),
        (
            "tidings.toml",
            "cors_orign = \"https://b.example\"",
            "cors_orign",
        ),
    ];
    for (nth, (file, content, why)) in (1..).zip(bad) {
        server.write(".env", good);
        server.write("tidings.toml", "");
        server.write(file, content);
        let answer = server.post("/system/reload").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "validation_failed"),
            "{content}"
        );
        assert!(answer.text().contains(why), "{}", answer.text());
        let refused = || server.said().matches("the reload was refused").count();
        until(async || refused() == 2 * nth - 1).await;
        server.signal("HUP");
        until(async || refused() == 2 * nth).await;
        assert!(
            lets_in(&server, "https://a.example").await
                && !lets_in(&server, "https://b.example").await
        );
    }
    until(async || server.said().contains(" ERROR ")).await;
    std::fs::remove_file(server.path().join("tidings.toml")).unwrap();
    std::fs::create_dir(server.path().join("tidings.toml")).unwrap();
    let answer = server.post("/system/reload").await;
    assert!(
        answer.status == 400 && answer.text().contains("tidings.toml can't be read"),
        "{}",
        answer.text()
    );
    assert_eq!(server.get("/health/ready").await.status, 200);
    let metrics = server.get("/metrics").await.text();
    assert!(
        metrics.contains("tidings_journal_writable 1")
            && metrics.contains("tidings_panics_total 0"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_hang_up_that_was_ignored_at_the_start_stays_ignored() {
    // This is what `nohup` does.
    let server = serve(Place::new(), "trap '' HUP;").await;
    server.write(".env", "CORS_ORIGIN=https://a.example\n");
    server.signal("HUP");
    assert_eq!(
        reload(&server).await["changed"],
        json!(["CORS_ORIGIN"]),
        "not by the signal"
    );
    until(async || server.said().contains("reloaded")).await;
    assert_eq!(server.said().matches("reloaded").count(), 1);
}

#[tokio::test]
async fn a_hang_up_during_the_start_does_not_end_the_server_and_reloads_later() {
    // The server waits for its settings while it starts, and the signal is sent then.
    let first = "mkfifo tidings.toml; { rm tidings.toml; kill -HUP $$; } >tidings.toml &";
    let mut server = serve(Place::new(), first).await;
    until(async || server.said().contains("reloaded")).await;
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
}

/// Opens both ends of a terminal. No process that is started meanwhile may inherit the first.
#[cfg(target_os = "linux")]
fn terminal() -> (OwnedFd, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    (
        master,
        File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap(),
    )
}

/// Closes a terminal, and waits until it is gone. A process that another test starts has a copy of
/// it between `fork` and `exec`.
#[cfg(target_os = "linux")]
async fn close(master: OwnedFd, slave: &File) {
    drop(master);
    until(async || !slave.is_terminal()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_hang_up_after_the_terminal_was_closed_drains() {
    let (master, slave) = terminal();
    let other = slave.try_clone().unwrap();
    let mut server = Bare::start(Place::new().env("DRAIN_SECONDS", "0"), slave, "").await;
    let mut stream = server.stream().await;
    close(master, &other).await;
    server.signal("HUP");
    stream.expect("draining").await;
    assert_eq!(stream.end().await, End::Cut);
    assert_eq!(server.ended().await.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_hang_up_while_the_terminal_is_there_reloads() {
    let (_master, slave) = terminal();
    let mut server = Bare::start(Place::new().env("DRAIN_SECONDS", "0"), slave, "").await;
    server.write(".env", "CORS_ORIGIN=https://a.example\n");
    server.signal("HUP");
    until(async || lets_in(&server, "https://a.example").await).await;
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn further_hang_ups_of_a_closed_terminal_do_not_end_the_drain() {
    let (master, slave) = terminal();
    let other = slave.try_clone().unwrap();
    let mut server = Bare::start(
        Place::new()
            .env("DRAIN_SECONDS", "2s")
            .env("HEARTBEAT_INTERVAL", "1h"),
        slave,
        "",
    )
    .await;
    let mut streams = [server.stream().await, server.stream().await];
    close(master, &other).await;
    for _ in 0..5 {
        server.signal("HUP");
    }
    for stream in &mut streams {
        stream.expect("draining").await;
    }
    assert_eq!(server.ended().await.code(), Some(0));
}

async fn ask(server: &TestServer, token: &str) -> Answer {
    server
        .call("POST", "/system/reload", token, Value::Null)
        .await
}

#[tokio::test]
async fn only_admins_reload() {
    let server = start().await;
    ask(&server, "").await.assert_refused(401, "token_missing");
    ask(&server, &demo("ann", "user"))
        .await
        .assert_refused(403, "forbidden");
}

#[tokio::test]
async fn an_application_provides_its_own_source_for_reloads() {
    let server = start().await;
    ask(&server, ADMIN).await.assert_refused(404, "not_found");
    let directory = tempfile::tempdir().unwrap();
    let read = {
        let path = directory.path().to_owned();
        move || {
            let set = [("PORT", "0"), ("HOST", "127.0.0.1"), ("JOURNAL", "memory")];
            let set = set
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
            Config::load(Flags::default(), set, &path)
        }
    };
    let server = start_on(Server::builder().reloadable(&read().unwrap(), read));
    std::fs::write(
        directory.path().join(".env"),
        "CORS_ORIGIN=https://a.example\nLOG_LEVEL=debug\n",
    )
    .unwrap();
    let reloaded = server.handle.reload().unwrap();
    assert_eq!(reloaded.changed, ["CORS_ORIGIN"]);
    assert_eq!(
        reloaded.needs_restart,
        ["LOG_LEVEL"],
        "the log of an application is its own"
    );
    let answer = server
        .request("GET", "/health", &[("Origin", "https://a.example")], b"")
        .await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://a.example")
    );
}
