//! What a handler needs of a request, read and checked before the handler runs: the caller, the
//! body, and the parameters.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, FromRef, FromRequest, FromRequestParts, Path, Request};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method};
use tidings_edge::body_budget::CollectedBody;
use tidings_edge::client_ip::Peer;
use tidings_edge::error::{Code, Error, Problem};
use tidings_edge::fields;
use tidings_edge::query::{self, Params};
use tidings_hub::UserId;

use crate::app::App;
use crate::auth::guard::Denied;
use crate::auth::{Credential, Identity, Refusal, Visitor};
use crate::traces;

/// The state that the router gives to each handler: the server, and the query parameters of the
/// handler's path.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) app: Arc<App>,
    /// The names of the query parameters that the path knows.
    pub(crate) query: &'static [query::Name],
}

/// The caller of an endpoint that requires a credential.
pub(crate) struct Caller(pub(crate) Identity);

/// Proof that the caller has the admin role.
pub(crate) struct Admin(pub(crate) Identity);

/// The one parameter of a path, decoded.
pub(crate) struct InPath(pub(crate) String);

/// A body that must be JSON.
pub(crate) struct JsonBody(CollectedBody);

impl FromRef<Route> for Arc<App> {
    fn from_ref(route: &Route) -> Self {
        route.app.clone()
    }
}

impl Route {
    /// Reads the query parameters that this path knows.
    pub(crate) fn params(&self, parts: &Parts) -> Result<Params, Error> {
        Params::read(parts.uri.query(), self.query)
    }

    /// Returns the caller. Fails without a valid credential.
    pub(crate) fn identify(&self, parts: &Parts) -> Result<Identity, Error> {
        let credential = Credential::find(&parts.headers, parts.uri.query(), None, false);
        Ok(required(&self.app, credential.as_ref(), parts)?)
    }
}

impl FromRequestParts<Route> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, route: &Route) -> Result<Self, Error> {
        let identity = route.identify(parts)?;
        route.params(parts)?;
        Ok(Self(identity))
    }
}

impl FromRequestParts<Route> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, route: &Route) -> Result<Self, Error> {
        let identity = route.identify(parts)?;
        route.app.guard.is_admin(&identity)?;
        route.params(parts)?;
        Ok(Self(identity))
    }
}

impl FromRequest<Route> for JsonBody {
    type Rejection = Error;

    async fn from_request(request: Request, Route { app, .. }: &Route) -> Result<Self, Error> {
        if !is_json(request.headers()) {
            let message = "The body must be JSON: send `Content-Type: application/json`";
            return Err(Error::new(Code::UnsupportedMediaType, message));
        }
        if let Some(coding) = content_coding(request.headers()) {
            return Err(Error::content_encoded(&coding));
        }
        let _arriving = app.counts.arriving();
        let read = app
            .body_budget
            .read(request.into_body(), app.config.http.max_body_bytes);
        traces::in_span("read the body", read).await.map(Self)
    }
}

impl JsonBody {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// Parses the body as an object.
    pub(crate) fn fields(&self) -> Result<fields::Fields<'_>, Error> {
        fields::Fields::parse(self.0.bytes())
    }
}

impl FromRequestParts<Route> for InPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, route: &Route) -> Result<Self, Error> {
        let refused = match Path::from_request_parts(parts, route).await {
            Ok(Path(text)) => return Ok(Self(text)),
            Err(PathRejection::FailedToDeserializePathParams(refused)) => refused.into_kind(),
            Err(_) => return Err(Error::field("path", "can't be read")),
        };
        let field = match refused {
            ErrorKind::InvalidUtf8InPathParam { key } => key.into(),
            _ => "path".into(),
        };
        let problem = "must be UTF-8 once its escapes are decoded".to_owned();
        Err(Error::validation(vec![Problem { field, problem }]))
    }
}

