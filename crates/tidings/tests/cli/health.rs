//! `tidings health`: 0 where a server is ready, 1 and one line everywhere else.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::Place;

/// A server that answers everything alike.
async fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = socket.read(&mut [0; 4096]).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

async fn unwell(place: &Place, arguments: &[&str]) -> String {
    let (said, code) = place.fail(&[&["health"], arguments].concat()).await;
    assert!(said.starts_with("tidings: "), "{said}");
    assert_eq!((said.lines().count(), code), (1, Some(1)), "{said}");
    said.trim_end().to_owned()
}

#[tokio::test]
async fn a_ready_server_is_found_by_its_settings() {
    let server = Place::new().env("BASE_PATH", "/api").serve().await;
    let port = server.address.port().to_string();
    // As in a container: the settings are the environment's, and no variable says where a server is
    // to be called.
    let place = Place::new()
        .env("PORT", &port)
        .env("HOST", "127.0.0.1")
        .env("BASE_PATH", "/api");
    let well = |path: &str| format!("http://127.0.0.1:{port}/api/health/{path}: ok\n");
    assert_eq!(place.succeed(&["health"]).await, well("ready"));
    assert_eq!(place.succeed(&["health", "--live"]).await, well("live"));
    let everywhere = Place::new()
        .env("APP_ENV", "production")
        .env("HOST", "0.0.0.0");
    let flags = ["health", "--port", &port, "--base-path", "/api"];
    assert_eq!(
        everywhere.succeed(&flags).await,
        format!("http://localhost:{port}/api/health/ready: ok\n")
    );
    let url = format!("http://localhost:{port}/api");
    assert_eq!(
        Place::new().succeed(&["health", &url]).await,
        format!("{url}/health/ready: ok\n")
    );
}

#[tokio::test]
async fn a_draining_server_is_live_but_not_ready() {
    let place = Place::new()
        .env("DRAIN_SECONDS", "10m")
        .env("SHUTDOWN_TIMEOUT", "20m");
    let server = place.serve_with(&[]).await;
    let url = format!("http://{}", server.address);
    // They are ended one by one over the ten minutes.
    let caller = Place::new().calling(server.address);
    let _streams = [0; 4].map(|_| caller.start(&["tail", "--json"]));
    server.until_open(4).await;
    assert!(server.call("POST", "/system/drain").await.0 < 300);
    let said = unwell(&Place::new(), &[&url]).await;
    assert!(
        said.contains("/health/ready: ") && said.contains("503"),
        "{said}"
    );
    Place::new().succeed(&["health", &url, "--live"]).await;
}

#[tokio::test]
async fn each_failure_is_reported_in_one_line() {
    let place = Place::new();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let said = unwell(&place, &[&format!("http://{closed}")]).await;
    assert!(
        said.starts_with(&format!("tidings: can't reach http://{closed}: ")),
        "{said}"
    );

    let page =
        answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n<p>!").await;
    let said = unwell(&place, &[&format!("http://{page}")]).await;
    assert!(
        said.ends_with("answers 200, but not as Tidings does; is another server there?"),
        "{said}"
    );

    let moved = answering(
        "HTTP/1.1 301 Moved\r\nLocation: https://b/\r\nContent-Length: 0\r\nConnection: \
                   close\r\n\r\n",
    )
    .await;
    let said = unwell(&place, &[&format!("http://{moved}")]).await;
    assert!(
        said.ends_with("the server has moved to https://b/ (301)"),
        "{said}"
    );

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let said = unwell(&place, &[&url, "--timeout", "100ms"]).await;
    assert_eq!(said, format!("tidings: {url} did not answer within 0.1 s"));
}

#[tokio::test]
async fn the_exit_code_of_a_failure_is_always_1() {
    for wrong in [
        &["--colour"][..],
        &["ftp://a"],
        &["--timeout", "0"],
        &["--port", "none"],
        &["--port", "0"],
    ] {
        unwell(&Place::new(), wrong).await;
    }
}
