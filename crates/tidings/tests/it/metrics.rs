//! `GET /metrics`: what Prometheus scrapes, who may scrape, and that the rules and the dashboard
//! use only metrics that exist.

use std::collections::BTreeSet;

use regex_lite::Regex;
use serde_json::json;

use crate::support::{ADMIN, TestServer, start, start_with, until};

const ALERTS: &str = include_str!("../../../../deploy/prometheus/alerts.yml");

async fn scrape(server: &TestServer) -> String {
    let answer = server.get("/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// The value of one line. `series` includes its labels.
fn value(text: &str, series: &str) -> Option<f64> {
    let rest = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    rest.parse().ok()
}

/// A server whose log is on disk.
async fn on_disk(directory: &std::path::Path) -> TestServer {
    start_with(&[
        ("JOURNAL", "disk"),
        ("DATA_DIR", directory.to_str().unwrap()),
    ])
    .await
}

/// Scrapes until `series` is there: some numbers of the log come from an inspection that it makes
/// every few seconds.
async fn scrape_with(server: &TestServer, series: &str) -> String {
    until(async || value(&scrape(server).await, series).is_some()).await;
    scrape(server).await
}

#[tokio::test]
async fn a_log_on_disk_has_metrics_of_its_state() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_disk(directory.path()).await;
    for nth in 0..3 {
        server.notify(&format!("number {nth}")).await;
    }
    let text = scrape_with(&server, "tidings_journal_oldest_age_seconds").await;
    let is = |series: &str| value(&text, series);
    assert_eq!(is("tidings_journal_events"), Some(3.0), "{text}");
    assert_eq!(is("tidings_journal_trimmed_total"), Some(0.0), "{text}");
    assert_eq!(
        is("tidings_journal_topics_limit"),
        Some(200_000.0),
        "{text}"
    );
    assert_eq!(
        is("tidings_journal_topics_trimmed_total"),
        Some(0.0),
        "{text}"
    );
    assert_eq!(is("tidings_journal_records_total"), Some(3.0), "{text}");
    assert_eq!(is("tidings_journal_failed"), Some(0.0), "{text}");
    assert_eq!(
        is("tidings_journal_append_seconds_count"),
        Some(3.0),
        "{text}"
    );
    assert_eq!(
        is("tidings_journal_append_seconds_bucket{le=\"+Inf\"}"),
        Some(3.0),
        "{text}"
    );
    assert!(
        (Some(1.0)..=Some(3.0)).contains(&is("tidings_journal_batches_total")),
        "{text}"
    );
    assert!(is("tidings_journal_disk_bytes") > Some(0.0), "{text}");
    assert!(
        is("tidings_journal_disk_bytes") < is("tidings_journal_ceiling_bytes"),
        "{text}"
    );
    assert!(is("tidings_journal_free_bytes") > Some(0.0), "{text}");
    assert!(
        is("tidings_journal_oldest_age_seconds") < Some(60.0),
        "{text}"
    );
}

#[tokio::test]
async fn a_log_in_memory_has_no_metrics_of_a_disk() {
    let server = start().await;
    server.notify("one").await;
    let text = scrape(&server).await;
    let told: BTreeSet<_> = text
        .lines()
        .filter(|line| line.starts_with("tidings_journal_"))
        .filter_map(|line| line.split([' ', '{']).next())
        .collect();
    let names = [
        "events",
        "keyed",
        "keyed_limit",
        "oldest_age_seconds",
        "topics",
        "topics_limit",
        "topics_trimmed_total",
        "trimmed_total",
        "writable",
    ];
    let expected = names.map(|name| format!("tidings_journal_{name}"));
    assert_eq!(told, expected.iter().map(String::as_str).collect());
}

#[tokio::test]
async fn the_metrics_change_with_what_happens() {
    let server = start_with(&[("MAX_CONNECTIONS", "7")]).await;
    let mut stream = server.stream("/chat/stream", ADMIN).await;
    stream.expect("connected").await;
    server
        .post(
            "/notifications/broadcast",
            json!({"title": "t", "message": "m"}),
        )
        .await;
    server
        .post("/chat/message", json!({"roomId": "r", "message": "m"}))
        .await;
    stream.expect("chat-message").await;
    server
        .call("POST", "/notifications/broadcast", "", json!({}))
        .await
        .assert_refused(401, "token_missing");
    let text = scrape(&server).await;
    assert_eq!(value(&text, "tidings_streams"), Some(1.0), "{text}");
    assert_eq!(value(&text, "tidings_streams_limit"), Some(7.0), "{text}");
    assert_eq!(
        value(&text, "tidings_streams_by_kind{kind=\"chat\"}"),
        Some(1.0),
        "{text}"
    );
    assert_eq!(
        value(&text, "tidings_streams_opened_total"),
        Some(1.0),
        "{text}"
    );
    assert_eq!(
        value(&text, "tidings_events_published_total"),
        Some(2.0),
        "{text}"
    );
    assert_eq!(
        value(&text, "tidings_publish_seconds_count"),
        Some(2.0),
        "{text}"
    );
    assert_eq!(
        value(&text, "tidings_deliveries_total"),
        Some(1.0),
        "{text}"
    );
    assert!(
        value(&text, "tidings_delivered_bytes_total").unwrap() > 50.0,
        "{text}"
    );
    assert_eq!(
        value(
            &text,
            "tidings_requests_refused_total{code=\"token_missing\"}"
        ),
        Some(1.0),
        "{text}"
    );
    assert_eq!(
        value(&text, "tidings_journal_writable"),
        Some(1.0),
        "{text}"
    );
    drop(stream);
    until(async || {
        value(
            &scrape(&server).await,
            "tidings_streams_ended_total{reason=\"client_left\"}",
        ) == Some(1.0)
    })
    .await;
    let text = scrape(&server).await;
    assert_eq!(
        value(&text, "tidings_streams_by_kind{kind=\"chat\"}"),
        Some(0.0),
        "zero, not gone: {text}"
    );
}

#[tokio::test]
async fn replayed_and_live_deliveries_are_counted_separately() {
    let server = start().await;
    for nth in 0..3 {
        server.notify(&format!("number {nth}")).await;
    }
    let mut back = server
        .stream("/notifications/stream?lastEventId=earliest", ADMIN)
        .await;
    back.expect("connected").await;
    for _ in 0..3 {
        back.expect("notification").await;
    }
    let mut stray = server
        .stream("/notifications/stream?lastEventId=nonsense", ADMIN)
        .await;
    stray.expect("connected").await;
    stray.expect("reset").await;
    let text = scrape(&server).await;
    assert_eq!(
        value(&text, "tidings_deliveries_replayed_total"),
        Some(3.0),
        "{text}"
    );
    assert_eq!(
        value(&text, "tidings_streams_resumed_total"),
        Some(1.0),
        "{text}"
    );
    assert_eq!(
        value(&text, "tidings_streams_reset_total{reason=\"malformed\"}"),
        Some(1.0),
        "{text}"
    );
}

#[tokio::test]
async fn the_text_is_open_metrics() {
    let server = start().await;
    let answer = server.get("/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = answer.text();
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    let comment = Regex::new(r"^# (HELP|TYPE) [a-z_]+ .+$|^# EOF$").unwrap();
    let sample =
        Regex::new(r#"^[a-z_]+(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*\})? [0-9.eE+-]+$"#).unwrap();
    let mut series = BTreeSet::new();
    for line in text.lines().filter(|line| !comment.is_match(line)) {
        assert!(sample.is_match(line), "{line}");
        assert!(
            series.insert(line.rsplit_once(' ').unwrap().0),
            "twice: {line}"
        );
    }
}

#[tokio::test]
async fn each_histogram_has_a_bucket_without_a_bound() {
    let directory = tempfile::tempdir().unwrap();
    let text = scrape(&on_disk(directory.path()).await).await;
    let mut seen = 0;
    for name in text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" histogram"))
    {
        let all = value(&text, &format!("{name}_count"));
        assert!(all.is_some(), "{name}: {text}");
        assert_eq!(
            value(&text, &format!("{name}_bucket{{le=\"+Inf\"}}")),
            all,
            "{name}: {text}"
        );
        seen += 1;
    }
    assert_eq!(seen, 4, "{text}");
}

#[test]
#[ignore = "needs promtool: `cargo xtask test` runs it"]
fn promtool_accepts_the_rules_and_each_alert_fires_when_it_should() {
    let prometheus =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/prometheus");
    for arguments in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml"],
    ] {
        let ran = std::process::Command::new("promtool")
            .args(arguments)
            .current_dir(&prometheus)
            .output();
        let ran = ran
            .expect("promtool is needed: apt-get install prometheus, or brew install prometheus");
        let said = [ran.stdout, ran.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat();
        assert!(ran.status.success(), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn with_a_token_only_its_bearer_reads_the_numbers() {
    let server = start_with(&[("METRICS_TOKEN", "for the scraper")]).await;
    server
        .get("/metrics")
        .await
        .assert_refused(401, "token_missing");
    for wrong in ["for the scrapeR", "for", ADMIN] {
        server
            .call("GET", "/metrics", wrong, json!(null))
            .await
            .assert_refused(401, "token_invalid");
    }
    assert_eq!(
        server
            .call("GET", "/metrics", "for the scraper", json!(null))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_rules_and_the_dashboard_use_only_existing_metrics() {
    let directory = tempfile::tempdir().unwrap();
    let server = on_disk(directory.path()).await;
    let mut stream = server.stream("/chat/stream", ADMIN).await;
    stream.expect("connected").await;
    server.notify("so that there is an oldest").await;
    let text = scrape_with(&server, "tidings_journal_oldest_age_seconds").await;
    let there: BTreeSet<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let name = Regex::new(r"\b(tidings|process)_[a-z_]+").unwrap();
    for file in [
        ALERTS,
        include_str!("../../../../deploy/grafana/tidings.json"),
    ] {
        let mut asked = name.find_iter(file).map(|found| found.as_str()).peekable();
        assert!(asked.peek().is_some());
        for one in asked {
            assert!(there.contains(one), "{one} is not in the scrape");
        }
    }
    let label = Regex::new(r#"\b(tidings_[a-z_]+)\{([a-z]+)=~?"([a-z_|]+)""#).unwrap();
    let mut asked = label.captures_iter(ALERTS).peekable();
    assert!(asked.peek().is_some());
    for [metric, label, words] in asked.map(|found| found.extract().1) {
        for word in words.split('|') {
            let series = format!("{metric}{{{label}=\"{word}\"}}");
            assert!(
                value(&text, &series).is_some(),
                "{series} is not in the scrape"
            );
        }
    }
}

#[test]
fn the_alerts_name_only_existing_settings() {
    let settings = include_str!("../../../../docs/configuration.md");
    let name = Regex::new(r"\b[A-Z]+(_[A-Z]+)+\b").unwrap();
    let mut advised = name
        .find_iter(ALERTS)
        .map(|found| found.as_str())
        .peekable();
    assert!(advised.peek().is_some());
    for one in advised {
        assert!(
            settings.contains(&format!("| `{one}` |")),
            "{one} is no setting"
        );
    }
}
