//! The table: what mends which trouble in which proxy. Lines of configuration as they are, everything else after `#`.

use super::{Proxy, Trouble};

/// Lines for the configuration of a proxy.
pub(crate) fn mend(trouble: Trouble, proxy: Proxy) -> &'static str {
    match trouble {
        Trouble::Buffering => buffering(proxy),
        Trouble::Compression => compression(proxy),
        Trouble::IdleCut => idle_cut(proxy),
        Trouble::Authorization => authorization(proxy),
        Trouble::LastEventId => last_event_id(proxy),
        Trouble::Headers => headers(proxy),
        Trouble::Http1 => http1(proxy),
    }
}

fn buffering(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location; and take out any proxy_ignore_headers X-Accel-Buffering\n\
             proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\";\n\
             proxy_buffering off;"
        }
        Proxy::Caddy => {
            "# Caddy passes text/event-stream on at once, whatever flush_interval says: take out response_buffers of\n\
             # reverse_proxy; and where the Content-Type is changed before it comes to Caddy\n\
             reverse_proxy localhost:3000 {\n    flush_interval -1\n}"
        }
        Proxy::Traefik => {
            "# Traefik passes text/event-stream on at once, whatever flushInterval says: take the buffering middleware off the\n\
             # router; and where the Content-Type is changed before it comes to Traefik, for the service:\n\
             http:\n  services:\n    tidings:\n      loadBalancer:\n        responseForwarding:\n          \
             flushInterval: \"-1\""
        }
        Proxy::Haproxy => {
            "# in the backend; and take out any http-response wait-for-body\n\
             option http-no-delay"
        }
        Proxy::Alb => {
            "# a target group of type lambda holds answers back: use one of type ip or instance\n\
             aws elbv2 create-target-group --name tidings --target-type ip --protocol HTTP --port 3000 --vpc-id VPC"
        }
        Proxy::Cloudflare => {
            "# switch response buffering off (a setting of Enterprise zones, off by default)\n\
             PATCH /client/v4/zones/ZONE/settings/response_buffering {\"value\":\"off\"}"
        }
    }
}

fn compression(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location; or take text/event-stream and * out of gzip_types\n\
             gzip off;"
        }
        Proxy::Caddy => {
            "# Caddy compresses nothing that is marked no-transform; where that is lost before it comes to Caddy\n\
             @calls not path */stream */system/heartbeat\n\
             encode @calls zstd gzip"
        }
        Proxy::Traefik => {
            "http:\n  middlewares:\n    compress:\n      compress:\n        excludedContentTypes:\n          \
             - text/event-stream"
        }
        Proxy::Haproxy => {
            "# HAProxy compresses nothing that is marked no-transform; where that is lost before it comes to HAProxy, name\n\
             # the types to compress, without text/event-stream\n\
             compression type text/html text/css application/javascript application/json"
        }
        Proxy::Alb => "# an ALB does not compress; in a CloudFront before it, set \"Compress\": false for these paths",
        Proxy::Cloudflare => {
            "# Rules > Compression Rules > Disable compression, when\n\
             http.response.content_type.media_type eq \"text/event-stream\""
        }
    }
}

fn idle_cut(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => "# in the location; the default is 60s\nproxy_read_timeout 1h;",
        Proxy::Caddy => {
            "# Caddy waits without end by default; take out what shortens it (also write in the timeouts of servers), or\n\
             reverse_proxy localhost:3000 {\n    transport http {\n        read_timeout 1h\n    }\n}"
        }
        Proxy::Traefik => {
            "# of the entry point, in the static configuration; 0, the default, is without end\n\
             entryPoints:\n  websecure:\n    transport:\n      respondingTimeouts:\n        writeTimeout: 0"
        }
        Proxy::Haproxy => {
            "# timeout client in the frontend, timeout server in the backend; timeout tunnel is for upgraded connections only\n\
             timeout client 1h\n\
             timeout server 1h"
        }
        Proxy::Alb => {
            "# the default is 60 s; a CloudFront before it waits for 30 s (its origin response timeout)\n\
             aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN --attributes \
             Key=idle_timeout.timeout_seconds,Value=300"
        }
        Proxy::Cloudflare => {
            "# it cuts after 120 s of silence (long 100 s), which only Enterprise zones can change: let the server speak sooner\n\
             HEARTBEAT_INTERVAL=25s"
        }
    }
}

