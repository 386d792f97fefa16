//! Reports settings that are allowed but unsafe, or that often do not do what was intended.
//!
//! Owns these opinions, each with its reason. What a start refuses or warns of is checked in the
//! server's `config`.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use tidings_journal_disk::Sync;
use tidings_server::config::{Home, Host, Loaded, Mode, Origin, Refusal};

use super::finding::Finding;

/// The idle timeout of common proxies: nginx, HAProxy as most configure it, and AWS's load
/// balancers.
const PROXY_IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// How long `docker stop` waits by default before it kills the process.
const DOCKER_STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long most proxies keep an idle connection for the next request; some keep it a little longer
/// than their setting says.
const PROXY_KEEPALIVE: Duration = Duration::from_secs(75);

/// Reports settings that are allowed but unwise.
pub(super) fn all(loaded: &Loaded) -> Vec<Finding> {
    let checks = [
        demo_tokens,
        publishing,
        tokens,
        metrics,
        listening,
        proxies,
        origins,
        streams,
        stopping,
        journal,
    ];
    checks.iter().flat_map(|check| check(loaded)).collect()
}

fn is_production(loaded: &Loaded) -> bool {
    loaded.config.mode == Mode::Production
}

/// Returns whether other machines can reach the port.
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
    // In production, the start warns of this itself.
    let open = loaded.config.auth.demo && !is_production(loaded) && is_reachable(loaded);
    let message = format!(
        "{} is reachable from other machines, and demo tokens are accepted: anyone who reaches \
         the port can act as any user, an administrator too",
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
        "OPEN_PUBLISH=true lets every caller with a valid token publish to everybody, without a \
         rate limit",
    )
    .advice("Leave it off, and give your backends tokens with the role that ADMIN_ROLE names.");
    open.then_some(found).into_iter().collect()
}

fn tokens(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(secret) = &loaded.config.auth.jwt_secret {
        findings.push(Finding::ok(
            "secret",
            format!("JWT_SECRET has {} bytes", secret.trimmed().len()),
        ));
    }
    for name in ["JWT_SECRET", "METRICS_TOKEN"] {
        if matches!(loaded.origin(name), Some(Origin::Flag(_))) {
            let message = format!(
                "{name} is given on the command line, which every user of this machine can read"
            );
            findings.push(
                Finding::warning("secret", message)
                    .advice("Put it into the environment, .env or tidings.toml."),
            );
        }
    }
    if !loaded.config.auth.jwt_require_exp && is_production(loaded) {
        let message = "JWT_REQUIRE_EXP=false accepts tokens without an expiry: a leaked token is \
                       valid for as long as the secret is";
        findings.push(
            Finding::warning("tokens", message)
                .advice("Issue tokens with `exp`, and keep the default of true."),
        );
    }
    findings
}

fn metrics(loaded: &Loaded) -> Vec<Finding> {
    let open =
        loaded.config.auth.metrics_token.is_none() && is_production(loaded) && is_reachable(loaded);
    let found = Finding::note(
        "metrics",
        "GET /metrics is open to anyone who reaches the port; it names no user, topic or token",
    )
    .advice("Set METRICS_TOKEN, or block the path in the proxy.");
    open.then_some(found).into_iter().collect()
}

fn listening(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    if is_production(loaded) && is_reachable(loaded) {
        let message = format!(
            "{} is reachable from other machines, and Tidings itself does not speak TLS",
            host(loaded)
        );
        let advice = "Put a proxy in front. If it runs on this machine, HOST=localhost keeps all \
                      others out.";
        findings.push(Finding::note("host", message).advice(advice));
    }
    if is_production(loaded) && loaded.config.http.port == 0 {
        findings.push(
            Finding::warning("port", "PORT=0 listens on another port after each start")
                .advice("Choose a port."),
        );
    }
    if loaded.config.http.idle_timeout < PROXY_KEEPALIVE && is_production(loaded) {
        let message = format!(
            "IDLE_TIMEOUT={} is shorter than proxies keep a connection: if the server closes one \
             just when a proxy sends a request over it, the client gets a 502",
            loaded.value("IDLE_TIMEOUT").unwrap_or_default()
        );
        findings
            .push(Finding::note("idle", message).advice(
                "Keep the default of 620s, unless your proxies keep connections for less.",
            ));
    }
    findings
}

