//! The classic mistakes in each proxy's configuration, as changes of the committed file.

use super::Mistake;
use crate::recipe::Kind;

/// The proxy comes to the server from an address of its own, so that it can be told from its
/// client's.
const FROM_ITS_OWN_ADDRESS: &[(&str, &str)] = &[("TRUSTED_PROXIES", "127.0.0.3")];

pub(super) fn of(kind: Kind) -> Vec<Mistake> {
    match kind {
        Kind::Nginx => nginx(),
        Kind::Apache => apache(),
        Kind::Caddy => caddy(),
        Kind::Haproxy => haproxy(),
        Kind::Traefik => traefik(),
        Kind::Envoy => envoy(),
    }
}

fn nginx() -> Vec<Mistake> {
    const PASS: &str = "proxy_pass http://tidings;";
    vec![
        Mistake::new("buffering is on", &["buffering: problem"])
            .replace(
                "proxy_buffering off;",
                "proxy_ignore_headers X-Accel-Buffering;",
            )
            .replace("proxy_http_version 1.1;", "proxy_http_version 1.0;"),
        Mistake::new("streams are compressed", &["compression: problem"]).replace("gzip off;", ""),
        Mistake::new("a short timeout", &["idle: problem"])
            .replace("proxy_read_timeout 120s;", "proxy_read_timeout 2s;")
            .patient(),
        Mistake::new("BASE_PATH is not set", &["path: problem"])
            .below_api()
            .unmeasured(),
        Mistake::new("the query is dropped", &["query: problem"])
            .replace(PASS, "rewrite ^(.*)$ $1? break; proxy_pass http://tidings;"),
        Mistake::new("the token is dropped", &["authorization: problem"])
            .after(PASS, " proxy_set_header Authorization \"\";"),
        Mistake::new("the last id is dropped", &["last-event-id: problem"])
            .after(PASS, " proxy_set_header Last-Event-ID \"\";"),
        Mistake::new("HTTP/1.0 to the server", &["ending: warning"])
            .replace("proxy_http_version 1.1;", "proxy_http_version 1.0;"),
        Mistake::new("addresses are not passed on", &["address: warning"])
            .replace(
                "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
                "proxy_bind 127.0.0.3;",
            )
            .env(FROM_ITS_OWN_ADDRESS),
        Mistake::new("the server does not know the proxy", &["address: warning"])
            .after(PASS, " proxy_bind 127.0.0.3;"),
        Mistake::new("no HTTP/2", &["http-version: warning"]).replace("ssl http2;", "ssl;"),
        Mistake::new("caches are told to keep it", &["headers: problem"]).after(
            PASS,
            " proxy_hide_header Cache-Control; add_header Cache-Control \"public, max-age=60\";",
        ),
    ]
}

fn apache() -> Vec<Mistake> {
    const LINE: &str = "    ProxyPreserveHost On";
    vec![
        Mistake::new("streams are compressed", &["compression: problem"])
            .replace("SetEnv no-gzip 1", "")
            .after(
                LINE,
                "\n    Header edit Cache-Control \"(, *)?no-transform\" \"\" \n    \
                          Header edit Cache-Control \"^(.*)$\" \"$1, no-transform\"",
            ),
        Mistake::new("a short timeout", &["idle: problem"])
            .replace("timeout=120", "timeout=2")
            .patient(),
        Mistake::new("BASE_PATH is not set", &["path: problem"])
            .below_api()
            .unmeasured(),
        Mistake::new("the last id is dropped", &["last-event-id: problem"])
            .after(LINE, "\n    RequestHeader unset Last-Event-ID"),
        Mistake::new("the token is dropped", &["authorization: problem"])
            .after(LINE, "\n    RequestHeader unset Authorization"),
        Mistake::new("HTTP/1.0 to the server", &["ending: warning"]).after(
            LINE,
            "\n    SetEnv \
            force-proxy-request-1.0 1",
        ),
        Mistake::new("no HTTP/2", &["http-version: warning"])
            .replace("Protocols h2 http/1.1", "Protocols http/1.1"),
    ]
}

fn caddy() -> Vec<Mistake> {
    const PROXY: &str = "reverse_proxy 127.0.0.1:3000 {";
    vec![
        Mistake::new("a short timeout", &["idle: problem"])
            .after("dial_timeout 2s", "\n\t\t\tread_timeout 2s")
            .patient(),
        Mistake::new("BASE_PATH is not set", &["path: problem"])
            .below_api()
            .unmeasured(),
        Mistake::new("the query is dropped", &["query: problem"]).replace(
            &format!("\t{PROXY}"),
            &format!("\trewrite * {{path}}?\n\t{PROXY}"),
        ),
        Mistake::new("the last id is dropped", &["last-event-id: problem"])
            .after(PROXY, "\n\t\theader_up -Last-Event-ID"),
        Mistake::new("the token is dropped", &["authorization: problem"])
            .after(PROXY, "\n\t\theader_up -Authorization"),
        Mistake::new("caches are told to keep it", &["headers: problem"]).after(
            PROXY,
            "\n\t\theader_down Cache-Control \"public, max-age=60\"",
        ),
    ]
}

