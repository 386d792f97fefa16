//! `tidings publish`: what arrives, what is refused, and what a network that loses answers makes of
//! it.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::proxy::Proxy;
use crate::support::{Place, stderr};

#[tokio::test]
async fn each_group_can_be_published_to() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    for command in [
        &[
            "notification",
            "--title",
            "Hi",
            "--message",
            "m",
            "--to",
            "ann",
        ][..],
        &[
            "update",
            "--entity",
            "order",
            "--action",
            "update",
            "--data",
            r#"{"id":1}"#,
        ],
        &["message", "--room", "general", "good morning"],
        &[
            "status",
            "--service",
            "db",
            "--status",
            "degraded",
            "--message",
            "slow",
        ],
        &["raw", "/realtime/entity/order/create", r#"{"id":2}"#],
        &["raw", "/chat/room/general/join"],
    ] {
        let answer = place.succeed(&[&["publish"], command].concat()).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["success"], true, "{answer}");
    }
    let (_, status) = server.call("GET", "/system/status").await;
    assert_eq!(status["services"][0]["service"], "db", "{status}");

    let output = place
        .run_with(
            &["publish", "raw", "/realtime/entity/order/delete", "-"],
            br#"{"id":3}"#,
        )
        .await;
    assert!(output.status.success(), "{}", stderr(&output));
    let (_, events) = server
        .call("GET", "/events?topic=realtime/entity/order")
        .await;
    let data: Vec<_> = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["data"]["data"])
        .collect();
    assert_eq!(
        data,
        [
            &json!({ "id": 1 }),
            &json!({ "id": 2 }),
            &json!({ "id": 3 })
        ]
    );
}

#[tokio::test]
async fn a_refusal_is_reported_with_the_message_of_the_server() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    for (command, words) in [
        (
            &["notification", "--title", "", "--message", "m"][..],
            "title: must have 1 to 200 characters, it has 0 (400)",
        ),
        (&["raw", "/nope", "{}"], "Cannot POST /nope (404)"),
        (&["raw", "nope"], "the path must begin with a slash"),
        (&["raw", "/realtime/update", "{"], "(400)"),
    ] {
        let (said, code) = place.fail(&[&["publish"], command].concat()).await;
        assert!(
            said.starts_with("tidings: ") && said.contains(words),
            "{said}"
        );
        assert_eq!((said.lines().count(), code), (1, Some(1)), "{said}");
    }
}

#[tokio::test]
async fn a_server_on_this_machine_is_called_with_the_demo_token() {
    let server = Place::new().serve().await;
    let place = Place::new().env("TIDINGS_URL", &format!("http://{}", server.address));
    let output = place.run(&["publish", "message", "--room=a", "b"]).await;
    assert!(output.status.success());
    assert_eq!(
        stderr(&output),
        "tidings: calling with the demo token, as TIDINGS_TOKEN is not set\n"
    );
}

#[tokio::test]
async fn a_publish_is_repeated_after_lost_answers_and_happens_once() {
    let server = Place::new().serve().await;
    let proxy = Proxy::new(Some(server.address), 2).await;
    let place = Place::new().calling(proxy.address);
    let output = place
        .run(&[
            "publish",
            "notification",
            "--title",
            "once",
            "--message",
            "m",
        ])
        .await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(proxy.to_lose(), 0);
    assert_eq!(
        stderr(&output).matches("; trying again in ").count(),
        2,
        "{}",
        stderr(&output)
    );
    let (_, events) = server.call("GET", "/events?topic=notifications").await;
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "{events}");
}

#[tokio::test]
async fn https_works_with_the_trusted_root_certificates_only() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n{\"success\":true}";
            stream.write_all(answer).await.unwrap();
            let _ = stream.shutdown().await;
        }
    });
    let roots = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(roots.path(), cert.pem()).unwrap();
    let place = Place::new()
        .env("SSL_CERT_FILE", roots.path().to_str().unwrap())
        .env("TIDINGS_URL", &url);
    assert_eq!(
        place.succeed(&["publish", "raw", "/a"]).await,
        "{\"success\":true}\n"
    );

    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(roots.path(), other.cert.pem()).unwrap();
    let (said, code) = place
        .env("TIDINGS_TOKEN", "t")
        .fail(&["publish", "raw", "/a"])
        .await;
    assert!(
        said.starts_with(&format!("tidings: can't trust {url}: ")),
        "{said}"
    );
    assert_eq!((said.lines().count(), code), (1, Some(1)));
}
