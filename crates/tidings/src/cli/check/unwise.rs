//! Settings that a server starts with and that few people mean.
//!
//! Owns opinions, each with its reason. What is refused or warned of at a start stands in `config`.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use tidings_journal::disk::Sync;

use super::finding::Finding;
use crate::config::{Home, Host, Loaded, Mode, Origin, Refusal};

/// After so much silence common proxies cut a connection: nginx, HAProxy as most configure it, and AWS's balancers.
const PROXY_PATIENCE: Duration = Duration::from_mins(1);

/// What `docker stop` gives a container, unless it is told otherwise.
const DOCKER_PATIENCE: Duration = Duration::from_secs(10);

/// So long most proxies keep a connection for the next request, some of them a little longer than they say.
const KEPT_BY_PROXIES: Duration = Duration::from_secs(75);

/// What is unwise about settings that are allowed.
pub(super) fn all(loaded: &Loaded) -> Vec<Finding> {
    let checks = [demo_tokens, publishing, tokens, metrics, listening, proxies, origins, streams, stopping, journal];
    checks.iter().flat_map(|check| check(loaded)).collect()
}

fn is_production(loaded: &Loaded) -> bool {
    loaded.config.mode == Mode::Production
}

/// Whether other machines can reach the port.
fn is_reachable(loaded: &Loaded) -> bool {
    match &loaded.config.http.host {
        Host::Loopback => false,
        Host::Everywhere => true,
        Host::Listed(addresses) => !addresses.iter().all(IpAddr::is_loopback),
    }
}

fn host(loaded: &Loaded) -> String {
    format!("HOST={}", loaded.value("HOST").unwrap_or_default())
}

fn demo_tokens(loaded: &Loaded) -> Vec<Finding> {
    // In production it is warned of at each start.
    let open = loaded.config.auth.demo && !is_production(loaded) && is_reachable(loaded);
    let message = format!(
        "{} is within reach of other machines, and demo tokens are taken: whoever reaches the port can be anybody, an admin too",
        host(loaded)
    );
    let found = Finding::warning("demo-tokens", message)
        .advice("Set APP_ENV=production, or AUTH_DEMO=false, or HOST=localhost.");
    open.then_some(found).into_iter().collect()
}

fn publishing(loaded: &Loaded) -> Vec<Finding> {
    let open = loaded.config.auth.open_publish && is_production(loaded);
    let found = Finding::warning(
        "publishing",
        "OPEN_PUBLISH=true lets every visitor with a token publish to all others, without a limit",
    )
    .advice("Leave it off, and give your backends tokens with the role that ADMIN_ROLE names.");
    open.then_some(found).into_iter().collect()
}

fn tokens(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(secret) = &loaded.config.auth.jwt_secret {
        findings.push(Finding::ok("secret", format!("JWT_SECRET has {} bytes", secret.trimmed().len())));
    }
    for name in ["JWT_SECRET", "METRICS_TOKEN"] {
        if matches!(loaded.origin(name), Some(Origin::Flag(_))) {
            let message = format!("{name} stands on the command line, which every user of this machine can read");
            findings
                .push(Finding::warning("secret", message).advice("Put it into the environment, .env or tidings.toml."));
        }
    }
    if !loaded.config.auth.jwt_require_exp && is_production(loaded) {
        let message =
            "JWT_REQUIRE_EXP=false takes tokens without an end: one that leaks is good for as long as the secret is";
        findings.push(Finding::warning("tokens", message).advice("Have tokens carry `exp`, and leave it at true."));
    }
    findings
}

fn metrics(loaded: &Loaded) -> Vec<Finding> {
    let open = loaded.config.auth.metrics_token.is_none() && is_production(loaded) && is_reachable(loaded);
    let found =
        Finding::note("metrics", "GET /metrics is open to whoever reaches the port; it names no user, topic or token")
            .advice("Set METRICS_TOKEN, or keep the path to yourself in the proxy.");
    open.then_some(found).into_iter().collect()
}

fn listening(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    if is_production(loaded) && is_reachable(loaded) {
        let message =
            format!("{} is within reach of other machines, and Tidings speaks no TLS of its own", host(loaded));
        let advice = "Put a proxy in front; where it runs on this machine, HOST=localhost keeps all others out.";
        findings.push(Finding::note("host", message).advice(advice));
    }
    if is_production(loaded) && loaded.config.http.port == 0 {
        findings.push(Finding::warning("port", "PORT=0 is another port at each start").advice("Name one."));
    }
    if loaded.config.http.idle_timeout < KEPT_BY_PROXIES && is_production(loaded) {
        let message = format!(
            "IDLE_TIMEOUT={} is shorter than proxies keep a connection: now and then a request meets its end, a 502",
            loaded.value("IDLE_TIMEOUT").unwrap_or_default()
        );
        findings.push(Finding::note("idle", message).advice("Leave it at 620s, unless yours keep it for less."));
    }
    findings
}

