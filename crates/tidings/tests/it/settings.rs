//! The settings, through the real binary: where they come from, which values prevent the start, and
//! what they change.

use std::net::IpAddr;

use serde_json::json;

use crate::support::binary::Place;
use crate::support::{ADMIN, Stream, config, http, in_time, start_with, until};

const SECRET: &str = "Zm9yIHRlc3RzIG9ubHkgYW5kIG5vIG90aGVyIHVzZQ";

/// The lines of the settings `names` in `settings`, which `tidings config` has printed.
fn lines(settings: &str, names: &[&str]) -> Vec<String> {
    let of = |name: &&str| {
        let start = format!("{name} = ");
        settings
            .lines()
            .find(|line| line.starts_with(&start))
            .unwrap_or_else(|| panic!("{name}"))
            .to_owned()
    };
    names.iter().map(of).collect()
}

#[test]
fn a_server_starts_without_any_setting() {
    let settings = Place::new().settings(&[]);
    assert_eq!(
        lines(
            &settings,
            &[
                "PORT",
                "HOST",
                "BASE_PATH",
                "MAX_BODY_BYTES",
                "AUTH_DEMO",
                "HEARTBEAT_INTERVAL",
                "CORS_ORIGIN"
            ]
        ),
        [
            "PORT = 3000  # default",
            "HOST = localhost  # default",
            "BASE_PATH = (none)  # default",
            "MAX_BODY_BYTES = 250KiB  # default",
            "AUTH_DEMO = true  # default",
            "HEARTBEAT_INTERVAL = 25s  # default",
            "CORS_ORIGIN = (none)  # default",
        ]
    );
    assert!(!settings.contains("warning"), "{settings}");
}

#[test]
fn flags_come_before_the_environment_then_dotenv_then_the_file_then_the_default() {
    let port = |place: &Place, flags: &[&str]| lines(&place.settings(flags), &["PORT"]).remove(0);
    let file = || Place::new().file("tidings.toml", "port = 4\n");
    let dotenv = || file().file(".env", "PORT=3\n");
    let environment = dotenv().env("PORT", "2");
    assert_eq!(
        port(&environment, &["--port", "1"]),
        "PORT = 1  # flag --port"
    );
    assert_eq!(port(&environment, &["--port=1"]), "PORT = 1  # flag --port");
    assert_eq!(port(&environment, &[]), "PORT = 2  # environment");
    assert_eq!(port(&dotenv(), &[]), "PORT = 3  # .env line 1");
    assert_eq!(port(&file(), &[]), "PORT = 4  # tidings.toml");
    assert_eq!(port(&Place::new(), &[]), "PORT = 3000  # default");
}

#[test]
fn durations_sizes_and_lists_are_parsed() {
    for (text, shown) in [
        ("500ms", "500ms"),
        ("25s", "25s"),
        ("25", "25s"),
        ("2m", "2m"),
        ("1h", "1h"),
    ] {
        let settings = Place::new().env("HEARTBEAT_INTERVAL", text).settings(&[]);
        assert_eq!(
            lines(&settings, &["HEARTBEAT_INTERVAL"])[0],
            format!("HEARTBEAT_INTERVAL = {shown}  # environment")
        );
    }
    let settings = Place::new()
        .env("MAX_BODY_BYTES", "1MiB")
        .env("CORS_ORIGIN", "https://a.example, https://b.example")
        .settings(&["--jwt-expires-in", "24h"]);
    assert_eq!(
        lines(
            &settings,
            &["MAX_BODY_BYTES", "CORS_ORIGIN", "JWT_EXPIRES_IN"]
        ),
        [
            "MAX_BODY_BYTES = 1MiB  # environment",
            "CORS_ORIGIN = https://a.example,https://b.example  # environment",
            "JWT_EXPIRES_IN = 24h  # flag --jwt-expires-in",
        ]
    );
}

/// Checks that a refusal contains all `parts`, such as the name, the value, its source and what is
/// allowed.
#[track_caller]
fn assert_says(refusal: &str, parts: &[&str]) {
    for part in parts {
        assert!(refusal.contains(part), "{part:?} is not in {refusal:?}");
    }
}

