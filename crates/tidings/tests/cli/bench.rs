//! `tidings bench`: what it counts is what happened, and what did not work is said.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{Place, stderr};

/// Runs a bench that ends well; its result.
async fn result(place: &Place, arguments: &[&str]) -> Value {
    let text = place
        .succeed(&[&["bench", "--json"], arguments].concat())
        .await;
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn every_delivery_of_every_publish_is_counted() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    let told = result(
        &place,
        &["--connections=12", "--rate=100", "--duration=200ms"],
    )
    .await;
    let connections = &told["connections"];
    for (name, count) in [
        ("wanted", 12),
        ("open", 12),
        ("refused", 0),
        ("failed", 0),
        ("ended", 0),
    ] {
        assert_eq!(connections[name], count, "{name}: {told}");
    }
    assert_eq!(told["publishes"]["sent"], 20, "{told}");
    assert_eq!(told["publishes"]["failed"], 0, "{told}");
    assert_eq!(
        (&told["deliveries"]["wanted"], &told["deliveries"]["got"]),
        (&json!(240), &json!(240)),
        "{told}"
    );
    assert!(
        told["deliveries"]["bytes"].as_f64().unwrap() > 100.0,
        "{told}"
    );
    let latency = |name: &str| told["latencyMicros"][name].as_u64().unwrap();
    let rising = ["p50", "p90", "p99", "p999", "max"].map(latency);
    assert!(rising[0] > 0 && rising.is_sorted(), "{told}");
    for unmeasured in [
        "/idle/cpuPercent",
        "/connections/cpuMicros",
        "/deliveries/cpuMicros",
        "/memory/before",
    ] {
        assert_eq!(
            told.pointer(unmeasured),
            Some(&Value::Null),
            "{unmeasured}: {told}"
        );
    }
    server.until_open(0).await;
}

#[tokio::test]
async fn at_rate_0_several_publishes_are_in_flight() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    let told = result(
        &place,
        &[
            "--connections=3",
            "--rate=0",
            "--pipeline=8",
            "--duration=300ms",
        ],
    )
    .await;
    let sent = told["publishes"]["sent"].as_u64().unwrap();
    assert!(sent > 8, "{told}");
    assert_eq!(told["publishes"]["failed"], 0, "{told}");
    assert_eq!(
        (&told["deliveries"]["wanted"], &told["deliveries"]["got"]),
        (&json!(3 * sent), &json!(3 * sent))
    );
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn cpu_time_and_memory_of_the_server_are_measured() {
    let server = Place::new().serve().await;
    let pid = server.id().to_string();
    let place = Place::new().calling(server.address);
    let arguments = [
        "--connections=10",
        "--duration=500ms",
        "--idle=100ms",
        "--pid",
        &pid,
    ];
    let told = result(&place, &arguments).await;
    for measured in [
        "/connections/cpuMicros",
        "/publishes/cpuMicros",
        "/deliveries/cpuMicros",
        "/memory/before",
        "/memory/open",
        "/memory/after",
        "/memory/closed",
    ] {
        assert!(
            told.pointer(measured).unwrap().as_f64().unwrap() > 0.0,
            "{measured}: {told}"
        );
    }
    assert!(told["idle"]["seconds"].as_f64().unwrap() >= 0.1, "{told}");
    assert!(
        told["idle"]["cpuPercent"].is_number() && told["connections"]["bytes"].is_number(),
        "{told}"
    );
    let parts =
        ["cpuUserMicros", "cpuSystemMicros"].map(|part| told["deliveries"][part].as_f64().unwrap());
    let whole = told["deliveries"]["cpuMicros"].as_f64().unwrap();
    assert!((parts[0] + parts[1] - whole).abs() < 0.01, "{told}");
}

#[tokio::test]
async fn publishes_to_the_users_in_turn_reach_the_streams_of_each() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    // Users 0 and 1 have two streams, user 2 has one: 9 publishes in turn want 3 * (2 + 2 + 1)
    // deliveries.
    let arguments = [
        "--users=3",
        "--connections=5",
        "--publish-path=/notifications/send?targetUserId=bench-{user}",
        "--rate=90",
        "--duration=100ms",
    ];
    let told = result(&place, &arguments).await;
    assert_eq!(
        (&told["publishes"]["sent"], &told["deliveries"]["wanted"]),
        (&json!(9), &json!(15)),
        "{told}"
    );
    assert_eq!(told["deliveries"]["got"], 15, "{told}");
}

