//! Credentials never appear in the output: not in the log, not in an answer, not in the list of
//! connections.

use jsonwebtoken::Algorithm;
use serde_json::json;

use super::{ADMINS, REQUIRED, SECRET, jwt, sign};
use crate::support::binary::Place;
use crate::support::{ADMIN, Stream, demo, http as socket, in_time};

/// Credentials of every kind, each with a text that can be searched for.
fn secrets() -> [String; 6] {
    [
        demo("Wq7headerdemo", "admin"),
        demo("Wq7querydemo", "admin"),
        jwt(&json!({"sub": "Wq7headerjwt"})),
        sign(
            Algorithm::HS256,
            "wrong",
            &json!({"sub": "Wq7queryjwt", "exp": 1}),
        ),
        "Wq7ticket0123456789".to_owned(),
        "Wq7garbage%%%".to_owned(),
    ]
}

/// The answer to a call over HTTP/2 that carries the same credential in every place.
async fn over_http2(address: std::net::SocketAddr, secret: &str) -> String {
    use http_body_util::{BodyExt as _, Empty};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let executor = TokioExecutor::new();
    let handshake = hyper::client::conn::http2::handshake(executor, TokioIo::new(socket));
    let (mut sender, connection) = handshake.await.unwrap();
    let driving = tokio::spawn(connection);
    let request = http::Request::get(format!(
        "http://{address}{REQUIRED}?token={secret}&ticket={secret}"
    ))
    .header("authorization", format!("Bearer {secret}"))
    .header("cookie", format!("session={secret}"))
    .body(Empty::<bytes::Bytes>::new());
    let answer = in_time(sender.send_request(request.unwrap()))
        .await
        .unwrap();
    let body = in_time(answer.into_body().collect())
        .await
        .unwrap()
        .to_bytes();
    driving.abort();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn no_credential_is_ever_logged_or_shown() {
    let place = Place::new()
        .env("LOG_LEVEL", "trace")
        .env("JWT_SECRET", SECRET)
        .env("AUTH_COOKIE", "session");
    let process = place.start(&[]);
    let address = process.addresses[0];
    let request = async |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        in_time(socket::request(address, method, path, headers, body)).await
    };
    let secrets = secrets();
    let mut shown = String::new();
    let mut streams = Vec::new();
    for secret in &secrets {
        let bearer = format!("Bearer {secret}");
        let cookie = format!("session={secret}");
        let kind = ("Content-Type", "application/json");
        for path in [
            REQUIRED,
            ADMINS,
            "/nope",
            "/events?topic=notifications",
            "/chat/stream?roomId=a%20b",
        ] {
            let joint = if path.contains('?') { '&' } else { '?' };
            shown += &request("GET", path, &[("Authorization", &bearer)], b"")
                .await
                .text();
            shown += &request("GET", &format!("{path}{joint}token={secret}"), &[], b"")
                .await
                .text();
            shown += &request(
                "GET",
                &format!("{path}{joint}ticket={secret}"),
                &[("Cookie", &cookie)],
                b"",
            )
            .await
            .text();
        }
        for (path, body) in [
            ("/notifications/send", "{}"),
            ("/chat/message", "{bad"),
            ("/chat/room/r/join", ""),
        ] {
            let key = ("Idempotency-Key", "k");
            shown += &request(
                "POST",
                path,
                &[("Authorization", &bearer), kind, key],
                body.as_bytes(),
            )
            .await
            .text();
            shown += &request(
                "POST",
                &format!("{path}?token={secret}"),
                &[kind],
                body.as_bytes(),
            )
            .await
            .text();
        }
    }
    for (path, headers) in [
        (
            "/notifications/stream".to_owned(),
            vec![("Authorization", format!("Bearer {}", secrets[0]))],
        ),
        (format!("/chat/stream?token={}", secrets[1]), vec![]),
        (
            "/realtime/stream".to_owned(),
            vec![("Cookie", format!("session={}", secrets[2]))],
        ),
    ] {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut stream = in_time(Stream::open(address, &path, &headers)).await;
        stream.expect("connected").await;
        shown += &stream.text();
        streams.push(stream);
    }
    for secret in &secrets[..5] {
        shown += &over_http2(address, secret).await;
    }
    let bearer = format!("Bearer {ADMIN}");
    let listed = request("GET", ADMINS, &[("Authorization", &bearer)], b"")
        .await
        .text();
    assert!(
        listed.contains("Wq7querydemo"),
        "the streams are there: {listed}"
    );
    shown += &listed;
    drop(streams);
    let logged = process.last_words();
    assert!(
        logged.contains("answered"),
        "something was logged: {logged}"
    );
    for secret in secrets.iter().map(String::as_str).chain([SECRET]) {
        // Neither the whole secret nor half of it may appear: the first or the last half would
        // suffice for a thief.
        for part in [
            secret,
            &secret[..secret.len() / 2],
            &secret[secret.len() / 2..],
        ] {
            assert!(!logged.contains(part), "{part} in the log");
            assert!(!shown.contains(part), "{part} in an answer");
        }
    }
    let others = logged
        .lines()
        .filter(|line| line.contains("Wq7"))
        .collect::<Vec<_>>();
    assert!(others.is_empty(), "{others:?}");
}
