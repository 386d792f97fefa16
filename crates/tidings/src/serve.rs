//! `tidings serve`: runs the server until it is told to stop.

#[cfg(unix)]
mod memory;
mod signals;

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;

use tidings_server::auth::demo;
use tidings_server::config::{Config, Flags, Home, Loaded, Origin, environment};
use tidings_server::listen;
use tidings_server::server::Server;
#[cfg(unix)]
use tidings_server::supervisor;
use tidings_server::traces::Export;
use tidings_telemetry::service_manager::Notifier;

/// Runs until the process is told to stop.
pub(super) fn run(flags: Flags) -> anyhow::Result<()> {
    // Contains a runtime, which must not be dropped inside of another one. So it stays outside of
    // the future below, which is dropped inside of its runtime if the start fails.
    let mut handlers = Some(signals::StartHandlers::install()?);
    let inherited = listen::inherited()?;
    let read = move || Config::load(flags.clone(), environment(), Path::new("."));
    let loaded = &read()?;
    tidings_telemetry::start(&loaded.config.log.level, loaded.config.log.format)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let (notifier, unusual) = Notifier::from_environment();
    for warning in unusual
        .into_iter()
        .chain(unusual_sockets(loaded, &inherited))
    {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let traces = Export::start();
        notifier.starting("opening the journal");
        let builder = Server::builder()
            .reloadable(loaded, read)
            .tracer(traces.tracer())
            .notifier(notifier);
        let server = builder.inherited(inherited).build()?;
        let stop = signals::listen(
            &mut handlers,
            loaded.config.lifecycle.shutdown_timeout,
            server.handle(),
        )?;
        tidings_telemetry::say(&banner(loaded, &server, traces.endpoint()));
        #[cfg(unix)]
        tokio::spawn(supervisor::keep_running(
            "memory",
            memory::collect_after_load,
        ));
        let ended = server.run(stop.cancelled_owned()).await;
        traces.flush().await;
        ended?;
        tracing::info!("stopped");
        Ok(())
    });
    // A thread may still be reading from a disk that hangs; it is not waited for.
    runtime.shutdown_background();
    ended
}

/// Returns a warning if the inherited sockets are not on the port that the settings ask for, or if
/// `LISTEN_FDS` is not a number.
pub(super) fn unusual_sockets(loaded: &Loaded, inherited: &[TcpListener]) -> Option<String> {
    // Valid variables were removed from the environment when the sockets were taken over.
    if let Some(listen_fds) = std::env::var_os("LISTEN_FDS").filter(|number| !number.is_empty()) {
        return Some(format!(
            "LISTEN_FDS={} is no number: no socket was taken over",
            listen_fds.display()
        ));
    }
    let ports: Vec<_> = inherited
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .map(|address| address.port())
        .collect();
    let asked = loaded.config.http.port;
    let is_asked = loaded
        .origin("PORT")
        .is_some_and(|origin| *origin != Origin::Default);
    (is_asked && !ports.is_empty() && !ports.contains(&asked)).then(|| {
        format!(
            "PORT={asked} has no effect: the sockets were passed to this process (LISTEN_FDS), \
             and listen on port {}; change the port where they are opened (ListenStream= of \
             tidings.socket)",
            ports[0]
        )
    })
}

/// Returns the banner: what somebody who has just started the server wants to know.
fn banner(loaded: &Loaded, server: &Server, traces: Option<&str>) -> String {
    let config = &loaded.config;
    let base = config.http.base_path.as_deref().unwrap_or_default();
    let mut addresses = server.addresses();
    addresses.sort_by_key(std::net::SocketAddr::is_ipv6);
    let port = addresses
        .first()
        .map_or(config.http.port, std::net::SocketAddr::port);
    let urls: Vec<_> = addresses
        .iter()
        .map(|address| format!("http://{address}{base}"))
        .collect();
    let mut rows = vec![
        ("listening", urls.join("  ")),
        ("streams", server.streams().join("  ")),
        ("mode", config.mode.as_str().to_owned()),
        ("capacity", format!("{} streams", server.capacity())),
        ("journal", journal(loaded)),
    ];
    rows.extend(traces.map(|endpoint| ("traces", endpoint.to_owned())));
    if config.auth.demo {
        rows.push(("token", demo::TOKEN.to_owned()));
        rows.push((
            "",
            "(user test123, an admin; demo tokens are for development)".to_owned(),
        ));
    }
    let mut banner = format!(
        "\n  Tidings {} – http://localhost:{port}{base}\n\n",
        crate::VERSION
    );
    for (name, value) in rows {
        let _ = writeln!(banner, "  {name:<9}  {value}");
    }
    banner.push('\n');
    banner
}

fn journal(loaded: &Loaded) -> String {
    let value = |name| loaded.value(name).unwrap_or_default();
    match loaded.config.journal.home {
        Home::Memory => "in memory, lost when the process ends".to_owned(),
        Home::Disk => format!(
            "{}, on disk, sync {}",
            value("DATA_DIR"),
            value("JOURNAL_SYNC")
        ),
    }
}