impl FromRequestParts<Route> for Params {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, route: &Route) -> Result<Self, Error> {
        route.params(parts)
    }
}

/// Returns the client's address, either that of the socket or the one that a trusted proxy gives.
pub(crate) fn address(app: &App, parts: &Parts) -> Option<IpAddr> {
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let peer = peer.or_else(|| {
        parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0)
    })?;
    Some(app.proxies.client(peer.ip(), &parts.headers))
}

/// Checks the credential of a request to an endpoint that requires one.
pub(crate) fn required(
    app: &App,
    credential: Option<&Credential>,
    parts: &Parts,
) -> Result<Identity, Refusal> {
    app.auth
        .required(credential, app.now())
        .map_err(|refusal| charge(app, parts, refusal))
}

/// Checks the credential of a request to an endpoint that also serves anonymous visitors.
pub(crate) fn optional(
    app: &App,
    credential: Option<&Credential>,
    parts: &Parts,
) -> Result<Visitor, Refusal> {
    app.auth
        .optional(credential, app.now())
        .map_err(|refusal| charge(app, parts, refusal))
}

/// Charges a refused credential to the address that it came from. A missing credential is not
/// charged.
pub(crate) fn charge(app: &App, parts: &Parts, refusal: Refusal) -> Refusal {
    let address = if refusal == Refusal::Missing {
        None
    } else {
        address(app, parts)
    };
    if address.is_none_or(|address| app.rates.failed_credential(address)) {
        refusal
    } else {
        Refusal::TooMany
    }
}

/// Returns the error for a caller that was denied something. If the credential was refused, it is
/// charged to the client's address.
pub(crate) fn denied(app: &App, parts: &Parts, denied: Denied) -> Error {
    match denied {
        Denied::Unauthenticated(refusal) => charge(app, parts, refusal).into(),
        denied => denied.into(),
    }
}

/// Parses the id of a user that a caller names.
pub(crate) fn user(field: &'static str, text: &str) -> Result<UserId, Error> {
    UserId::parse(text).map_err(|error| Error::field(field, error.to_string()))
}

/// Whether the request asks only for the head.
pub(crate) fn is_head(parts: &Parts) -> bool {
    parts.method == Method::HEAD
}

/// Returns the first coding of the body that is not `identity`, if there is one (RFC 9110, section
/// 8.4).
fn content_coding(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(CONTENT_ENCODING).iter();
    let mut codings = lines.flat_map(|line| {
        line.as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
    });
    let coding =
        codings.find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))?;
    Some(String::from_utf8_lossy(coding).into_owned())
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    if value == mime::APPLICATION_JSON.as_ref() {
        return true; // nearly every client writes it like this
    }
    let Ok(media) = value.parse::<mime::Mime>() else {
        return false;
    };
    let json = media.subtype() == mime::JSON || media.suffix() == Some(mime::JSON);
    media.type_() == mime::APPLICATION && json
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )])
    }

    #[test]
    fn a_body_is_uncoded_only_if_every_coding_is_identity() {
        for none in ["identity", "", "Identity, identity", " ,"] {
            assert_eq!(
                content_coding(&with("content-encoding", none)),
                None,
                "{none}"
            );
        }
        for (some, first) in [
            ("gzip", "gzip"),
            ("identity, br", "br"),
            ("GZIP", "GZIP"),
            ("x", "x"),
        ] {
            assert_eq!(
                content_coding(&with("content-encoding", some)).as_deref(),
                Some(first),
                "{some}"
            );
        }
    }

    #[test]
    fn every_media_type_of_json_is_accepted() {
        for good in [
            "application/json",
            "application/json; charset=utf-8",
            "application/merge-patch+json",
        ] {
            assert!(is_json(&with("content-type", good)), "{good}");
        }
        for bad in ["text/json", "application/x-www-form-urlencoded", "json", ""] {
            assert!(!is_json(&with("content-type", bad)), "{bad}");
        }
    }
}
