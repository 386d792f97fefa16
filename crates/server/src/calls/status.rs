//! The status of a service.

use jiff::Timestamp;
use tidings_hub::Publication;
use tidings_sse::EventName;

use super::Event;
use crate::auth::By;
use crate::auth::guard::Guard;
use crate::times::{mint_id, rfc3339};
use crate::topic_names;
use tidings_edge::error::Error;
use tidings_edge::fields::Fields;
use tidings_edge::json::{Compact, Object};

/// The status of a service, whose fields and rights were checked.
pub(crate) struct Status {
    pub(crate) service: String,
    state: Option<&'static str>,
    message: Option<String>,
    metrics: Option<Compact>,
    /// All other fields of the form.
    rest: Vec<(String, Compact)>,
}

impl Status {
    /// Reads and checks a form from `by`.
    pub(crate) fn read(body: &[u8], by: By<'_>, guard: &Guard) -> Result<Self, Error> {
        guard.may_publish(by, &topic_names::status())?;
        let mut fields = Fields::parse(body)?;
        let service = fields.name("service");
        if !fields.has("status") {
            fields.problem("status", "is required");
        }
        let status = Self {
            service,
            state: fields.maybe_choice("status", &["online", "offline", "degraded", "maintenance"]),
            message: fields.maybe_text("message", 1..=10_000),
            metrics: fields.maybe_raw("metrics"),
            rest: fields.rest(),
        };
        fields.finish()?;
        Ok(status)
    }

    /// Returns the event, with a new id and the time `now`. Its key is the service, so that the log
    /// keeps the latest status of each.
    pub(crate) fn event(self, now: Timestamp) -> Event {
        let id = mint_id("status", now);
        let data = Object::new()
            .text("id", &id)
            .text("timestamp", &rfc3339(now))
            .text("service", &self.service)
            .maybe_text("status", self.state)
            .maybe_text("message", self.message.as_deref())
            .maybe_raw("metrics", self.metrics.as_ref())
            .raws(&self.rest)
            .finish();
        let publication = Publication::new(
            [topic_names::status()],
            EventName::from_static("system-status"),
            data,
        );
        Event {
            id,
            publication: publication.keyed(self.service.as_str()),
        }
    }
}