#[tokio::test]
async fn placeholders_are_replaced_in_paths_headers_and_bodies() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    let arguments = [
        "--users=4",
        "--rooms=2",
        "--connections=4",
        "--path=/chat/room/room-{room}/stream?token={token}",
        "--header=Authorization: none",
        "--publish-header=Authorization: Bearer {token}",
        "--publish-path=/chat/message",
        r#"--body={"roomId":"room-{room}","message":"{n}","metadata":{"ts":{ts}}}"#,
        "--rate=60",
        "--duration=100ms",
    ];
    let told = result(&place, &arguments).await;
    assert_eq!(
        (&told["deliveries"]["wanted"], &told["deliveries"]["got"]),
        (&json!(12), &json!(12)),
        "{told}"
    );
    let events = server.call("GET", "/events?topic=chat/room/room-1").await.1;
    let authors = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["data"]["userId"].as_str().unwrap());
    assert_eq!(
        authors.collect::<Vec<_>>(),
        ["bench-1", "bench-3", "bench-1"],
        "{events}"
    );
}

#[tokio::test]
async fn refused_streams_are_counted_and_the_first_reason_is_printed() {
    let server = Place::new()
        .env("MAX_CONNECTIONS_PER_USER", "3")
        .serve()
        .await;
    let place = Place::new().calling(server.address);
    let output = place
        .run(&[
            "bench",
            "--json",
            "--connections=5",
            "--rate=20",
            "--duration=100ms",
        ])
        .await;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (
            &told["connections"]["open"],
            &told["connections"]["refused"]
        ),
        (&json!(3), &json!(2)),
        "{told}"
    );
    assert_eq!(
        (&told["deliveries"]["wanted"], &told["deliveries"]["got"]),
        (&json!(6), &json!(6)),
        "{told}"
    );
    let said = stderr(&output);
    assert!(
        said.contains("tidings: 2 streams were refused; the first: busy {"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn refused_publishes_are_counted_and_the_first_reason_is_printed() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    let output = place
        .run(&[
            "bench",
            "--json",
            "--connections=1",
            "--publish-path=/nope",
            "--duration=200ms",
        ])
        .await;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["publishes"]["sent"], &told["publishes"]["failed"]),
        (&json!(2), &json!(2)),
        "{told}"
    );
    assert_eq!(
        (&told["deliveries"]["wanted"], &told["deliveries"]["got"]),
        (&json!(0), &json!(0)),
        "{told}"
    );
    let said = stderr(&output);
    let first =
        "tidings: 2 publishes were not accepted; the first: Cannot POST /nope (404, not_found)\n";
    assert!(
        said.contains(first) && said.ends_with("tidings: no publish was accepted\n"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn a_run_without_an_open_stream_fails() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    for (path, why) in [
        ("/nope", "Cannot GET /nope (404, not_found)"),
        ("/system/health", "the answer is not an event stream"),
    ] {
        let (said, code) = place.fail(&["bench", "--json", "--path", path]).await;
        assert_eq!(
            (&*said, code),
            (
                &*format!("tidings: no stream could be opened: {why}\n"),
                Some(1)
            )
        );
    }
    let (said, code) = Place::new()
        .env("TIDINGS_URL", &format!("http://{}", server.address))
        .fail(&["bench", "--anonymous", "--path=/chat/stream"])
        .await;
    assert!(said.ends_with("(401, token_missing)\n"), "{said}");
    assert_eq!((said.lines().count(), code), (1, Some(1)), "{said}");
}

#[tokio::test]
async fn an_unreachable_server_is_an_error_in_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (said, code) = Place::new().calling(address).fail(&["bench"]).await;
    assert!(
        said.starts_with(&format!(
            "tidings: can't reach http://{address}: Connection refused"
        )),
        "{said}"
    );
    assert_eq!((said.lines().count(), code), (1, Some(1)), "{said}");
}

#[tokio::test]
async fn streams_can_be_measured_without_publishes() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    let table = place
        .succeed(&["bench", "--connect-only", "--connections=4"])
        .await;
    assert!(
        table.starts_with("  streams     4 of 4 open in "),
        "{table}"
    );
    assert_eq!(table.lines().count(), 1, "{table}");
    let told = result(&place, &["--connect-only", "--connections=4"]).await;
    assert_eq!(told["publishes"]["sent"], Value::Null);
    let table = place
        .succeed(&["bench", "--connections=4", "--duration=100ms"])
        .await;
    let names: Vec<_> = table
        .lines()
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(
        names,
        ["streams", "publishes", "deliveries", "latency"],
        "{table}"
    );
}

#[tokio::test]
#[cfg(unix)]
async fn ctrl_c_ends_a_run_with_the_results_so_far() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    let mut bench = place.start(&[
        "bench",
        "--connections=2",
        "--rate=50",
        "--duration=10m",
        "--json",
    ]);
    server.until_open(2).await;
    bench.note().await; // a second has passed
    bench.interrupt();
    let told: Value = serde_json::from_str(&bench.line().await).unwrap();
    assert!(told["deliveries"]["got"].as_u64().unwrap() > 0, "{told}");
    let (status, said) = bench.end().await;
    assert_eq!(status.code(), Some(0));
    assert!(
        said.ends_with("interrupted: these are the results so far"),
        "{said}"
    );
}

