//! Which requests open a stream, as far as their head tells.

use std::sync::Arc;

use http::Request;
use tidings_edge::{accept, base_path};

/// The paths of the streams. The router goes by the same table, so that they never differ.
#[derive(Clone)]
pub(crate) struct StreamPaths {
    paths: Arc<matchit::Router<()>>,
    base: Option<Arc<str>>,
}

impl StreamPaths {
    /// Those of the router, below `base` and without it.
    pub(crate) fn new(of_router: impl Iterator<Item = &'static str>, base: Option<&str>) -> Self {
        let mut paths = matchit::Router::new();
        for path in of_router {
            // The router was built from the same table, and would have panicked; here a path that is left out is only
            // carried by the other lane.
            let _ = paths.insert(path, ());
        }
        Self { paths: Arc::new(paths), base: base.map(Arc::from) }
    }

    /// Whether a GET is for a stream, and allowed to be answered by one.
    pub(crate) fn takes(&self, request: &Request<()>) -> bool {
        let path = request.uri().path();
        let below = self.base.as_deref().and_then(|base| base_path::below(base, path));
        self.paths.at(below.unwrap_or(path)).is_ok() && accept::accepts_event_stream(request.headers())
    }
}
