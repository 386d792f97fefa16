//! `POST /system/reload`: reloads the settings, like the signal SIGHUP.

use std::sync::Arc;

use axum::extract::State;
use tidings_edge::error::{Code, Error};
use tidings_edge::reply::Reply;

use crate::app::App;
use crate::http::extract::Admin;
use crate::reload::{self, Reloaded};

/// `POST /system/reload`
pub(crate) async fn reload(State(app): State<Arc<App>>, _: Admin) -> Result<Reply, Error> {
    // A reload blocks, because it reads files.
    let reloaded = tokio::task::spawn_blocking(move || app.reload())
        .await
        .map_err(|error| Error::unfinished_task(&error))?;
    match reloaded {
        Ok(reloaded) => {
            let Reloaded {
                changed,
                needs_restart,
            } = &reloaded;
            Ok(Reply::success(&reloaded.to_string(), |reply| {
                reply
                    .value("changed", changed)
                    .value("needsRestart", needs_restart)
            }))
        }
        Err(error @ reload::Error::NoSource) => Err(Error::new(Code::NotFound, error.to_string())),
        Err(error) => Err(Error::new(
            Code::ValidationFailed,
            format!("Nothing was reloaded: {error}"),
        )),
    }
}
