//! `GET /metrics`: the numbers of [`crate::metrics`], for a Prometheus that comes by, and who may read them.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use tidings_edge::error::{Code, Error};

use crate::app::App;
use crate::auth::Refusal;
use crate::http::extract::charge;
use crate::metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`
pub(crate) async fn scrape(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, Error> {
    may_read(&app, &parts.headers).map_err(|refusal| charge(&app, &parts, refusal))?;
    let counts = app.counts.clone();
    let _one_at_a_time = counts.writing.lock().await;
    // Counting open files takes a system call for every few hundred of them.
    let written = tokio::task::spawn_blocking(move || metrics::write(app)).await;
    match written {
        Ok(Ok(text)) => Ok(([(CONTENT_TYPE, OPEN_METRICS), (CACHE_CONTROL, "no-store")], text).into_response()),
        Err(gone) if gone.is_cancelled() => Err(Error::new(Code::Draining, "The server is about to stop")),
        Ok(Err(fmt::Error)) | Err(_) => {
            tracing::error!("the metrics could not be written");
            Err(Error::new(Code::Internal, "The numbers could not be written"))
        }
    }
}

fn may_read(app: &App, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(expected) = &app.config.auth.metrics_token else {
        return Ok(());
    };
    let given = headers.get(AUTHORIZATION).ok_or(Refusal::Missing)?;
    let (scheme, token) = given.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Refusal::Invalid)?;
    let same = aws_lc_rs::constant_time::verify_slices_are_equal(token.as_bytes(), expected.trimmed().as_bytes());
    if scheme.eq_ignore_ascii_case("bearer") && same.is_ok() { Ok(()) } else { Err(Refusal::Invalid) }
}