fn authorization(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location, in place of any proxy_set_header Authorization \"\"\n\
             proxy_set_header Authorization $http_authorization;"
        }
        Proxy::Caddy => "# take out header_up -Authorization in reverse_proxy, and request_header -Authorization",
        Proxy::Traefik => {
            "# take Authorization out of customRequestHeaders; and of a basicAuth middleware that removes it:\n\
             http:\n  middlewares:\n    auth:\n      basicAuth:\n        removeHeader: false"
        }
        Proxy::Haproxy => "# take out http-request del-header Authorization",
        Proxy::Alb => "# an ALB passes it on; look at what stands before and behind it",
        Proxy::Cloudflare => {
            "# Rules > Transform Rules > Modify Request Header: take out the rule that removes Authorization"
        }
    }
}

fn last_event_id(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location, in place of any proxy_set_header Last-Event-ID \"\"\n\
             proxy_set_header Last-Event-ID $http_last_event_id;"
        }
        Proxy::Caddy => "# take out header_up -Last-Event-ID in reverse_proxy, and request_header -Last-Event-ID",
        Proxy::Traefik => "# take Last-Event-ID out of customRequestHeaders in every headers middleware",
        Proxy::Haproxy => "# take out http-request del-header Last-Event-ID",
        Proxy::Alb => {
            "# an ALB passes it on; in a CloudFront before it, choose an origin request policy that forwards it\n\
             Managed-AllViewer"
        }
        Proxy::Cloudflare => {
            "# Rules > Transform Rules > Modify Request Header: take out the rule that removes Last-Event-ID"
        }
    }
}

fn headers(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location; and take out any proxy_hide_header and add_header of these fields\n\
             proxy_cache off;\n\
             expires off;"
        }
        Proxy::Caddy => "# take out what the header directive sets for Cache-Control and Content-Type on these paths",
        Proxy::Traefik => {
            "# take Cache-Control and Content-Type out of customResponseHeaders in every headers middleware"
        }
        Proxy::Haproxy => {
            "# take out http-response set-header and del-header of Cache-Control and Content-Type, and any\n\
             # http-request cache-use and http-response cache-store"
        }
        Proxy::Alb => {
            "# an ALB changes neither; in a CloudFront before it, choose the cache policy\n\
             Managed-CachingDisabled"
        }
        Proxy::Cloudflare => {
            "# Caching > Cache Rules > Bypass cache, when\n\
             http.request.uri.path contains \"/stream\""
        }
    }
}

fn http1(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# since nginx 1.25.1; before, listen 443 ssl http2;\n\
             listen 443 ssl;\n\
             http2 on;"
        }
        Proxy::Caddy => {
            "# global options; with HTTPS this is the default\n\
             {\n    servers {\n        protocols h1 h2 h3\n    }\n}"
        }
        Proxy::Traefik => {
            "# with TLS this is the default\n\
             tls:\n  options:\n    default:\n      alpnProtocols:\n        - h2\n        - http/1.1"
        }
        Proxy::Haproxy => "bind :443 ssl crt /etc/haproxy/site.pem alpn h2,http/1.1",
        Proxy::Alb => {
            "# with a listener of HTTPS\n\
             aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN --attributes \
             Key=routing.http2.enabled,Value=true"
        }
        Proxy::Cloudflare => "PATCH /client/v4/zones/ZONE/settings/http2 {\"value\":\"on\"}",
    }
}
