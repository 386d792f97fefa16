//! Settings of authentication and rights.

use std::time::Duration;

use tidings_settings::Secret;
use tidings_settings::rule::{Hidden, List, Optional, Parsed, Switch};
use tidings_settings::section;
use tidings_settings::setting::Preset;
use tidings_settings::units::{DAY, SECOND, Span};

section! {
    "Identity"
    /// How callers prove who they are, and what they may do.
    pub struct Auth {
        /// Whether demo tokens are accepted: Base64 of `userId:username:email:roles`, which anybody
        /// can write. On in development. Off in production; if they are switched on there, each
        /// start warns.
        "auth_demo" => pub demo: bool = Switch, Preset { development: "true", production: "false" };

        /// The name of a cookie that contains the token. Only streams accept it, so that no other
        /// site can publish in a visitor's name. A request from a page of another origin may use it
        /// only if `CORS_ORIGIN` allows that origin.
        "auth_cookie" => pub cookie: Option<String> = Optional(COOKIE), "";

        /// The role that may publish to everybody and administer the server.
        "admin_role" => pub admin_role: String = ROLE, "admin";

        /// Whether every valid token may publish to everybody. Otherwise only administrators may.
        "open_publish" => pub open_publish: bool = Switch, "false";

        /// The token that `GET /metrics` requires as `Authorization: Bearer …`. If it is not set,
        /// everybody who reaches the port can read the metrics; they contain no user, topic, room,
        /// address or token.
        "metrics_token" => pub metrics_token: Option<Secret> = Optional(Hidden), "";

        /// The key that signs and verifies JSON Web Tokens (HS256, HS384, HS512). `openssl rand
        /// -base64 48` generates a good one. Production requires it, with at least 32 bytes, and
        /// refuses any that was published as an example.
        "jwt_secret" => pub jwt_secret: Option<Secret> = Optional(Hidden), "";

        /// The issuers (`iss`) whose tokens are accepted; if none is listed, `iss` is not checked.
        "jwt_issuer" => pub jwt_issuers: Vec<String> = List(NAME), "";

        /// The audiences (`aud`) of which a token must name at least one; if none is listed, `aud`
        /// is not checked.
        "jwt_audience" => pub jwt_audiences: Vec<String> = List(NAME), "";

        /// Whether a token without an expiry time (`exp`) is refused.
        "jwt_require_exp" => pub jwt_require_exp: bool = Switch, "true";

        /// The lifetime of a token that this server signs, unless the call for it names another.
        "jwt_expires_in" => pub jwt_expires_in: Duration = Span(SECOND..=3_650 * DAY), "24h";
    }
}

/// The name of a cookie, which is a token (RFC 6265, section 4.1.1).
const COOKIE: Parsed<String> = Parsed {
    placeholder: "NAME",
    allowed: "a cookie's name, of letters, digits and ``!#$%&'*+-.^_`|~``",
    read: |text| {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        (!text.is_empty() && text.bytes().all(token)).then(|| text.to_owned())
    },
    show: String::clone,
};

/// The name of a role. It can't contain the characters that separate roles: commas in demo tokens,
/// and commas or spaces in a JWT. Nor can it contain a colon, which separates the parts of a demo
/// token.
pub(super) const ROLE: Parsed<String> = Parsed {
    placeholder: "NAME",
    allowed: "a name of 1 to 64 bytes without spaces, commas and colons",
    read: |text| {
        let bad = |c: char| c.is_whitespace() || c.is_control() || c == ',' || c == ':';
        ((1..=64).contains(&text.len()) && !text.contains(bad)).then(|| text.to_owned())
    },
    show: String::clone,
};

const NAME: Parsed<String> = Parsed {
    placeholder: "NAME",
    allowed: "names without commas",
    read: |text| (!text.contains(',')).then(|| text.to_owned()),
    show: String::clone,
};
