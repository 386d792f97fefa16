//! Fixes for parts of a request that are lost: path, query, token, last id, the client's address.

use crate::proxies::Proxy;

pub(super) fn path(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# pass the path on as it came: proxy_pass without a path of its own, not even a slash; then BASE_PATH=/api\n\
             location /api/ {\n    proxy_pass http://127.0.0.1:3000;\n\
             }"
        }
        Proxy::Apache => {
            "# the same path on both sides, and BASE_PATH=/api\n\
             ProxyPass \"/api/\" \"http://127.0.0.1:3000/api/\""
        }
        Proxy::Caddy => {
            "# handle_path and uri strip_prefix take the prefix off: either they, or BASE_PATH=/api\n\
             reverse_proxy /api/* 127.0.0.1:3000"
        }
        Proxy::Traefik => {
            "# either a stripPrefix middleware, or BASE_PATH=/api\n\
             rule: \"Host(`events.example.com`) && PathPrefix(`/api/`)\""
        }
        Proxy::Haproxy => "# either http-request set-path and replace-path, or BASE_PATH=/api",
        Proxy::Envoy => {
            "# either prefix_rewrite, or BASE_PATH=/api\n\
             match: { prefix: \"/api/\" }\n\
             route: { cluster: tidings, timeout: 0s }"
        }
        Proxy::Alb => "# an ALB passes the path on as it came; with a rule for /api/*, set BASE_PATH=/api",
        Proxy::Cloudflare => {
            "# Rules > Transform Rules > Rewrite URL: either a rule that takes the prefix off, or BASE_PATH=/api"
        }
    }
}

pub(super) fn query(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# a rewrite whose replacement ends with ? drops it, and so does a proxy_pass whose path has a variable\n\
             proxy_pass http://127.0.0.1:3000;"
        }
        Proxy::Apache => {
            "# take the ? off the end of the RewriteRule, or the flag QSD\n\
             RewriteRule ^/api/(.*)$ /$1 [PT,QSA]"
        }
        Proxy::Caddy => {
            "# a rewrite to a target that has a ? replaces it: take that out, or name it\n\
             rewrite * {path}?{query}"
        }
        Proxy::Traefik => "# a replacePathRegex keeps it; look at redirectRegex middlewares and plugins",
        Proxy::Haproxy => "# take out http-request set-query and set-uri",
        Proxy::Envoy => "# regex_rewrite and prefix_rewrite keep it; look at Lua filters and path_redirect",
        Proxy::Alb => {
            "# an ALB passes it on; in a CloudFront before it, choose an origin request policy that forwards it\n\
             Managed-AllViewer"
        }
        Proxy::Cloudflare => "# Rules > Transform Rules > Rewrite URL: keep the query",
    }
}

pub(super) fn authorization(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location, in place of any proxy_set_header Authorization \"\"\n\
             proxy_set_header Authorization $http_authorization;"
        }
        Proxy::Apache => "# take out RequestHeader unset Authorization",
        Proxy::Caddy => "# take out header_up -Authorization in reverse_proxy, and request_header -Authorization",
        Proxy::Traefik => {
            "# take Authorization out of customRequestHeaders; and of a basicAuth middleware that removes it:\n\
             http:\n  middlewares:\n    auth:\n      basicAuth:\n        removeHeader: false"
        }
        Proxy::Haproxy => "# take out http-request del-header Authorization",
        Proxy::Envoy => {
            "# take authorization out of request_headers_to_remove; and of jwt_authn, which removes it\n\
             forward: true"
        }
        Proxy::Alb => "# an ALB passes it on; look at what stands before and behind it",
        Proxy::Cloudflare => {
            "# Rules > Transform Rules > Modify Request Header: take out the rule that removes Authorization"
        }
    }
}

pub(super) fn last_event_id(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location, in place of any proxy_set_header Last-Event-ID \"\"\n\
             proxy_set_header Last-Event-ID $http_last_event_id;"
        }
        Proxy::Apache => "# take out RequestHeader unset Last-Event-ID",
        Proxy::Caddy => "# take out header_up -Last-Event-ID in reverse_proxy, and request_header -Last-Event-ID",
        Proxy::Traefik => "# take Last-Event-ID out of customRequestHeaders in every headers middleware",
        Proxy::Haproxy => "# take out http-request del-header Last-Event-ID",
        Proxy::Envoy => "# take last-event-id out of request_headers_to_remove",
        Proxy::Alb => {
            "# an ALB passes it on; in a CloudFront before it, choose an origin request policy that forwards it\n\
             Managed-AllViewer"
        }
        Proxy::Cloudflare => {
            "# Rules > Transform Rules > Modify Request Header: take out the rule that removes Last-Event-ID"
        }
    }
}

pub(super) fn address(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location; and in the server's settings, the address that nginx comes from: TRUSTED_PROXIES=127.0.0.1\n\
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
        }
        Proxy::Apache => {
            "# mod_proxy adds it by itself: take out ProxyAddHeaders Off; and in the server's settings, the address that Apache\n\
             # comes from: TRUSTED_PROXIES=127.0.0.1\n\
             RequestHeader unset X-Forwarded-For early"
        }
        Proxy::Caddy => {
            "# Caddy adds it by itself: take out header_up -X-Forwarded-For; and in the server's settings, the address that Caddy\n\
             # comes from: TRUSTED_PROXIES=127.0.0.1"
        }
        Proxy::Traefik => {
            "# Traefik adds it by itself: take X-Forwarded-For out of customRequestHeaders; and in the server's settings, the address\n\
             # that Traefik comes from: TRUSTED_PROXIES=127.0.0.1"
        }
        Proxy::Haproxy => {
            "# in the frontend; and in the server's settings, the address that HAProxy comes from: TRUSTED_PROXIES=127.0.0.1\n\
             option forwardfor"
        }
        Proxy::Envoy => {
            "# in the connection manager; and in the server's settings, the address that Envoy comes from: TRUSTED_PROXIES=127.0.0.1\n\
             use_remote_address: true"
        }
        Proxy::Alb => {
            "# an ALB appends it by itself; in the server's settings, name the subnets that it is in\n\
             aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN --attributes Key=routing.http.xff_header_processing.mode,Value=append\n\
             TRUSTED_PROXIES=10.0.0.0/16"
        }
        Proxy::Cloudflare => {
            "# it appends to X-Forwarded-For by itself; in the server's settings, name its networks (https://www.cloudflare.com/ips/)\n\
             # and those of your own proxy behind it: TRUSTED_PROXIES=173.245.48.0/20,..."
        }
    }
}
