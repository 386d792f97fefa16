//! Clients that read slowly, stop reading in the middle of a frame, or leave there.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::stalled::{narrow, narrow_stream, publish_big};
use crate::support::{TestServer, in_time, start, start_with, until};

/// A stream may be as far behind as the ring of its topic reaches.
const PATIENT: (&str, &str) = ("MAX_LAG_BYTES", "2MiB");

#[tokio::test]
async fn a_window_that_closes_in_the_middle_of_a_frame_loses_nothing() {
    let server = start_with(&[PATIENT]).await;
    let mut stream = narrow_stream(&server, "/notifications/stream").await;
    publish_big(&server, 40).await; // 8 MB: more than the send buffer grows to
    for nth in 0..40 {
        assert_eq!(stream.expect("notification").await.data["nth"], nth);
    }
    server.notify("after").await;
    assert_eq!(stream.expect("notification").await.data["title"], "after");
}

#[tokio::test]
async fn a_client_that_reads_slowly_but_steadily_is_not_cut_and_gets_everything() {
    let server = start_with(&[PATIENT, ("WRITE_TIMEOUT", "2s")]).await;
    let stream = narrow_stream(&server, "/notifications/stream").await;
    let mut socket = stream.into_socket();
    publish_big(&server, 60).await;
    let began = tokio::time::Instant::now();
    let mut bytes = Vec::new();
    let all = async {
        while bytes.len() < 60 * 200_000 {
            let length = socket.read_buf(&mut bytes).await.unwrap();
            assert!(length > 0, "cut after {} bytes", bytes.len());
            // 3 MB/s, slower than the server can send
            let due = Duration::from_micros(bytes.len() as u64 / 3);
            tokio::time::sleep_until(began + due).await;
        }
        while !bytes.ends_with(b"\n\n\r\n") {
            socket.read_buf(&mut bytes).await.unwrap();
        }
    };
    in_time(all).await;
    assert!(
        began.elapsed() > Duration::from_secs(3),
        "not slow: {:?}",
        began.elapsed()
    );
    let text = String::from_utf8_lossy(&bytes);
    let numbers: Vec<usize> = text
        .split(r#","nth":"#)
        .skip(1)
        .map(|rest| rest.split(',').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers, (0..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_client_that_reads_byte_by_byte_gets_every_byte() {
    let server = start().await;
    let mut socket = narrow(server.address).await;
    socket
        .write_all(b"GET /notifications/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    until(async || server.stats().await["totalConnections"] == 1).await;
    for nth in 0..100 {
        server.notify(&format!("<{nth}>")).await;
    }
    let mut bytes = Vec::new();
    in_time(async {
        while !bytes.ends_with(b"\n\n\r\n") || !String::from_utf8_lossy(&bytes).contains("<99>") {
            bytes.push(socket.read_u8().await.unwrap());
        }
    })
    .await;
    let text = String::from_utf8(bytes).unwrap();
    let titles: Vec<&str> = text
        .split(r#""title":""#)
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(
        titles,
        (0..100).map(|nth| format!("<{nth}>")).collect::<Vec<_>>()
    );
}

/// Two streams are open. One stops reading in the middle of a frame, and `leave` is called with its
/// socket. The other gets everything, before and after.
async fn leaves_in_the_middle_of_a_frame(
    leave: impl AsyncFnOnce(TcpStream) -> Option<TcpStream>,
) -> TestServer {
    let server = start_with(&[PATIENT]).await;
    let mut witness = server.connected("/notifications/stream", "").await;
    let victim = narrow_stream(&server, "/notifications/stream").await;
    let ((), seen) = tokio::join!(publish_big(&server, 40), witness.take("notification", 40));
    assert_eq!(seen.len(), 40);
    assert_eq!(server.stats().await["totalConnections"], 2);
    let _left = leave(victim.into_socket()).await;
    until(async || server.stats().await["totalConnections"] == 1).await;
    server.notify("after").await;
    assert_eq!(witness.expect("notification").await.data["title"], "after");
    assert_eq!(
        server
            .handle
            .totals()
            .ended(tidings_server::handle::Ended::ClientLeft),
        1
    );
    server
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_frame_frees_the_stream_and_disturbs_nobody() {
    leaves_in_the_middle_of_a_frame(async |socket| {
        socket.set_zero_linger().unwrap();
        None
    })
    .await;
}

#[tokio::test]
async fn a_client_that_shuts_its_side_in_the_middle_of_a_frame_receives_the_rest() {
    leaves_in_the_middle_of_a_frame(async |mut socket| {
        socket.shutdown().await.unwrap();
        let mut owed = Vec::new();
        in_time(socket.read_to_end(&mut owed)).await.unwrap();
        assert!(owed.len() > 7_000_000, "{} bytes", owed.len());
        Some(socket)
    })
    .await;
}

#[tokio::test]
async fn a_client_that_shuts_its_side_right_after_its_request_leaves_nothing_behind() {
    let server = start().await;
    for _ in 0..20 {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket
            .write_all(b"GET /notifications/stream HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        socket.shutdown().await.unwrap();
        let _ = in_time(socket.read_to_end(&mut Vec::new())).await;
    }
    server.until_nobody_is_left().await;
    let totals = server.handle.totals();
    assert_eq!(totals.opened, totals.all_ended());
}
