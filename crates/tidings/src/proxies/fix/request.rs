//! Fixes for parts of a request that do not reach the server: path, query, token, last id, the
//! client's address.

use crate::proxies::Proxy;

pub(super) fn path(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# forward the path unchanged: proxy_pass without a path, not even a slash; then set \
             BASE_PATH=/api\nlocation /api/ {\n    proxy_pass http://127.0.0.1:3000;\n}"
        }
        Proxy::Apache => {
            "# the same path on both sides; and set BASE_PATH=/api\n\
             ProxyPass \"/api/\" \"http://127.0.0.1:3000/api/\""
        }
        Proxy::Caddy => {
            "# either handle_path or uri strip_prefix, which remove the prefix, or BASE_PATH=/api\n\
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
        Proxy::Alb => {
            "# an ALB forwards the path unchanged; with a rule for /api/*, set BASE_PATH=/api"
        }
        Proxy::Cloudflare => {
            "# Rules > Transform Rules > Rewrite URL: either a rule that removes the prefix, or \
             BASE_PATH=/api"
        }
    }
}

pub(super) fn query(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# the query is dropped by a rewrite whose replacement ends with ?, and by a \
             proxy_pass whose path has a variable\nproxy_pass http://127.0.0.1:3000;"
        }
        Proxy::Apache => {
            "# remove the ? at the end of the RewriteRule, or its flag QSD\n\
             RewriteRule ^/api/(.*)$ /$1 [PT,QSA]"
        }
        Proxy::Caddy => {
            "# a rewrite whose target has a ? replaces the query: remove the rewrite, or keep the \
             query\nrewrite * {path}?{query}"
        }
        Proxy::Traefik => {
            "# replacePathRegex keeps the query; check redirectRegex middlewares and plugins"
        }
        Proxy::Haproxy => "# remove http-request set-query and set-uri",
        Proxy::Envoy => {
            "# regex_rewrite and prefix_rewrite keep the query; check Lua filters and path_redirect"
        }
        Proxy::Alb => {
            "# an ALB forwards the query; in a CloudFront before it, choose an origin request \
             policy that forwards it\nManaged-AllViewer"
        }
        Proxy::Cloudflare => "# Rules > Transform Rules > Rewrite URL: keep the query",
    }
}

pub(super) fn authorization(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location, instead of any proxy_set_header Authorization \"\"\n\
             proxy_set_header Authorization $http_authorization;"
        }
        Proxy::Apache => "# remove RequestHeader unset Authorization",
        Proxy::Caddy => {
            "# remove header_up -Authorization from reverse_proxy, and request_header \
             -Authorization"
        }
        Proxy::Traefik => {
            "# remove Authorization from customRequestHeaders; and in a basicAuth middleware, \
             which drops it by itself:\nhttp:\n  middlewares:\n    auth:\n      \
             basicAuth:\n        removeHeader: false"
        }
        Proxy::Haproxy => "# remove http-request del-header Authorization",
        Proxy::Envoy => {
            "# remove authorization from request_headers_to_remove; and in jwt_authn, which drops \
             it by itself:\nforward: true"
        }
        Proxy::Alb => "# an ALB forwards it; check the proxies before and behind it",
        Proxy::Cloudflare => {
            "# Rules > Transform Rules > Modify Request Header: delete the rule that removes \
             Authorization"
        }
    }
}

pub(super) fn last_event_id(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location, instead of any proxy_set_header Last-Event-ID \"\"\n\
             proxy_set_header Last-Event-ID $http_last_event_id;"
        }
        Proxy::Apache => "# remove RequestHeader unset Last-Event-ID",
        Proxy::Caddy => {
            "# remove header_up -Last-Event-ID from reverse_proxy, and request_header \
             -Last-Event-ID"
        }
        Proxy::Traefik => {
            "# remove Last-Event-ID from customRequestHeaders in every headers middleware"
        }
        Proxy::Haproxy => "# remove http-request del-header Last-Event-ID",
        Proxy::Envoy => "# remove last-event-id from request_headers_to_remove",
        Proxy::Alb => {
            "# an ALB forwards it; in a CloudFront before it, choose an origin request policy \
             that forwards it\nManaged-AllViewer"
        }
        Proxy::Cloudflare => {
            "# Rules > Transform Rules > Modify Request Header: delete the rule that removes \
             Last-Event-ID"
        }
    }
}

pub(super) fn address(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => {
            "# in the location; and in the server's settings, the address from which nginx \
             connects: TRUSTED_PROXIES=127.0.0.1\nproxy_set_header X-Forwarded-For \
             $proxy_add_x_forwarded_for;"
        }
        Proxy::Apache => {
            "# mod_proxy adds it by itself: remove ProxyAddHeaders Off; and in the server's \
             settings, the address from which\n# Apache connects: \
             TRUSTED_PROXIES=127.0.0.1\nRequestHeader unset X-Forwarded-For early"
        }
        Proxy::Caddy => {
            "# Caddy adds it by itself: remove header_up -X-Forwarded-For; and in the server's \
             settings, the address from which\n# Caddy connects: TRUSTED_PROXIES=127.0.0.1"
        }
        Proxy::Traefik => {
            "# Traefik adds it by itself: remove X-Forwarded-For from customRequestHeaders; and \
             in the server's settings, the address\n# from which Traefik connects: \
             TRUSTED_PROXIES=127.0.0.1"
        }
        Proxy::Haproxy => {
            "# in the frontend; and in the server's settings, the address from which HAProxy \
             connects: TRUSTED_PROXIES=127.0.0.1\noption forwardfor"
        }
        Proxy::Envoy => {
            "# in the connection manager; and in the server's settings, the address from which \
             Envoy connects:\n# TRUSTED_PROXIES=127.0.0.1\nuse_remote_address: true"
        }
        Proxy::Alb => {
            "# an ALB appends the address by itself; in the server's settings, name the subnets \
             of the ALB\naws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN \
             --attributes \
             Key=routing.http.xff_header_processing.mode,Value=append\nTRUSTED_PROXIES=10.0.0.0/16"
        }
        Proxy::Cloudflare => {
            "# Cloudflare appends the address by itself; in the server's settings, name its \
             networks (https://www.cloudflare.com/ips/)\n# and those of your own proxy behind it: \
             TRUSTED_PROXIES=173.245.48.0/20,..."
        }
    }
}
