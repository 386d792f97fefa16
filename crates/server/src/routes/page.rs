//! `GET /` and `GET /assets/…`: the page for people, built from `web/` and carried in the binary.
//!
//! Owns under which names the page's files are served, and what the page may do. Must never put anything of a request or
//! of the settings into the page beside the base path: what it shows it asks for, like anybody.

use std::sync::{Arc, LazyLock};

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderMap, HeaderValue};
use tidings_edge::asset::{self, Content};
use tidings_edge::error::{Code, Error};

use crate::app::App;

/// Scripts, styles and calls of this server's alone; nothing inline, nothing from elsewhere, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How the page names its files.
const FOLDER: &str = "./assets/";

const INDEX: &str = include_str!("../../../../web/dist/index.html");

/// A file of the page.
struct File {
    /// As the page names it.
    name: &'static str,
    /// As it is served: what it holds is part of the name, so it may be kept for ever.
    served: String,
    media_type: &'static str,
    content: Content,
}

static FILES: LazyLock<[File; 3]> = LazyLock::new(|| {
    [
        File::new("app.js", "text/javascript; charset=utf-8", include_bytes!("../../../../web/dist/assets/app.js")),
        File::new("app.css", "text/css; charset=utf-8", include_bytes!("../../../../web/dist/assets/app.css")),
        File::new("icon.svg", "image/svg+xml", include_bytes!("../../../../web/dist/assets/icon.svg")),
    ]
});

impl File {
    fn new(name: &'static str, media_type: &'static str, bytes: &'static [u8]) -> Self {
        let content = Content::new(Bytes::from_static(bytes));
        let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
        let served = format!("{stem}-{}.{extension}", content.fingerprint());
        Self { name, served, media_type, content }
    }
}

/// `GET /`
pub(crate) async fn index(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let content = app.pages.index.get_or_init(|| Content::new(page(app.config.http.base_path.as_deref()).into()));
    let mut response = asset::answer(&headers, "text/html; charset=utf-8", "no-cache", content);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The page, which names its files relative to itself where there is no base path: it may still stand below one that a proxy
/// took off.
fn page(base: Option<&str>) -> String {
    let base = base.unwrap_or(".");
    FILES.iter().fold(INDEX.to_owned(), |page, file| {
        page.replace(&format!("{FOLDER}{}", file.name), &format!("{base}/assets/{}", file.served))
    })
}

/// `GET /assets/{file}`
pub(crate) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let file = FILES.iter().find(|file| file.served == name);
    let file = file.ok_or_else(|| Error::new(Code::NotFound, format!("Cannot GET /assets/{name}")))?;
    Ok(asset::answer(&headers, file.media_type, "public, max-age=31536000, immutable", &file.content))
}
