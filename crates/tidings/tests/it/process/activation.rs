//! Socket activation: the process that holds the port passes it to one server after the other, and
//! no client notices.

mod holder;
mod nginx;
mod visitors;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;

use crate::support::binary::Place;
use crate::support::{ADMIN, http, in_time, until};
use holder::Holder;
use nginx::Nginx;
use visitors::{Publisher, Reader, Visit};

const RESTARTS: usize = 2;
const READERS: usize = 10;

/// Publishers call and readers read all the time while one server follows the other.
#[tokio::test]
async fn a_restart_refuses_no_call_loses_nothing_and_each_client_reconnects_once() {
    let mut holder = Holder::new(&[("DRAIN_SECONDS", "1s"), ("HEARTBEAT_INTERVAL", "1h")]);
    holder.start().await;
    let visit = Arc::new(Visit::new(holder.address));
    visit_through_restarts(
        &visit,
        &mut holder,
        [false, false, true, true, true],
        async || {},
    )
    .await;
}

/// The server is behind nginx, which keeps its own connections to the server and is reloaded after
/// each restart. A client that keeps a connection to nginx may lose a call to the reload, so none
/// does.
#[tokio::test]
#[ignore = "needs nginx"]
async fn behind_nginx_a_restart_and_a_reload_refuse_no_call() {
    let mut holder = Holder::new(&[("DRAIN_SECONDS", "1s"), ("HEARTBEAT_INTERVAL", "1h")]);
    holder.start().await;
    let nginx = Nginx::start(free_address(78), holder.address).await;
    let visit = Arc::new(Visit::new(nginx.address));
    visit_through_restarts(&visit, &mut holder, [false; 5], async || nginx.reload()).await;
}

/// Publishes and reads while the server is restarted and `between` runs. Fails unless every call
/// was answered, every event came to each reader once and in order, and each reader reconnected
/// once for each restart.
async fn visit_through_restarts(
    visit: &Arc<Visit>,
    holder: &mut Holder,
    keeps: [bool; 5],
    between: impl AsyncFn(),
) {
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(Reader::follow(visit).await);
    }
    let publishers = keeps.map(|keeps| Publisher::begin(visit, keeps));
    for nth in 1..=RESTARTS {
        // Both before and after a restart, publishes are well under way.
        visit.until_more_published(100, &publishers).await;
        holder.restart().await;
        visit.until_returned(READERS * nth, &publishers).await;
        between().await;
    }
    visit.until_more_published(100, &publishers).await;
    visit.enough.store(true, Ordering::Relaxed);
    for publisher in publishers {
        in_time(publisher).await.unwrap();
    }
    let published = visit.published.lock().clone();
    for reader in readers {
        let seen = reader.until_seen(published.len()).await;
        assert_eq!(
            seen.returns, RESTARTS,
            "each comes back once for each restart"
        );
        assert_eq!(seen.ids.len(), published.len(), "nothing twice");
        assert!(
            published.iter().all(|id| seen.ids.contains(id)),
            "nothing lost"
        );
        assert!(seen.positions.is_sorted(), "in order");
    }
    assert_eq!(holder.stop().await.code(), Some(0));
}

/// An address on which no other test listens, so that it stays free after this has checked it. For
/// programs that need a port number.
fn free_address(family: u8) -> SocketAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    TcpListener::bind((Ipv4Addr::new(127, family, high, low), 0))
        .unwrap()
        .local_addr()
        .unwrap()
}

#[tokio::test]
async fn a_call_while_no_server_runs_waits_for_the_next_one() {
    let mut holder = Holder::new(&[("DRAIN_SECONDS", "1s")]);
    holder.start().await;
    assert_eq!(holder.stop().await.code(), Some(0));
    let address = holder.address;
    let asking =
        tokio::spawn(async move { http::request(address, "GET", "/health/ready", &[], b"").await });
    holder.start().await;
    assert_eq!(in_time(asking).await.unwrap().status, 200);
}

