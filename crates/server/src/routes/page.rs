//! `GET /` and `GET /assets/…`: the web page, which is built from `web/` and embedded in the
//! binary.
//!
//! Owns the names under which the page's files are served, and the page's content security policy.
//! Must put nothing of a request or of the settings into the page except the base path: the page
//! requests everything else that it shows, as any client would.

use std::sync::{Arc, LazyLock};

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderMap, HeaderValue};
use tidings_edge::asset::{self, Content};
use tidings_edge::error::{Code, Error};

use crate::app::App;

/// The content security policy of the page. The page may load scripts, styles and data only from
/// this server. Inline code, other origins and embedding in a frame are forbidden.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' \
                      data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The prefix of the files in the URLs of the built page.
const FOLDER: &str = "./assets/";

const INDEX: &str = include_str!("../../../../web/dist/index.html");

/// A file of the page.
struct File {
    /// The name that the page uses.
    name: &'static str,
    /// The name under which the file is served. It contains a fingerprint of the content, so the
    /// file may be cached for ever.
    served: String,
    media_type: &'static str,
    content: Content,
}

static FILES: LazyLock<[File; 3]> = LazyLock::new(|| {
    [
        File::new(
            "app.js",
            "text/javascript; charset=utf-8",
            include_bytes!("../../../../web/dist/assets/app.js"),
        ),
        File::new(
            "app.css",
            "text/css; charset=utf-8",
            include_bytes!("../../../../web/dist/assets/app.css"),
        ),
        File::new(
            "icon.svg",
            "image/svg+xml",
            include_bytes!("../../../../web/dist/assets/icon.svg"),
        ),
    ]
});

impl File {
    fn new(name: &'static str, media_type: &'static str, bytes: &'static [u8]) -> Self {
        let content = Content::new(Bytes::from_static(bytes));
        let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
        let served = format!("{stem}-{}.{extension}", content.fingerprint());
        Self {
            name,
            served,
            media_type,
            content,
        }
    }
}

/// `GET /`
pub(crate) async fn index(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let content = app
        .pages
        .index
        .get_or_init(|| Content::new(page(app.config.http.base_path.as_deref()).into()));
    let mut response = asset::answer(&headers, "text/html; charset=utf-8", "no-cache", content);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Returns the page. Without a base path it refers to its files by relative paths, because a proxy
/// may have removed a prefix from the path.
fn page(base: Option<&str>) -> String {
    let base = base.unwrap_or(".");
    FILES.iter().fold(INDEX.to_owned(), |page, file| {
        page.replace(
            &format!("{FOLDER}{}", file.name),
            &format!("{base}/assets/{}", file.served),
        )
    })
}

/// `GET /assets/{file}`
pub(crate) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let file = FILES.iter().find(|file| file.served == name);
    let file =
        file.ok_or_else(|| Error::new(Code::NotFound, format!("Cannot GET /assets/{name}")))?;
    Ok(asset::answer(
        &headers,
        file.media_type,
        "public, max-age=31536000, immutable",
        &file.content,
    ))
}