#[test]
fn a_value_out_of_range_stops_the_start_wherever_it_came_from() {
    let new = Place::new;
    assert_says(
        &new().refusal(&["--port", "70000"]),
        &["PORT", "70000", "--port", "allowed", "0 to 65535"],
    );
    assert_says(
        &new().env("HEARTBEAT_INTERVAL", "2d").refusal(&[]),
        &[
            "HEARTBEAT_INTERVAL",
            "2d",
            "environment",
            "allowed",
            "100ms to 1h",
        ],
    );
    assert_says(
        &new().file(".env", "A=1\nMAX_BODY_BYTES=1B").refusal(&[]),
        &[
            "MAX_BODY_BYTES",
            "1B",
            ".env line 2",
            "allowed",
            "1KiB to 64MiB",
        ],
    );
    assert_says(
        &new()
            .file("tidings.toml", "open_publish = 'perhaps'")
            .refusal(&[]),
        &[
            "OPEN_PUBLISH",
            "perhaps",
            "tidings.toml",
            "allowed",
            "`true` or `false`",
        ],
    );
    assert_says(
        &new().env("NODE_ENV", "staging").refusal(&["serve"]),
        &[
            "NODE_ENV",
            "staging",
            "environment",
            "`development` or `production`",
        ],
    );
    assert_says(
        &new().env("JOURNAL", "papyrus").refusal(&[]),
        &["JOURNAL", "papyrus", "environment", "allowed"],
    );
    assert_says(
        &new().env("LOG_LEVEL", "loud").refusal(&[]),
        &["LOG_LEVEL", "loud", "environment", "allowed"],
    );
    assert_says(
        &new().env("BASE_PATH", "api").refusal(&[]),
        &["BASE_PATH", "api", "environment", "allowed"],
    );
    assert_says(
        &new().env("HOST", "example.com").refusal(&[]),
        &["HOST", "example.com", "environment", "allowed"],
    );
    assert_says(
        &new().env("CORS_ORIGIN", "*").refusal(&[]),
        &["CORS_ORIGIN", "*", "environment", "CORS_CREDENTIALS"],
    );
}

#[test]
fn an_unknown_flag_or_key_stops_the_start() {
    let new = Place::new;
    assert_says(
        &new().refusal(&["--prot", "1"]),
        &["--prot", "command line", "--port"],
    );
    assert_says(
        &new().refusal(&["serve", "--colour"]),
        &["--colour", "command line"],
    );
    assert_says(
        &new().file("tidings.toml", "prot = 1").refusal(&[]),
        &["prot", "1", "tidings.toml", "port"],
    );
    assert_says(
        &new()
            .file("tidings.toml", "[server]\nport = 1")
            .refusal(&[]),
        &["server", "tidings.toml"],
    );
    assert_says(&new().refusal(&["bake"]), &["bake"]);
}

#[test]
fn unknown_names_in_the_environment_and_dotenv_are_ignored_and_misspelled_ones_warned_of() {
    let place = Place::new()
        .env("DATABASE_URL", "x")
        .env("HEARTBEAT_INTERVALL", "5s")
        .file(".env", "FOO=1\nOPEN_PUBLSH=true\n");
    let settings = place.settings(&[]);
    let warnings: Vec<_> = settings
        .lines()
        .filter(|line| line.starts_with("# warning"))
        .collect();
    assert_eq!(warnings.len(), 2, "{settings}");
    assert_says(
        warnings[0],
        &["HEARTBEAT_INTERVALL", "environment", "HEARTBEAT_INTERVAL?"],
    );
    assert_says(
        warnings[1],
        &["OPEN_PUBLSH", ".env line 2", "OPEN_PUBLISH?"],
    );
    let process = place.start(&[]);
    assert_says(&process.said(), &["HEARTBEAT_INTERVALL", "OPEN_PUBLSH"]);
}

#[test]
fn other_programs_lines_in_dotenv_do_not_stop_the_start_and_are_not_shown() {
    let file = "APP_NAME=My Cool App\nAUTHOR=Conan \
                O'Brien\nMY-KEY=hunter2\nwords\nOPEN=\"hunter2\nHEARTBEAT_INTERVAL=7s\n";
    let place = Place::new().file(".env", file);
    let settings = place.settings(&[]);
    assert_eq!(
        lines(&settings, &["HEARTBEAT_INTERVAL"]),
        ["HEARTBEAT_INTERVAL = 7s  # .env line 6"]
    );
    let said = place.start(&[]).said();
    assert_says(&said, &["WARN", "lines 1, 2, 3, 4 and 5"]);
    assert!(
        !said.contains("hunter2") && !said.contains("Conan"),
        "{said}"
    );
    for ours in [
        "HEARTBEAT_INTERVAL=7 s and more",
        "HOST=\"localhost",
        "HOST localhost",
        "export PORT=it's",
    ] {
        let refusal = Place::new()
            .file(".env", &format!("A=b c\n{ours}\n"))
            .refusal(&[]);
        assert_says(&refusal, &[".env, line 2,"]);
    }
}