#[tokio::test]
#[cfg(unix)]
async fn a_stream_that_the_server_ends_is_missing_from_the_deliveries() {
    let server = Place::new().serve().await;
    let place = Place::new().calling(server.address);
    let mut bench = place.start(&[
        "bench",
        "--connections=2",
        "--rate=20",
        "--duration=10m",
        "--json",
    ]);
    while !bench.note().await.contains(" published, ") {}
    let connections = server.call("GET", "/system/connections").await.1;
    let id = connections["connections"][0]["id"].as_str().unwrap();
    assert_eq!(
        server
            .call("DELETE", &format!("/system/connections/{id}"))
            .await
            .0,
        200
    );
    server.until_open(1).await;
    for _ in 0..3 {
        bench.note().await; // a second has passed, in which more was published
    }
    bench.interrupt();
    let told: Value = serde_json::from_str(&bench.line().await).unwrap();
    assert_eq!(told["connections"]["ended"], 1, "{told}");
    let [sent, wanted, got] = [
        ("publishes", "sent"),
        ("deliveries", "wanted"),
        ("deliveries", "got"),
    ]
    .map(|(of, name)| told[of][name].as_u64().unwrap());
    assert!(got < wanted && got > sent / 2, "{told}");
    assert_eq!(bench.end().await.0.code(), Some(0));
}

/// A server of somebody else's: no stream of it says anything but what was published, and its
/// connection for publishes takes three and is closed in the middle of the pipeline.
#[tokio::test]
async fn publishing_continues_on_a_new_connection_when_the_server_closes_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (news, _) = tokio::sync::broadcast::channel::<String>(64);
        while let Ok((mut socket, _)) = listener.accept().await {
            let (news, mut heard) = (news.clone(), news.subscribe());
            tokio::spawn(async move {
                let (mut bytes, mut answered) = (Vec::new(), 0);
                while socket
                    .read_buf(&mut bytes)
                    .await
                    .is_ok_and(|length| length > 0)
                {
                    if bytes.starts_with(b"GET ") {
                        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
                        socket.write_all(head.as_bytes()).await.unwrap();
                        while let Ok(event) = heard.recv().await {
                            socket.write_all(event.as_bytes()).await.unwrap();
                        }
                        return;
                    }
                    // The only brace that closes is the end of a body.
                    while let Some(end) = bytes.iter().position(|byte| *byte == b'}') {
                        let request = String::from_utf8(bytes.drain(..=end).collect()).unwrap();
                        let (_, body) = request.split_once("\r\n\r\n").unwrap();
                        news.send(format!("data: {body}\n\n")).unwrap();
                        answered += 1;
                        let close = if answered == 3 {
                            "Connection: close\r\n"
                        } else {
                            ""
                        };
                        let answer =
                            format!("HTTP/1.1 200 OK\r\n{close}Content-Length: 2\r\n\r\nok");
                        socket.write_all(answer.as_bytes()).await.unwrap();
                        if answered == 3 {
                            // To close over what was not read would reset the connection, and the
                            // answers with it.
                            socket.shutdown().await.unwrap();
                            while socket
                                .read(&mut [0; 256])
                                .await
                                .is_ok_and(|length| length > 0)
                            {}
                            return;
                        }
                    }
                }
            });
        }
    });
    let body = r#"--body={"ts":{ts}}"#;
    let place = Place::new().calling(address);
    let told = result(
        &place,
        &[
            "--connections=2",
            "--rate=100",
            "--duration=200ms",
            "--pipeline=4",
            body,
        ],
    )
    .await;
    assert_eq!(
        (&told["publishes"]["sent"], &told["publishes"]["failed"]),
        (&json!(20), &json!(0)),
        "{told}"
    );
    assert_eq!(
        (&told["deliveries"]["wanted"], &told["deliveries"]["got"]),
        (&json!(40), &json!(40)),
        "{told}"
    );
}

#[tokio::test]
async fn an_invalid_command_line_is_refused_in_one_line() {
    for (argument, words) in [
        (
            "--rate=-1",
            "a rate is a number such as 50 or 0.5, or 0 for as fast as answers arrive",
        ),
        ("--duration=soon", "a duration looks like 500ms, 10s or 2m"),
        (
            "--connections=0",
            "invalid value '0' for '--connections <NUMBER>'",
        ),
        (
            "--pipeline=no",
            "invalid value 'no' for '--pipeline <NUMBER>'",
        ),
    ] {
        let (said, code) = Place::new().fail(&["bench", argument]).await;
        assert!(said.contains(words), "{said}");
        assert_eq!((said.lines().count(), code), (1, Some(2)), "{said}");
    }
    let (said, code) = Place::new()
        .fail(&["bench", "--connections=4000000000", "--token=t"])
        .await;
    assert!(
        said.starts_with("tidings: 4000000000 streams need more file descriptors"),
        "{said}"
    );
    assert_eq!((said.lines().count(), code), (1, Some(1)), "{said}");
}
