//! Decides by the head of a request whether it opens a stream.

use std::sync::Arc;

use http::Request;
use tidings_edge::{accept_header, base_path};

/// The paths of the streams. The router is made from the same table, so that the two never differ.
#[derive(Clone)]
pub struct StreamMatcher {
    paths: Arc<matchit::Router<()>>,
    base: Option<Arc<str>>,
}

impl StreamMatcher {
    /// Creates the table from the router's paths, which do not contain `base`. The table also finds
    /// them below `base`.
    pub fn new(router_paths: impl Iterator<Item = &'static str>, base: Option<&str>) -> Self {
        let mut paths = matchit::Router::new();
        for path in router_paths {
            // The router was built from the same table and would have panicked. A path that is left
            // out here is still served, by the other lane.
            let _ = paths.insert(path, ());
        }
        Self {
            paths: Arc::new(paths),
            base: base.map(Arc::from),
        }
    }

    /// Whether a GET is for a stream and accepts a stream as its answer.
    pub fn matches(&self, request: &Request<()>) -> bool {
        let path = request.uri().path();
        let below = self
            .base
            .as_deref()
            .and_then(|base| base_path::below(base, path));
        self.paths.at(below.unwrap_or(path)).is_ok()
            && accept_header::accepts_event_stream(request.headers())
    }
}