fn haproxy() -> Vec<Mistake> {
    const FRONT: &str = "    option forwardfor";
    vec![
        Mistake::new("answers are read whole", &["buffering: problem"]).after(
            "backend streams",
            "\n    http-response wait-for-body time 20s at-least 16k",
        ),
        Mistake::new("a short timeout", &["idle: problem"])
            .replace("timeout server  120s", "timeout server  2s")
            .patient(),
        Mistake::new("BASE_PATH is not set", &["path: problem"])
            .below_api()
            .unmeasured(),
        Mistake::new("the query is dropped", &["query: problem"])
            .after(FRONT, "\n    http-request set-query %[str()]"),
        Mistake::new("the last id is dropped", &["last-event-id: problem"])
            .after(FRONT, "\n    http-request del-header Last-Event-ID"),
        Mistake::new("the token is dropped", &["authorization: problem"])
            .after(FRONT, "\n    http-request del-header Authorization"),
        Mistake::new("addresses are not passed on", &["address: warning"])
            .replace(FRONT, "    # no forwardfor")
            .replace(
                "    server tidings 127.0.0.1:3000",
                "    source 127.0.0.3\n    server tidings 127.0.0.1:3000",
            )
            .env(FROM_ITS_OWN_ADDRESS),
        Mistake::new("no HTTP/2", &["http-version: warning"])
            .replace("alpn h2,http/1.1", "alpn http/1.1"),
    ]
}

fn traefik() -> Vec<Mistake> {
    /// Adds a middleware to both routers.
    fn with(mistake: Mistake, middleware: &str) -> Mistake {
        mistake
            .replace(
                "middlewares: [tidings-busy]",
                "middlewares: [wrong, tidings-busy]",
            )
            .after(
                "      rule: \"Host(`events.example.com`)\"\n",
                "      middlewares: [wrong]\n",
            )
            .after("  middlewares:\n", &format!("    wrong:\n{middleware}"))
    }
    vec![
        with(
            Mistake::new("answers are read whole", &["buffering: problem"]),
            "      buffering:\n        maxResponseBodyBytes: 1000000\n",
        ),
        Mistake::new("BASE_PATH is not set", &["path: problem"])
            .below_api()
            .unmeasured(),
        // Of the whole answer, however much is written in between.
        Mistake::new("a short timeout", &["idle: problem"])
            .replace("writeTimeout: 0s", "writeTimeout: 1s"),
        with(
            Mistake::new("the last id is dropped", &["last-event-id: problem"]),
            "      headers:\n        customRequestHeaders:\n          Last-Event-ID: \"\"\n",
        ),
        with(
            Mistake::new("the token is dropped", &["authorization: problem"]),
            "      headers:\n        customRequestHeaders:\n          Authorization: \"\"\n",
        ),
        with(
            Mistake::new("caches are told to keep it", &["headers: problem"]),
            "      headers:\n        customResponseHeaders:\n          Cache-Control: \"public, \
             max-age=60\"\n",
        ),
    ]
}

fn envoy() -> Vec<Mistake> {
    const HOST: &str = "domains: [\"*\"]";
    const INDENT: &str = "\n                      ";
    vec![
        Mistake::new("a short timeout", &["idle: problem"])
            .replace("stream_idle_timeout: 120s", "stream_idle_timeout: 2s")
            .patient(),
        // Events come for two seconds.
        Mistake::new("routes have a limit of time", &["idle: problem"])
            .replace("timeout: 0s", "timeout: 1s"),
        Mistake::new("BASE_PATH is not set", &["path: problem"])
            .below_api()
            .unmeasured(),
        Mistake::new("the last id is dropped", &["last-event-id: problem"]).after(
            HOST,
            &format!("{INDENT}request_headers_to_remove: [last-event-id]"),
        ),
        Mistake::new("the token is dropped", &["authorization: problem"]).after(
            HOST,
            &format!("{INDENT}request_headers_to_remove: [authorization]"),
        ),
        Mistake::new("no HTTP/2", &["http-version: warning"]).replace(
            "alpn_protocols: [h2, http/1.1]",
            "alpn_protocols: [http/1.1]",
        ),
    ]
}
