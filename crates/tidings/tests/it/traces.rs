//! Traces as a collector receives them: sent by the real binary, and decoded. `TIDINGS_TEST_LANE`
//! has no effect here.

mod collector;

use std::net::SocketAddr;

use serde_json::{Value, json};

use collector::{Collector, attribute, hex};

use crate::support::binary::{Place, Process};
use crate::support::http::{self, Answer};
use crate::support::{ADMIN, PATIENCE, Stream, demo, in_time, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A place for a server that sends its spans to the collector almost at once.
fn place(collector: SocketAddr) -> Place {
    Place::new()
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            &format!("http://{collector}"),
        )
        .env("OTEL_BSP_SCHEDULE_DELAY", "20")
        .env("HOST", "127.0.0.1")
        .env("DRAIN_SECONDS", "0")
}

async fn call(server: &Process, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
    let bearer = format!("Bearer {ADMIN}");
    let known = [
        ("Content-Type", "application/json"),
        ("Authorization", bearer.as_str()),
    ];
    let headers = [&known[..], headers].concat();
    in_time(http::request(
        server.addresses[0],
        "POST",
        path,
        &headers,
        body.to_string().as_bytes(),
    ))
    .await
}

async fn publish(server: &Process, headers: &[(&str, &str)]) {
    let answer = call(
        server,
        "/notifications/send",
        headers,
        json!({"title": "t", "message": "m"}),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn stream(server: &Process, path: &str, headers: &[(&str, &str)]) -> Stream {
    let headers = [&[("Accept", "text/event-stream")], headers].concat();
    in_time(Stream::open(server.addresses[0], path, &headers)).await
}

async fn until_nobody_is_left(server: &Process) {
    until(async || {
        let stats = http::request(server.addresses[0], "GET", "/system/stats", &[], b"").await;
        stats.json()["totalConnections"] == 0
    })
    .await;
}

/// Stops the server. Spans that were not sent by then are lost.
fn stop(server: &mut Process) {
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(0), "{}", server.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_is_one_span_in_the_trace_of_its_caller() {
    let collector = Collector::start().await;
    let server = place(collector.address)
        .env("LOG_LEVEL", "off")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=seven")
        .env(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        )
        .start(&[]);
    let parent = format!("00-{TRACE}-{CALLER}-01");
    publish(
        &server,
        &[("traceparent", &parent), ("tracestate", "vendor=1")],
    )
    .await;
    let span = collector.span("POST /notifications/send").await;
    assert_eq!(
        (hex(&span.trace_id), hex(&span.parent_span_id)),
        (TRACE.to_owned(), CALLER.to_owned())
    );
    assert_eq!((span.kind, span.trace_state.as_str()), (2, "vendor=1"));
    for (name, value) in [
        ("http.request.method", json!("POST")),
        ("http.route", json!("/notifications/send")),
        ("http.response.status_code", json!(200)),
        ("network.protocol.version", json!("1.1")),
        ("url.scheme", json!("http")),
    ] {
        assert_eq!(attribute(&span.attributes, name), value, "{name}");
    }
    assert_eq!(attribute(&span.attributes, "error.type"), Value::Null);
    for step in ["read the body", "append and show"] {
        let step = collector.span(step).await;
        assert_eq!(
            (&step.trace_id, &step.parent_span_id),
            (&span.trace_id, &span.span_id)
        );
        assert!(step.start_time_unix_nano >= span.start_time_unix_nano);
        assert!(step.end_time_unix_nano <= span.end_time_unix_nano);
    }
    let resource = collector.resource();
    assert_eq!(attribute(&resource, "service.name"), "tidings");
    assert_eq!(
        attribute(&resource, "service.version"),
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(attribute(&resource, "deployment.environment.name"), "test");
    assert!(
        collector
            .posts()
            .iter()
            .all(|post| post.headers["x-tenant"] == "seven")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_publish_says_so_and_the_first_has_its_steps() {
    let collector = Collector::start().await;
    let mut server = place(collector.address)
        .env("OTEL_SERVICE_NAME", "events")
        .start(&[]);
    let key = [("Idempotency-Key", "one")];
    publish(&server, &key).await;
    publish(&server, &key).await;
    stop(&mut server);
    let spans = collector.spans();
    let requests: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "POST /notifications/send")
        .collect();
    let results = requests
        .iter()
        .map(|span| attribute(&span.attributes, "tidings.publish"))
        .collect::<Vec<_>>();
    assert_eq!(results, [Value::Null, json!("repeated")]);
    let appends: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "append and show")
        .collect();
    assert_eq!(
        appends
            .iter()
            .map(|span| &span.parent_span_id)
            .collect::<Vec<_>>(),
        [&requests[0].span_id]
    );
    assert_ne!(requests[0].trace_id, requests[1].trace_id);
    assert_eq!(attribute(&collector.resource(), "service.name"), "events");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_set_up_of_a_stream_is_a_span_that_is_over_while_the_stream_is_open() {
    for lane in ["parked", "hyper"] {
        let collector = Collector::start().await;
        let mut server = place(collector.address).env("STREAM_LANE", lane).start(&[]);
        let mut open = stream(&server, "/notifications/stream", &[]).await;
        open.expect("connected").await;
        let span = collector.span("GET /notifications/stream").await;
        assert_eq!(
            attribute(&span.attributes, "http.response.status_code"),
            200
        );
        assert_eq!(
            attribute(&span.attributes, "tidings.stream"),
            "notifications"
        );
        assert_eq!(attribute(&span.attributes, "tidings.stream.start"), "now");
        let turns = span
            .events
            .iter()
            .filter(|event| event.name == "its turn came")
            .count();
        assert_eq!(turns, usize::from(lane == "parked"), "{lane}");
        publish(&server, &[]).await;
        open.expect("notification").await; // it is still open
        drop(open);
        until_nobody_is_left(&server).await;
        stop(&mut server);
        let of_streams = collector
            .spans()
            .iter()
            .filter(|span| span.name.ends_with("/stream"))
            .count();
        assert_eq!(of_streams, 1, "{lane}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_says_where_a_stream_begins() {
    let collector = Collector::start().await;
    let mut server = place(collector.address).start(&[]);
    for (path, cursor) in [
        ("/system/status/stream", ""),
        ("/realtime/stream", "earliest"),
        ("/notifications/stream", "nonsense"),
        ("/system/heartbeat", ""),
    ] {
        let cursor = if cursor.is_empty() {
            &[][..]
        } else {
            &[("Last-Event-ID", cursor)]
        };
        stream(&server, path, cursor)
            .await
            .expect("connected")
            .await;
    }
    stop(&mut server);
    let said = |path: &str| {
        let name = format!("GET {path}");
        let span = collector
            .spans()
            .into_iter()
            .find(|span| span.name == name)
            .unwrap();
        [
            "tidings.stream",
            "tidings.stream.start",
            "tidings.stream.reset",
        ]
        .map(|name| {
            attribute(&span.attributes, name)
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
    };
    assert_eq!(
        said("/system/status/stream"),
        ["system-status", "snapshot", ""]
    );
    assert_eq!(
        said("/realtime/stream"),
        ["realtime-updates", "resumed", ""]
    );
    assert_eq!(
        said("/notifications/stream"),
        ["notifications", "reset", "malformed"]
    );
    assert_eq!(said("/system/heartbeat"), ["heartbeat", "now", ""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_of_what_is_refused_says_why() {
    let collector = Collector::start().await;
    let mut server = place(collector.address)
        .env("MAX_CONNECTIONS_PER_USER", "1")
        .start(&[]);
    let address = server.addresses[0];
    let answer = in_time(http::request(address, "GET", "/chat/stream", &[], b"")).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        call(&server, "/chat/message", &[], json!({"roomId": "r"}))
            .await
            .status,
        400
    );
    let token = format!("/realtime/stream?token={ADMIN}");
    let mut first = stream(&server, &token, &[]).await;
    first.expect("connected").await;
    stream(&server, &token, &[]).await.expect("busy").await;
    // These requests neither publish nor open a stream.
    in_time(http::request(address, "HEAD", "/realtime/stream", &[], b"")).await;
    in_time(http::request(address, "GET", "/chat/message", &[], b"")).await;
    in_time(http::request(address, "GET", "/health", &[], b"")).await;
    stop(&mut server);
    let mut refused: Vec<_> = collector
        .spans()
        .iter()
        .filter(|span| span.kind == 2)
        .map(|span| {
            let [status, code] = ["http.response.status_code", "error.type"]
                .map(|name| attribute(&span.attributes, name));
            let failed = span.status.as_ref().is_some_and(|status| status.code == 2);
            (span.name.clone(), status, code, failed)
        })
        .collect();
    refused.sort_by_key(|(name, _, code, _)| format!("{name} {code}"));
    let row = |name: &str, status: u16, code: Value| (name.to_owned(), json!(status), code, false);
    assert_eq!(
        refused,
        [
            row("GET /chat/stream", 401, json!("token_missing")),
            row("GET /realtime/stream", 200, json!("too_many_connections")),
            row("GET /realtime/stream", 200, Value::Null),
            row("POST /chat/message", 400, json!("validation_failed")),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_came_with_a_request_gets_to_the_collector() {
    let collector = Collector::start().await;
    let mut server = place(collector.address)
        .env("LOG_LEVEL", "trace")
        .start(&[]);
    let token = demo("sesame-user", "user,admin");
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "sesame-key"),
        ("User-Agent", "sesame-agent"),
        ("X-Request-Id", "sesame-request"),
        ("Cookie", "session=sesame-cookie"),
        ("baggage", "user=sesame-baggage"),
    ];
    let quoted = |fields: Value| fields.to_string();
    for (path, body) in [
        (
            "/notifications/send?targetUserId=sesame-target",
            json!({"title": "sesame-title", "message": "sesame-body"}),
        ),
        (
            "/realtime/entity/sesame-entity/create",
            json!({"id": "sesame-body"}),
        ),
        ("/chat/room/sesame-room/join", json!({})),
        ("/chat/room/sesame-room/typing", json!({})),
        (
            "/chat/message",
            json!({"roomId": "sesame-room", "message": "sesame-body"}),
        ),
        (
            "/system/status/update",
            json!({"service": "sesame-service", "status": "online"}),
        ),
    ] {
        let answer = in_time(http::request(
            server.addresses[0],
            "POST",
            path,
            &headers,
            quoted(body).as_bytes(),
        ))
        .await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    let path = format!("/chat/room/sesame-room/stream?token={token}");
    let more = [
        ("Last-Event-ID", "sesame-cursor"),
        ("X-Request-Id", "sesame-request"),
    ];
    stream(&server, &path, &more)
        .await
        .expect("connected")
        .await;
    let refused = "/realtime/stream?ticket=sesame-ticket&entities=sesame-entity";
    assert_eq!(
        in_time(http::request(server.addresses[0], "GET", refused, &[], b""))
            .await
            .status,
        401
    );
    stop(&mut server);
    assert_eq!(
        collector
            .spans()
            .iter()
            .filter(|span| span.kind == 2)
            .count(),
        8
    );
    for post in collector.posts() {
        let sent = String::from_utf8_lossy(&post.body);
        for secret in ["sesame", token.as_str(), "127.0.0.1"] {
            assert!(!sent.contains(secret), "{secret}: {sent}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_decides_whether_a_span_is_sampled_unless_the_operator_does() {
    for (sampler, expected) in [
        ("parentbased_always_on", vec![TRACE]),
        ("always_off", vec![]),
    ] {
        let collector = Collector::start().await;
        let mut server = place(collector.address)
            .env("OTEL_TRACES_SAMPLER", sampler)
            .start(&[]);
        let unsampled = format!("00-{}-{CALLER}-00", TRACE.replace('4', "5"));
        publish(&server, &[("traceparent", &unsampled)]).await;
        publish(
            &server,
            &[("traceparent", &format!("00-{TRACE}-{CALLER}-01"))],
        )
        .await;
        stop(&mut server);
        let spans = collector.spans();
        let traces: Vec<_> = spans
            .iter()
            .filter(|span| span.kind == 2)
            .map(|span| hex(&span.trace_id))
            .collect();
        assert_eq!(traces, expected, "{sampler}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_sent_when_the_server_stops() {
    let collector = Collector::start().await;
    let mut server = place(collector.address)
        .env("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        .start(&[]);
    publish(&server, &[]).await;
    assert_eq!(collector.posts().len(), 0);
    stop(&mut server);
    assert_eq!(
        collector
            .spans()
            .iter()
            .filter(|span| span.kind == 2)
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_costs_a_warning() {
    let down = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut server = place(down).start(&[]);
    publish(&server, &[]).await;
    until(async || server.said().contains("traces are lost")).await;
    publish(&server, &[]).await;
    stop(&mut server); // this tries to send the second span, in vain
    let said = server.last_words();
    assert_eq!(said.matches("traces are lost").count(), 1, "{said}");
    assert!(
        said.contains(&format!("endpoint=\"http://{down}/v1/traces\"")),
        "{said}"
    );
    assert!(!said.contains("ERROR"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_behind_tls_has_to_be_trusted() {
    let roots = tempfile::NamedTempFile::new().unwrap();
    let start = |collector: &Collector| {
        place(collector.address)
            .env(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                &format!("https://localhost:{}", collector.address.port()),
            )
            .env("SSL_CERT_FILE", roots.path().to_str().unwrap())
            .start(&[])
    };
    let (collector, certificate) = Collector::secure().await;
    std::fs::write(roots.path(), certificate).unwrap();
    let server = start(&collector);
    publish(&server, &[]).await;
    collector.span("POST /notifications/send").await;

    let (other, _) = Collector::secure().await;
    let server = start(&other);
    publish(&server, &[]).await;
    until(async || server.said().contains("invalid peer certificate")).await;
    assert!(other.posts().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_delays_neither_requests_nor_the_stop() {
    // the system accepts, but nothing reads
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = place(silent.local_addr().unwrap())
        .env(
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            &(2 * PATIENCE).as_millis().to_string(),
        )
        .env("OTEL_BSP_MAX_QUEUE_SIZE", "2")
        .start(&[]);
    until(async || {
        publish(&server, &[]).await;
        server.said().contains("SpanDroppingStarted") // the queue is bounded
    })
    .await;
    for _ in 0..20 {
        publish(&server, &[]).await;
    }
    server.signal("TERM");
    let ended = in_time(tokio::task::spawn_blocking(move || {
        (server.ended(), server.last_words())
    }))
    .await;
    let (status, said) = ended.unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(said.matches("SpanDroppingStarted").count(), 1, "{said}");
    assert!(!said.contains("ERROR"), "{said}");
}

#[test]
fn the_start_reports_the_collector_and_warns_of_invalid_variables() {
    let traces = |name: &str, value: &str| {
        let process = Place::new()
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
            .env(name, value)
            .start(&[]);
        process.said()
    };
    let said = traces("OTEL_SERVICE_NAME", "x");
    assert!(
        said.contains("traces     http://127.0.0.1:9/v1/traces\n") && !said.contains("WARN"),
        "{said}"
    );
    let said = traces("OTEL_SDK_DISABLED", "true");
    assert!(!said.contains("traces") && !said.contains("WARN"), "{said}");
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://127.0.0.1:65536/v1/traces",
        ),
        ("OTEL_TRACES_EXPORTER", "console"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://sesame:sesame@127.0.0.1:9/v1/traces",
        ),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "99999999999999"),
    ] {
        let said = traces(name, value);
        assert!(!said.contains("sesame"), "{said}");
        assert!(
            said.contains("WARN") && said.contains("no traces are sent"),
            "{said}"
        );
        assert!(!said.contains("traces     http"), "{said}");
    }
}