fn proxies(loaded: &Loaded) -> Vec<Finding> {
    let trusted = &loaded.config.http.trusted_proxies;
    let mut findings = Vec::new();
    if trusted.is_empty() {
        if is_production(loaded) {
            let message = "no proxy is trusted: behind a proxy on another machine, all visitors \
                           share one address, which MAX_CONNECTIONS_PER_IP limits";
            findings.push(
                Finding::note("proxy", message)
                    .advice("Set TRUSTED_PROXIES to its addresses, if there is one."),
            );
        }
        return findings;
    }
    if let Some(all) = trusted.iter().find(|network| network.prefix_len() == 0) {
        let message = format!(
            "TRUSTED_PROXIES={all} trusts every address: a client can claim any address as its own"
        );
        findings
            .push(Finding::warning("proxy", message).advice("List the addresses of your proxies."));
    }
    let trusts = |address: IpAddr| {
        trusted
            .iter()
            .any(|network: &IpNet| network.contains(&address))
    };
    let loopback = [
        IpAddr::from([127, 0, 0, 1]),
        IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
    ];
    let (four, six) = (trusts(loopback[0]), trusts(loopback[1]));
    if !is_reachable(loaded) && !four && !six {
        let message = format!(
            "{} accepts connections from this machine only, and TRUSTED_PROXIES has no loopback \
             address: no proxy is trusted",
            host(loaded)
        );
        findings.push(
            Finding::warning("proxy", message).advice("Add 127.0.0.1 and ::1 to TRUSTED_PROXIES."),
        );
    } else if loaded.config.http.host == Host::Loopback && four != six {
        let missing = if four { "::1" } else { "127.0.0.1" };
        let message = format!(
            "TRUSTED_PROXIES lacks {missing}, which a proxy may connect from if it is told \
             `localhost`"
        );
        findings.push(Finding::note("proxy", message).advice(format!("Add {missing} to it.")));
    }
    findings
}

fn origins(loaded: &Loaded) -> Vec<Finding> {
    let cors = &loaded.config.cors;
    let mut findings = Vec::new();
    if cors.origins.is_empty() && is_production(loaded) {
        let message =
            "CORS_ORIGIN is empty: only pages of the server's own origin can open its streams";
        findings.push(
            Finding::note("origins", message)
                .advice("List the origins of your pages, unless all share one with the server."),
        );
    }
    for origin in cors.origins.iter().filter(|_| cors.credentials) {
        if origin == "null" {
            let message = "CORS_ORIGIN=null allows every sandboxed page and every local file: \
                           anyone can make one that acts for its visitors";
            findings.push(
                Finding::warning("origins", message)
                    .advice("Remove it, or set CORS_CREDENTIALS=false."),
            );
        } else if let Some(after) = bare_dot(origin) {
            let message =
                format!("CORS_ORIGIN={origin}: the dot before {after} matches any character");
            findings.push(
                Finding::warning("origins", message).advice("Write `\\.` for a literal dot."),
            );
        } else if let Some(name) = origin.split_once("://*.").map(|(_, name)| name)
            && !name.contains('.')
        {
            let message = format!("CORS_ORIGIN={origin} allows every domain below .{name}");
            findings.push(Finding::warning("origins", message).advice("Name your own domain."));
        } else if origin.starts_with("http://") && is_production(loaded) {
            let message = format!(
                "CORS_ORIGIN={origin} is a page without TLS: anyone on the network path can \
                 change it and act for its visitors"
            );
            findings.push(
                Finding::note("origins", message)
                    .advice("Serve it over https, and list that origin."),
            );
        }
    }
    findings
}

/// Returns the name after the first dot of a regular expression that is neither escaped nor
/// repeated, and so probably should not match any character.
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
                let after: String = pattern[at + 1..]
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
                    .collect();
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
    if streams.heartbeat_interval >= PROXY_IDLE_TIMEOUT {
        let message = format!(
            "HEARTBEAT_INTERVAL={} is not shorter than the idle timeout of common proxies (60 s), \
             which then cut the stream",
            loaded.value("HEARTBEAT_INTERVAL").unwrap_or_default()
        );
        findings.push(
            Finding::warning("heartbeats", message)
                .advice("Keep the default of 25s, or raise the idle timeout of every proxy."),
        );
    }
    if streams.refusal == Refusal::Status {
        let message = "STREAM_REFUSAL=status refuses a stream with a status after which a \
                       browser's EventSource never reconnects";
        findings.push(
            Finding::note("streams", message)
                .advice("Keep the default of `busy` if browsers open streams."),
        );
    }
    findings
}

fn stopping(loaded: &Loaded) -> Vec<Finding> {
    let long = loaded.config.lifecycle.drain >= DOCKER_STOP_TIMEOUT;
    let message = format!(
        "DRAIN_SECONDS={} does not fit into the 10 s that `docker stop` waits before it kills the \
         process",
        loaded.value("DRAIN_SECONDS").unwrap_or_default()
    );
    let found = Finding::note("stopping", message).advice(
        "Raise the limit of what stops it (`docker stop --time`, stop_grace_period, \
         terminationGracePeriodSeconds, TimeoutStopSec).",
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
            "JOURNAL=memory loses all events at each restart: clients that come back get a `reset`",
        )
        .advice("Keep the default of disk if that matters."),
        (Home::Disk, Sync::Never | Sync::Interval(_)) => {
            let message = format!(
                "JOURNAL_SYNC={} answers publishes before they are on the device: a power failure \
                 loses the last ones",
                loaded.value("JOURNAL_SYNC").unwrap_or_default()
            );
            Finding::note("journal", message).advice("Keep the default of always if that matters.")
        }
        (Home::Disk, Sync::Always) => return Vec::new(),
    };
    vec![found]
}

#[cfg(test)]
mod tests;
