//! `tidings serve` and `tidings config`: how they end, and what they say.

#[cfg(target_os = "linux")]
use tokio::io::AsyncWriteExt as _;
#[cfg(target_os = "linux")]
use tokio::net::TcpStream;

use crate::support::Place;

#[cfg(unix)]
#[tokio::test]
async fn a_server_that_is_stopped_exits_with_0() {
    let server = Place::new().serve().await;
    assert_eq!(server.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_port_in_use_is_an_error_in_one_line() {
    let server = Place::new().serve().await;
    let port = server.address.port().to_string();
    for command in [&[][..], &["serve"]] {
        let (said, code) = Place::new()
            .fail(&[command, &["--host", "127.0.0.1", "--port", &port]].concat())
            .await;
        assert!(
            said.starts_with("tidings: ") && said.contains(&port),
            "{said}"
        );
        assert_eq!((said.lines().count(), code), (1, Some(1)), "{said}");
    }
}

#[tokio::test]
async fn an_unknown_flag_is_refused_in_one_line() {
    for command in [
        &[][..],
        &["serve"],
        &["config"],
        &["token"],
        &["publish", "raw"],
        &["tail"],
    ] {
        let (said, code) = Place::new().fail(&[command, &["--colour"]].concat()).await;
        assert!(
            said.starts_with("tidings: --colour (command line) is no flag; "),
            "{said}"
        );
        assert_eq!((said.lines().count(), code), (1, Some(2)), "{said}");
    }
}

#[tokio::test]
async fn the_effective_settings_show_their_origin_and_no_secret() {
    let secret = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ";
    let place = Place::new()
        .env("JWT_SECRET", secret)
        .env("HEARTBEAT_INTERVAL", "2s");
    let settings = place.succeed(&["config", "--port", "4000"]).await;
    for line in [
        "PORT = 4000  # flag --port",
        "HEARTBEAT_INTERVAL = 2s  # environment",
        "BASE_PATH = (none)  # default",
    ] {
        assert!(settings.lines().any(|shown| shown == line), "{settings}");
    }
    assert!(settings.contains("JWT_SECRET = (hidden, "), "{settings}");
    assert!(!settings.contains(secret), "{settings}");
}

/// What the allocator keeps of it would otherwise stay until somebody calls again.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_is_returned_to_the_system_after_a_load() {
    const CALLERS: usize = 200;
    const BODY: usize = 200 << 10;
    let server = Place::new().env("JOURNAL", "memory").serve().await;
    let request = format!(
        "POST /notifications/send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \
         {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        tidings_server::auth::demo::TOKEN,
        BODY + 1,
        "x".repeat(BODY),
    );
    let before = server.resident();
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let mut caller = TcpStream::connect(server.address).await.unwrap();
        caller.write_all(request.as_bytes()).await.unwrap();
        callers.push(caller);
    }
    let bodies = u64::try_from(CALLERS * BODY).unwrap();
    server
        .until_resident(|bytes| bytes > before + bodies * 3 / 4)
        .await;
    drop(callers);
    server
        .until_resident(|bytes| bytes < before + bodies / 4)
        .await;
}