fn proxies(loaded: &Loaded) -> Vec<Finding> {
    let trusted = &loaded.config.http.trusted_proxies;
    let mut findings = Vec::new();
    if trusted.is_empty() {
        if is_production(loaded) {
            let message = "no proxy is trusted: behind one on another machine all visitors are one address, which \
                           MAX_CONNECTIONS_PER_IP limits";
            findings
                .push(Finding::note("proxy", message).advice("Set TRUSTED_PROXIES to its addresses, if there is one."));
        }
        return findings;
    }
    if let Some(all) = trusted.iter().find(|network| network.prefix_len() == 0) {
        let message =
            format!("TRUSTED_PROXIES={all} trusts everybody: a client can write from where it comes, and be anywhere");
        findings.push(Finding::warning("proxy", message).advice("List the addresses of your proxies."));
    }
    let trusts = |address: IpAddr| trusted.iter().any(|network: &IpNet| network.contains(&address));
    let loopback = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
    let (four, six) = (trusts(loopback[0]), trusts(loopback[1]));
    if !is_reachable(loaded) && !four && !six {
        let message = format!(
            "{} lets only programs on this machine in, and TRUSTED_PROXIES names none of its addresses: no proxy is believed",
            host(loaded)
        );
        findings.push(Finding::warning("proxy", message).advice("Add 127.0.0.1 and ::1 to TRUSTED_PROXIES."));
    } else if loaded.config.http.host == Host::Loopback && four != six {
        let missing = if four { "::1" } else { "127.0.0.1" };
        let message = format!("TRUSTED_PROXIES lacks {missing}, from where a proxy comes that is told `localhost`");
        findings.push(Finding::note("proxy", message).advice(format!("Add {missing} to it.")));
    }
    findings
}

fn origins(loaded: &Loaded) -> Vec<Finding> {
    let cors = &loaded.config.cors;
    let mut findings = Vec::new();
    if cors.origins.is_empty() && is_production(loaded) {
        let message = "CORS_ORIGIN is empty: only pages of the server's own origin can open its streams";
        findings.push(
            Finding::note("origins", message)
                .advice("List the origins of your pages, unless all share one with the server."),
        );
    }
    for origin in cors.origins.iter().filter(|_| cors.credentials) {
        if origin == "null" {
            let message = "CORS_ORIGIN=null is every page in a sandbox and every file: anybody can make one, and its visitors' \
                           cookies go along";
            findings.push(Finding::warning("origins", message).advice("Leave it out, or set CORS_CREDENTIALS=false."));
        } else if let Some(after) = bare_dot(origin) {
            let message = format!("CORS_ORIGIN={origin}: the dot before {after} stands for any character");
            findings.push(Finding::warning("origins", message).advice("Write `\\.` for a dot."));
        } else if let Some(name) = origin.split_once("://*.").map(|(_, name)| name)
            && !name.contains('.')
        {
            let message = format!("CORS_ORIGIN={origin} lets in everybody who has a name below .{name}");
            findings.push(Finding::warning("origins", message).advice("Name the domain that is yours."));
        } else if origin.starts_with("http://") && is_production(loaded) {
            let message = format!(
                "CORS_ORIGIN={origin} is a page without TLS: whoever is between can change it, and act for its visitors"
            );
            findings.push(Finding::note("origins", message).advice("Serve it by https, and list that."));
        }
    }
    findings
}

/// What stands behind the first dot of a regular expression that is not escaped and not repeated, and so hardly meant for any
/// character.
fn bare_dot(origin: &str) -> Option<String> {
    let pattern = origin.strip_prefix('/')?.strip_suffix('/')?;
    let (mut escaped, mut class) = (false, false);
    for (at, c) in pattern.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '.' if !class => {
                let after: String =
                    pattern[at + 1..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
                if !after.is_empty() {
                    return Some(after);
                }
            }
            _ => {}
        }
    }
    None
}

fn streams(loaded: &Loaded) -> Vec<Finding> {
    let streams = &loaded.config.streams;
    let mut findings = Vec::new();
    if streams.heartbeat_interval >= PROXY_PATIENCE {
        let message = format!(
            "HEARTBEAT_INTERVAL={} is longer than the 60 s of silence after which common proxies cut a stream",
            loaded.value("HEARTBEAT_INTERVAL").unwrap_or_default()
        );
        findings.push(
            Finding::warning("heartbeats", message).advice("Leave it at 25s, or raise the patience of every proxy."),
        );
    }
    if streams.refusal == Refusal::Status {
        let message =
            "STREAM_REFUSAL=status refuses streams by a status, at which a browser's EventSource gives up for good";
        findings.push(Finding::note("streams", message).advice("Leave it at `busy` where browsers open streams."));
    }
    findings
}

fn stopping(loaded: &Loaded) -> Vec<Finding> {
    let long = loaded.config.lifecycle.drain >= DOCKER_PATIENCE;
    let message = format!(
        "DRAIN_SECONDS={} is longer than the 10 s that `docker stop` gives, or leaves nothing of them",
        loaded.value("DRAIN_SECONDS").unwrap_or_default()
    );
    let found = Finding::note("stopping", message).advice(
        "Give more there (`docker stop --time`, stop_grace_period, terminationGracePeriodSeconds, TimeoutStopSec), or less here.",
    );
    long.then_some(found).into_iter().collect()
}

fn journal(loaded: &Loaded) -> Vec<Finding> {
    if !is_production(loaded) {
        return Vec::new();
    }
    let journal = &loaded.config.journal;
    let found = match (journal.home, journal.sync) {
        (Home::Memory, _) => Finding::warning(
            "journal",
            "JOURNAL=memory forgets everything at each start: clients that come back get a `reset`",
        )
        .advice("Leave it at disk, if that matters."),
        (Home::Disk, Sync::Never | Sync::Interval(_)) => {
            let message = format!(
                "JOURNAL_SYNC={} answers publishes before the device has them: a loss of power costs the last ones",
                loaded.value("JOURNAL_SYNC").unwrap_or_default()
            );
            Finding::note("journal", message).advice("Leave it at always, if that matters.")
        }
        (Home::Disk, Sync::Always) => return Vec::new(),
    };
    vec![found]
}

#[cfg(test)]
mod tests;
