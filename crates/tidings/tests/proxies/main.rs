//! The configurations of `deploy/proxies`, each run by the real proxy in front of the real server.
//!
//! `cargo xtask test` runs what a change of the server or of a configuration is likely to break.
//! What stands in a module named `in_full` takes longer, and is run by `cargo xtask proxies`. A
//! proxy that the machine lacks is left out by its name, which that command and `cargo xtask test`
//! print at their end.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

/// One test for each of some proxies. `$check` is an async function that takes the proxy's kind.
macro_rules! of_each {
    ($check:path: $($name:ident $kind:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs the proxy that it is named after: `cargo xtask test` runs it"]
            async fn $name() {
                $check(crate::recipe::Kind::$kind).await;
            }
        )+
    };
}

mod browser;
mod certificate;
mod child;
mod doctor;
mod events;
mod follower;
mod load;
mod old_snippet;
mod outage;
#[path = "../it/support/patience.rs"]
mod patience;
mod ports;
mod prefix;
mod recipe;
mod records;
mod reloads;
mod server;
mod wire;
