//! Services that are healthy, fail, and recover.

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::json;

use super::story::{ADMIN, Step};

const NAMES: [&str; 4] = ["shop", "payments", "search", "mail"];

/// The course of a failure: each status with its message.
type Course = &'static [(&'static str, &'static str)];

const COURSES: [Course; 3] = [
    &[
        ("degraded", "Answers take two seconds"),
        ("offline", "No answer"),
        ("maintenance", "Being restarted"),
    ],
    &[("degraded", "One of ten calls fails")],
    &[("maintenance", "A new version is put in")],
];

/// The state of the services.
#[derive(Debug, Default)]
pub(super) struct Services {
    /// The current failure, if there is one.
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    service: &'static str,
    course: Course,
    /// The index of the next status.
    next: usize,
}

impl Services {
    /// Reports every service as healthy.
    pub(super) fn opening() -> Vec<Step> {
        NAMES
            .map(|name| status(name, "online", "All is well", 20))
            .into()
    }

    /// Continues a failure, begins one, or reports the health of a service.
    pub(super) fn scene(&mut self, chance: &mut StdRng) -> Vec<Step> {
        match &mut self.failure {
            Some(failure) => {
                let Failure {
                    service,
                    course,
                    next,
                } = failure;
                let service = *service;
                if let Some((name, message)) = course.get(*next) {
                    *next += 1;
                    return vec![status(
                        service,
                        name,
                        message,
                        chance.random_range(900..4_000),
                    )];
                }
                self.failure = None;
                let title = format!("{service} is back");
                vec![
                    status(
                        service,
                        "online",
                        "All is well",
                        chance.random_range(15..60),
                    )
                    .pause(0.5),
                    Step::notification(None, "success", &title, "Everything works as before."),
                ]
            }
            None => {
                let service = NAMES.choose(chance).copied().unwrap_or(NAMES[0]);
                if chance.random_bool(0.5) {
                    return vec![status(
                        service,
                        "online",
                        "All is well",
                        chance.random_range(15..60),
                    )];
                }
                let course = COURSES.choose(chance).copied().unwrap_or(COURSES[0]);
                self.failure = Some(Failure {
                    service,
                    course,
                    next: 0,
                });
                self.scene(chance)
            }
        }
    }

    /// Ends the current failure.
    pub(super) fn closing(self) -> Vec<Step> {
        self.failure
            .map(|failure| status(failure.service, "online", "All is well", 20))
            .into_iter()
            .collect()
    }
}

fn status(service: &str, status: &str, message: &str, latency_ms: u32) -> Step {
    let body = json!({ "service": service, "status": status, "message": message, "metrics": { "latencyMs": latency_ms } });
    Step::new(
        ADMIN,
        "/system/status/update",
        Some(body),
        format!("status        {service}: {status}"),
    )
}
