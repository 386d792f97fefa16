//! `GET /metrics`: answers with the metrics of the server ([`crate::metrics`]), in the format of
//! Prometheus.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use tidings_edge::error::{Code, Error};

use crate::app::App;
use crate::http::extract::charge;
use crate::metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`
pub(crate) async fn scrape(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, Error> {
    app.guard
        .may_scrape(&parts.headers)
        .map_err(|refusal| charge(&app, &parts, refusal))?;
    let counts = app.counts.clone();
    let _one_at_a_time = counts.writing.lock().await;
    // Writing blocks, because it counts the open files: one system call for every few hundred of
    // them.
    let written = tokio::task::spawn_blocking(move || metrics::write(app)).await;
    match written {
        Ok(Ok(text)) => Ok((
            [(CONTENT_TYPE, OPEN_METRICS), (CACHE_CONTROL, "no-store")],
            text,
        )
            .into_response()),
        Err(gone) if gone.is_cancelled() => {
            Err(Error::new(Code::Draining, "The server is about to stop"))
        }
        Ok(Err(fmt::Error)) | Err(_) => {
            tracing::error!("the metrics could not be written");
            Err(Error::new(
                Code::Internal,
                "The metrics could not be written",
            ))
        }
    }
}
