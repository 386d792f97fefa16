//! Fixes for the head of an answer, its end, and its version of HTTP.

use crate::proxies::Proxy;

pub(super) fn headers(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location; and remove every proxy_hide_header and add_header of these fields\n\
             proxy_cache off;\n\
             expires off;"
        }
        Proxy::Apache => {
            "# remove what Header sets and ExpiresActive adds for Cache-Control and Content-Type; \
             and every CacheEnable"
        }
        Proxy::Caddy => {
            "# remove what the header directive sets for Cache-Control and Content-Type on these \
             paths"
        }
        Proxy::Traefik => {
            "# remove Cache-Control and Content-Type from customResponseHeaders in every headers \
             middleware"
        }
        Proxy::Haproxy => {
            "# remove http-response set-header and del-header of Cache-Control and Content-Type, \
             and every\n# http-request cache-use and http-response cache-store"
        }
        Proxy::Envoy => {
            "# remove them from response_headers_to_add and response_headers_to_remove; and \
             remove every cache filter"
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

pub(super) fn ending(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location; the default before nginx 1.29.7 was HTTP/1.0, which does not mark \
             the end of a body\nproxy_http_version 1.1;\nproxy_set_header Connection \"\";"
        }
        Proxy::Apache => {
            "# remove these, and every proxy-sendchunks; HTTP/1.1 is the default\n\
             # SetEnv force-proxy-request-1.0 1\n\
             # SetEnv downgrade-1.0 1"
        }
        Proxy::Caddy => "# HTTP/1.1 is the default: remove other versions from transport http",
        Proxy::Traefik => {
            "# HTTP/1.1 is the default; look for another proxy between Traefik and the server"
        }
        Proxy::Haproxy => {
            "# HTTP/1.1 is the default; look for another proxy between HAProxy and the server"
        }
        Proxy::Envoy => {
            "# HTTP/1.1 is the default: remove accept_http_10 and default_host_for_http_10"
        }
        Proxy::Alb => {
            "# a target group of type lambda completes every answer: use one of type ip or instance"
        }
        Proxy::Cloudflare => {
            "# it speaks HTTP/1.1 to the server; look for another proxy between Cloudflare and \
             the server"
        }
    }
}

pub(super) fn http1(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# since nginx 1.25.1; in earlier versions: listen 443 ssl http2;\n\
             listen 443 ssl;\n\
             http2 on;"
        }
        Proxy::Apache => {
            "# run a2enmod http2; then, in the virtual host\n\
             Protocols h2 http/1.1"
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
        Proxy::Envoy => {
            "# in common_tls_context; and codec_type: AUTO in the connection manager\n\
             alpn_protocols: [h2, http/1.1]"
        }
        Proxy::Alb => {
            "# with an HTTPS listener\n\
             aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN --attributes \
             Key=routing.http2.enabled,Value=true"
        }
        Proxy::Cloudflare => "PATCH /client/v4/zones/ZONE/settings/http2 {\"value\":\"on\"}",
    }
}
