//! What `deploy/` hands out, with the real parts: the image is built and run, the files for Compose
//! and Kubernetes are read by the programs that they are written for.
//!
//! Owns nothing that the server does: that is `it` and `cli`. Must never ask a registry of images.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compose;
mod dockerfile;
#[cfg(target_os = "linux")]
mod image;
mod kubernetes;
mod names;
mod prometheus;
mod support;