#[tokio::test]
async fn several_sockets_are_served_and_the_settings_of_others_are_warned_of() {
    let (first, second) = (
        TcpListener::bind("127.0.0.1:0").unwrap(),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let addresses = [first.local_addr().unwrap(), second.local_addr().unwrap()];
    let mut holder = Holder::of(vec![first, second], &[("PORT", "1")]);
    holder.start().await;
    for address in addresses {
        assert_eq!(
            in_time(http::request(address, "GET", "/health", &[], b""))
                .await
                .status,
            200
        );
    }
    let port = addresses[0].port();
    let warning = format!(
        "PORT=1 has no effect: the sockets were passed to this process (LISTEN_FDS), and listen \
         on port {port}"
    );
    until(async || holder.said().contains(&warning)).await;
}

#[test]
fn an_inherited_socket_that_does_not_listen_is_refused_in_one_line() {
    let refusal = |count: &str, third: &str| {
        let place = Place::new().env("LISTEN_FDS", count);
        let (mut command, place) = place.command_in(|inner| {
            let mut command = Command::new("bash");
            command
                .args(["-c", &format!(r#"exec "$0" "$@" {third}"#)])
                .arg(inner.get_program())
                .env_clear();
            command.envs(
                inner
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
            command.current_dir(inner.get_current_dir().unwrap());
            command
        });
        let output = command
            .env("PORT", "0")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        drop(place);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    };
    let connected = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = connected.local_addr().unwrap().port();
    let prefix = "tidings: the sockets that were handed over (LISTEN_FDS) can't be used: ";
    for (count, third, problem) in [
        ("1", "3</dev/null".to_owned(), "fd 3 is not a socket"),
        (
            "2000000000",
            String::new(),
            "there are 2000000000 of them, and at most 64 are taken",
        ),
        (
            "1",
            format!("3<>/dev/tcp/127.0.0.1/{port}"),
            "number 0 does not listen; tidings.socket needs Accept=no",
        ),
    ] {
        assert_eq!(
            refusal(count, &third).trim_end(),
            format!("{prefix}{problem}")
        );
    }
}

#[tokio::test]
async fn an_invalid_number_of_inherited_sockets_causes_a_warning() {
    let said = Place::new()
        .env("LISTEN_FDS", "some")
        .start(&[])
        .last_words();
    assert!(
        said.contains("LISTEN_FDS=some is no number: no socket was taken over"),
        "{said}"
    );
    let said = Place::new()
        .env("LISTEN_FDS", "1")
        .env("LISTEN_PID", "1")
        .start(&[])
        .last_words();
    assert!(
        !said.contains("LISTEN_FDS"),
        "they were for another process: {said}"
    );
}

/// With systemd's own program that holds sockets. It starts the server at the first connection.
#[tokio::test]
#[ignore = "needs systemd"]
async fn systemd_socket_activate_starts_the_server_with_the_first_connection() {
    let place = Place::new().env("HEARTBEAT_INTERVAL", "1h");
    let address = free_address(77);
    let (mut command, place) = place.command_in(|inner| {
        let mut command = Command::new("systemd-socket-activate");
        command.arg(format!("--listen={address}")).args([
            "-E",
            "JOURNAL=memory",
            "-E",
            "HEARTBEAT_INTERVAL=1h",
        ]);
        command
            .arg(inner.get_program())
            .current_dir(inner.get_current_dir().unwrap());
        command
    });
    let mut process = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut answer = None;
    until(async || {
        answer = http::attempt(address, "GET", "/health/ready", &[], b"").await;
        answer.is_some()
    })
    .await;
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let body = json!({"title": "t", "message": "m"}).to_string();
    let published = in_time(http::request(
        address,
        "POST",
        "/notifications/send",
        &headers,
        body.as_bytes(),
    ))
    .await;
    // Whatever came of it, it ends.
    let _ = process.kill();
    let _ = process.wait();
    drop(place);
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!(published.status, 200, "{}", published.text());
}
