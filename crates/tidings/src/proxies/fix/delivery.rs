//! Fixes for the delivery of events: buffering, compression, and idle timeouts.

use crate::proxies::Proxy;

pub(super) fn buffering(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location; and remove every proxy_ignore_headers X-Accel-Buffering\n\
             proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\";\n\
             proxy_buffering off;"
        }
        Proxy::Apache => {
            "# in BalancerMember or ProxyPass; and remove every SetOutputFilter of the site\n\
             flushpackets=on"
        }
        Proxy::Caddy => {
            "# Caddy forwards text/event-stream at once, whatever flush_interval says: remove \
             response_buffers from\n# reverse_proxy; and if something between the server and \
             Caddy changes the Content-Type\nreverse_proxy localhost:3000 {\n    flush_interval \
             -1\n}"
        }
        Proxy::Traefik => {
            "# Traefik forwards text/event-stream at once, whatever flushInterval says: remove \
             the buffering middleware from the\n# router; and if something between the server and \
             Traefik changes the Content-Type, set for the service:\nhttp:\n  services:\n    \
             tidings:\n      loadBalancer:\n        responseForwarding:\n          flushInterval: \
             \"-1\""
        }
        Proxy::Haproxy => {
            "# in the backend; and remove every http-response wait-for-body\n\
             option http-no-delay"
        }
        Proxy::Envoy => {
            "# Envoy forwards everything at once: remove filters that read whole answers from \
             http_filters (transcoders,\n# ext_proc with response_body_mode BUFFERED, Lua with \
             body())"
        }
        Proxy::Alb => {
            "# a target group of type lambda buffers answers: use one of type ip or instance\naws \
             elbv2 create-target-group --name tidings --target-type ip --protocol HTTP --port \
             3000 --vpc-id VPC"
        }
        Proxy::Cloudflare => {
            "# turn off response buffering (a setting of Enterprise zones, off by default)\n\
             PATCH /client/v4/zones/ZONE/settings/response_buffering {\"value\":\"off\"}"
        }
    }
}

pub(super) fn compression(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location; or remove text/event-stream and * from gzip_types\n\
             gzip off;"
        }
        Proxy::Apache => {
            "# in the virtual host\n\
             SetEnv no-gzip 1\n\
             SetEnv no-brotli 1"
        }
        Proxy::Caddy => {
            "# Caddy compresses nothing that is marked no-transform; if something between the \
             server and Caddy removes the mark\n@calls not path */stream \
             */system/heartbeat\nencode @calls zstd gzip"
        }
        Proxy::Traefik => {
            "http:\n  middlewares:\n    compress:\n      compress:\n        \
             excludedContentTypes:\n          - text/event-stream"
        }
        Proxy::Haproxy => {
            "# HAProxy compresses nothing that is marked no-transform; if something between the \
             server and HAProxy removes the\n# mark, name the types to compress, without \
             text/event-stream\ncompression type text/html text/css application/javascript \
             application/json"
        }
        Proxy::Envoy => {
            "# in the compressor filter: name the types, without \
             text/event-stream\nresponse_direction_config:\n  common_config:\n    content_type: \
             [text/html, text/css, application/javascript, application/json]"
        }
        Proxy::Alb => {
            "# an ALB does not compress; in a CloudFront before it, set \"Compress\": false for \
             these paths"
        }
        Proxy::Cloudflare => {
            "# Rules > Compression Rules > Disable compression, when\n\
             http.response.content_type.media_type eq \"text/event-stream\""
        }
    }
}

pub(super) fn idle_cut(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => "# in the location; the default is 60s\nproxy_read_timeout 1h;",
        Proxy::Apache => {
            "# of BalancerMember or ProxyPass; the default is Timeout, 60 s\n\
             timeout=3600"
        }
        Proxy::Caddy => {
            "# Caddy has no timeout by default; remove what sets one (also write in the timeouts \
             of servers), or\nreverse_proxy localhost:3000 {\n    transport http {\n        \
             read_timeout 1h\n    }\n}"
        }
        Proxy::Traefik => {
            "# of the entry point, in the static configuration; 0, the default, means no \
             timeout\nentryPoints:\n  websecure:\n    transport:\n      \
             respondingTimeouts:\n        writeTimeout: 0"
        }
        Proxy::Haproxy => {
            "# timeout client in the frontend, timeout server in the backend; timeout tunnel is \
             for upgraded connections only\ntimeout client 1h\ntimeout server 1h"
        }
        Proxy::Envoy => {
            "# in the connection manager, whose default is 5 min; and in the route, whose default \
             is 15 s for a whole answer\nstream_idle_timeout: 1h\nroute: { cluster: tidings, \
             timeout: 0s }"
        }
        Proxy::Alb => {
            "# the default is 60 s; a CloudFront before it waits for 30 s (its origin response \
             timeout)\naws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN \
             --attributes Key=idle_timeout.timeout_seconds,Value=300"
        }
        Proxy::Cloudflare => {
            "# it cuts after 120 s of silence (for years after 100 s), which only Enterprise \
             zones can change: shorten, in the\n# server's settings\nHEARTBEAT_INTERVAL=25s"
        }
    }
}
