//! `tidings doctor`: it finds nothing with the committed configurations, and the right thing with
//! each mistake that people make.

mod mistakes;

use std::process::Stdio;

use serde_json::Value;
use tidings_server::auth::demo;
use tokio::process::Command;

use crate::old_snippet;
use crate::patience::in_time;
use crate::prefix::below_api;
use crate::recipe::{Edit, Kind, Proxy, Recipe, finishes_what_breaks_off};
use crate::server::Server;

/// The checks whose warnings say that the way is slow. On a busy machine it is, and the doctor is
/// right.
const SLOWNESS: [&str; 2] = ["first-byte", "buffering"];

mod healthy {
    of_each!(super::nothing_is_found: nginx Nginx, apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
}

mod mistaken {
    of_each!(super::the_doctor_finds_each_mistake: nginx Nginx, apache Apache, caddy Caddy, haproxy Haproxy, traefik Traefik, envoy Envoy);
}

/// What the doctor is to find behind a configuration with a mistake in it.
struct Mistake {
    /// For the message of a test that fails.
    what: &'static str,
    edits: Vec<Edit>,
    /// Whether the committed configuration is used below `/api`.
    below_api: bool,
    environment: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
    /// `check: level` of each finding that is none of the usual.
    found: &'static [&'static str],
    code: i32,
}

impl Mistake {
    fn new(what: &'static str, found: &'static [&'static str]) -> Self {
        let code = i32::from(found.iter().any(|finding| finding.ends_with(": problem")));
        Self {
            what,
            edits: Vec::new(),
            below_api: false,
            environment: &[],
            arguments: &[],
            found,
            code,
        }
    }

    fn edit(mut self, edit: Edit) -> Self {
        self.edits.push(edit);
        self
    }

    fn replace(self, from: &str, to: &str) -> Self {
        self.edit(Edit::replace(from, to))
    }

    fn after(self, what: &str, line: &str) -> Self {
        self.edit(Edit::after(what, line))
    }

    /// The proxy serves below `/api`, and passes that on.
    fn below_api(self) -> Self {
        Self {
            below_api: true,
            ..self
        }
    }

    fn env(self, environment: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            environment,
            ..self
        }
    }

    /// Waits for silence to be cut.
    fn patient(self) -> Self {
        Self {
            arguments: &["--patient=20"],
            ..self
        }
    }

    /// Nothing could be measured.
    fn unmeasured(self) -> Self {
        Self { code: 2, ..self }
    }
}

async fn nothing_is_found(kind: Kind) {
    let server = Server::on_a_port().started().await;
    let proxy = Recipe::of(kind).before(&server).await;
    let (found, code, report) = examine(&proxy, &server, "", &[]).await;
    assert!(found.is_empty(), "{report:#}");
    assert_eq!((code, &report["healthy"]), (0, &true.into()), "{report:#}");
    // Nothing was left out, and it was HTTP/2 as browsers speak it.
    let findings = report["findings"].as_array().unwrap();
    assert!(
        findings.iter().all(|finding| finding["level"] != "skipped"),
        "{report:#}"
    );
    let version = findings
        .iter()
        .find(|finding| finding["check"] == "http-version")
        .unwrap();
    assert_eq!(version["message"], "HTTP/2.0");
    let recognised = [Kind::Nginx, Kind::Apache, Kind::Caddy, Kind::Envoy].contains(&kind);
    assert_eq!(report["proxyRecognised"], recognised, "{report:#}");
}

async fn the_doctor_finds_each_mistake(kind: Kind) {
    for mistake in mistakes::of(kind) {
        let mut server = Server::on_a_port();
        for (name, value) in mistake.environment {
            server = server.env(name, value);
        }
        let mut recipe = Recipe::of(kind);
        if mistake.below_api {
            recipe = below_api(kind);
        }
        let server = server.started().await;
        let recipe = mistake.edits.iter().cloned().fold(recipe, Recipe::with);
        let proxy = recipe.before(&server).await;
        let prefix = if mistake.below_api { "/api" } else { "" };
        let (found, code, report) = examine(&proxy, &server, prefix, mistake.arguments).await;
        assert_eq!(found, mistake.found, "{}: {report:#}", mistake.what);
        assert_eq!(code, mistake.code, "{}: {report:#}", mistake.what);
        for check in mistake.found {
            let check = check.split(':').next().unwrap();
            let finding = report["findings"]
                .as_array()
                .unwrap()
                .iter()
                .find(|finding| finding["check"] == check);
            assert!(
                finding.unwrap()["mend"].is_string(),
                "{}: {report:#}",
                mistake.what
            );
        }
    }
}

/// They lack `X-Forwarded-For`, and have nothing else that is wrong.
#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn the_old_configuration_of_nginx_does_not_forward_client_addresses() {
    let server = Server::on_a_port()
        .env("BASE_PATH", "/api")
        .env("TRUSTED_PROXIES", "127.0.0.3")
        .started()
        .await;
    let recipe =
        old_snippet::recipe().with(Edit::after("proxy_cache off;", " proxy_bind 127.0.0.3;"));
    let proxy = recipe.before(&server).await;
    let (found, code, report) = examine(&proxy, &server, "/api", &[]).await;
    assert_eq!(
        (found, code),
        (
            ["address: warning".to_owned(), "ending: warning".to_owned()].to_vec(),
            0
        ),
        "{report:#}"
    );
}

#[tokio::test]
#[ignore = "needs nginx: `cargo xtask test` runs it"]
async fn nginx_without_a_server_and_a_refusing_server_have_different_findings() {
    let server = Server::on_a_port();
    let proxy = Recipe::of(Kind::Nginx).before(&server).await;
    let (found, code, report) = examine(&proxy, &server, "", &[]).await;
    assert_eq!(
        (found, code),
        (vec!["reach: problem".to_owned()], 2),
        "{report:#}"
    );
    assert_eq!(
        report["findings"].as_array().unwrap().last().unwrap()["message"],
        "the proxy answers instead of the server"
    );
}

/// The warnings and problems through the proxy, as `check: level`, the exit code, and the whole
/// report. A slow machine is none.
async fn examine(
    proxy: &Proxy,
    server: &Server,
    prefix: &str,
    arguments: &[&str],
) -> (Vec<String>, i32, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command
        .args(["doctor", "--json", &format!("{}{prefix}", proxy.url())])
        .args(arguments)
        .env_clear()
        .env("TIDINGS_TOKEN", demo::TOKEN)
        .env("SSL_CERT_FILE", proxy.certificate())
        .current_dir(server.directory())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = in_time(command.output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let bad =
        report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| match finding["level"].as_str() {
                Some("warning") => !SLOWNESS.iter().any(|check| finding["check"] == *check),
                level => level == Some("problem"),
            });
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let old_caddy = proxy.kind == Kind::Caddy && finishes_what_breaks_off();
    let bad = bad.filter(|finding| !(old_caddy && finding["check"] == "ending"));
    let bad = bad
        .map(|finding| format!("{}: {}", text(&finding["check"]), text(&finding["level"])))
        .collect();
    (bad, output.status.code().unwrap(), report)
}