#[test]
fn the_journal_is_in_the_home_directory_where_its_path_begins_with_a_tilde() {
    let home = tempfile::tempdir().unwrap();
    let place = Place::bare()
        .env("HOME", home.path().to_str().unwrap())
        .file(".env", "DATA_DIR=~/tidings/data\n");
    let directory = place.path().to_owned();
    let process = place.start(&[]);
    assert!(
        home.path().join("tidings/data").is_dir(),
        "{}",
        process.said()
    );
    assert!(!directory.join("~").exists());
    for path in ["~/data", "$HOME/data", "file:///srv/data", "'/srv/data'"] {
        let place = Place::bare().env("DATA_DIR", path);
        assert_says(
            &place.refusal(&[]),
            &[
                &format!("DATA_DIR={}", path.replace('\'', "\\'")),
                "environment",
                "allowed",
            ],
        );
        assert_eq!(
            std::fs::read_dir(place.path()).unwrap().count(),
            0,
            "{path}"
        );
    }
}

#[test]
fn production_does_not_start_with_the_demo_token_as_the_only_way_in() {
    for name in ["NODE_ENV", "APP_ENV"] {
        assert_says(
            &Place::new().env(name, "production").refusal(&[]),
            &["JWT_SECRET"],
        );
        assert_says(
            &Place::new()
                .env(name, "production")
                .env("AUTH_DEMO", "true")
                .refusal(&[]),
            &["JWT_SECRET", "AUTH_DEMO=true"],
        );
    }
}

#[test]
fn production_does_not_start_with_a_short_or_published_secret() {
    for secret in [
        "your-jwt-secret",
        "0123456789012345678901234567890",
        "0123456789abcdef0123456789abcdef",
        "a-string-secret-at-least-256-bits-long",
        "secretsecretsecretsecretsecretsecret",
    ] {
        let refusal = Place::new()
            .env("NODE_ENV", "production")
            .env("JWT_SECRET", secret)
            .refusal(&[]);
        assert_says(&refusal, &["JWT_SECRET", "environment", "32 bytes"]);
        assert!(!refusal.contains(secret), "{refusal}");
    }
}

#[test]
fn production_listens_everywhere_and_demo_tokens_that_are_on_are_warned_of_at_each_start() {
    let place = Place::new()
        .env("NODE_ENV", "production")
        .env("JWT_SECRET", SECRET);
    assert_eq!(
        lines(&place.settings(&[]), &["HOST", "AUTH_DEMO"]),
        ["HOST = ::  # default", "AUTH_DEMO = false  # default"]
    );
    let process = place.start(&[]);
    let said = process.said();
    assert!(
        process
            .addresses
            .iter()
            .all(|address| address.ip().is_unspecified()),
        "{said}"
    );
    assert!(said.contains("production"), "{said}");
    assert!(!said.contains(ADMIN) && !said.contains(SECRET), "{said}");
    let place = Place::new()
        .env("NODE_ENV", "production")
        .env("JWT_SECRET", SECRET)
        .env("AUTH_DEMO", "true");
    let said = place.start(&["--host", "127.0.0.1"]).said();
    assert_says(&said, &["WARN", "AUTH_DEMO=true", ADMIN]);
}

#[tokio::test]
async fn development_listens_on_loopback_of_both_families_and_says_so() {
    let process = Place::new().start(&["serve"]);
    let said = process.said();
    let loopback: Vec<_> = process
        .addresses
        .iter()
        .map(std::net::SocketAddr::ip)
        .collect();
    assert!(
        loopback.contains(&"127.0.0.1".parse::<IpAddr>().unwrap()),
        "{said}"
    );
    assert!(loopback.iter().all(IpAddr::is_loopback), "{said}");
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        assert!(
            loopback.contains(&"::1".parse::<IpAddr>().unwrap()),
            "{said}"
        );
    }
    let ports: std::collections::HashSet<_> = process
        .addresses
        .iter()
        .map(std::net::SocketAddr::port)
        .collect();
    assert_eq!(ports.len(), 1, "one port for both");
    for address in &process.addresses {
        let health = in_time(http::request(*address, "GET", "/health", &[], b"")).await;
        assert_eq!(health.json()["environment"], "development");
    }
    assert_says(
        &said,
        &[
            "http://localhost:",
            "/notifications/stream",
            "/realtime/stream",
            "/chat/stream",
            "/system/status/stream",
            "development",
            "capacity",
            "journal",
            ADMIN,
        ],
    );
}

#[tokio::test]
async fn the_banner_and_the_log_go_to_standard_error_and_the_log_may_be_json() {
    let process = Place::new()
        .env("LOG_FORMAT", "json")
        .env("LOG_LEVEL", "debug")
        .start(&[]);
    in_time(http::request(
        process.addresses[0],
        "GET",
        "/nope?token=secret",
        &[("X-Request-Id", "mine")],
        b"",
    ))
    .await;
    // A thread of its own writes the log.
    until(async || process.said().contains("answered")).await;
    let said = process.last_words();
    let line = said
        .lines()
        .find(|line| line.contains("answered"))
        .expect("a line of the log");
    let entry: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&entry["level"], &entry["request"], &entry["path"]),
        (&json!("DEBUG"), &json!("mine"), &json!("/nope"))
    );
    assert!(!said.contains("token=secret"));
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_server_without_traces_says_how_to_get_them_if_a_collector_is_set() {
    for name in [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ] {
        let said = Place::new()
            .env(name, "http://127.0.0.1:4318")
            .start(&[])
            .said();
        assert_says(
            &said,
            &[
                "WARN",
                "without traces",
                "cargo build --profile dist --features otlp",
            ],
        );
    }
    let off = Place::new()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
        .env("OTEL_SDK_DISABLED", "true");
    assert!(!off.start(&[]).said().contains("WARN"));
}

#[tokio::test]
async fn the_base_path_is_stripped_from_every_path() {
    let server = start_with(&[("BASE_PATH", "/api/v1/")]).await;
    assert_eq!(server.get("/api/v1/health").await.status, 200);
    assert_eq!(server.get("/api/v1/health?x=1").await.status, 200);
    assert_eq!(
        server.get("/api/v1").await.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(
        server.get("/api/v1/").await.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(server.get("/api/v1?x=1").await.status, 200);
    assert_eq!(server.get("/api/v1/api").await.json()["name"], "Tidings");
    assert_eq!(
        server.get("/health").await.status,
        200,
        "probes may ask directly"
    );
    server
        .get("/api/v1/nope")
        .await
        .assert_refused(404, "not_found");
    server
        .get("/api/v1x/health")
        .await
        .assert_refused(404, "not_found");
    server
        .get("/api/v1/api/v1/health")
        .await
        .assert_refused(404, "not_found");
    let mut stream = server
        .stream(&format!("/api/v1/chat/room/r/stream?token={ADMIN}"), "")
        .await;
    stream.expect("connected").await;
    server
        .post(
            "/api/v1/chat/message",
            json!({"roomId": "r", "message": "m"}),
        )
        .await;
    stream.expect("chat-message").await;
    server
        .request("PUT", "/api/v1/health", &[], b"")
        .await
        .assert_refused(405, "method_not_allowed");
    let preflight = [
        ("Origin", "http://localhost"),
        ("Access-Control-Request-Method", "POST"),
    ];
    let preflight = server
        .request("OPTIONS", "/api/v1/chat/message", &preflight, b"")
        .await;
    assert_eq!(
        preflight.header("access-control-allow-origin"),
        Some("http://localhost")
    );
}

#[tokio::test]
async fn a_port_in_use_stops_the_start_with_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refusal =
        Place::new()
            .env("LOG_LEVEL", "error")
            .refusal(&["--host", "127.0.0.1", "--port", &port]);
    assert_says(&refusal, &[&format!("127.0.0.1:{port}"), "PORT"]);
}

#[test]
fn a_signal_ends_the_process_with_status_0() {
    for signal in ["TERM", "INT"] {
        let mut process = Place::new().start(&[]);
        process.signal(signal);
        assert_eq!(process.ended().code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_first_signal_drains_and_a_second_one_ends_at_once() {
    let place = Place::new()
        .env("DRAIN_SECONDS", "10m")
        .env("SHUTDOWN_TIMEOUT", "1h");
    let mut process = place.start(&[]);
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = in_time(Stream::open(
            process.addresses[0],
            "/notifications/stream",
            &[],
        ))
        .await;
        stream.expect("connected").await;
        streams.push(stream);
    }
    let [one, two] = streams.as_mut_slice() else {
        unreachable!()
    };
    process.signal("TERM");
    let event = tokio::select! {
        event = one.next() => event,
        event = two.next() => event,
    };
    assert_eq!(event.event, "draining");
    let ready = in_time(http::request(
        process.addresses[0],
        "GET",
        "/health/ready",
        &[],
        b"",
    ))
    .await;
    ready.assert_refused(503, "draining");
    process.signal("INT");
    let status = in_time(tokio::task::spawn_blocking(move || process.ended()))
        .await
        .unwrap();
    assert_ne!(status.code(), Some(0), "the other stream was left behind");
}

#[test]
fn node_env_and_app_env_are_two_names_for_the_mode() {
    let mode = |settings: &[(&str, &str)]| config(settings).unwrap().mode.as_str();
    let secret = ("JWT_SECRET", SECRET);
    assert_eq!(mode(&[]), "development");
    assert_eq!(mode(&[("NODE_ENV", "development")]), "development");
    assert_eq!(mode(&[("NODE_ENV", "production"), secret]), "production");
    assert_eq!(mode(&[("APP_ENV", "production"), secret]), "production");
}
