//! Reports the server's state to the service manager, as long as the server runs.
//!
//! The service manager's watchdog waits for these reports, so they must not come from anything that
//! still runs while the server is stuck. Each report is made in a task of its own, like that of a
//! connection, and takes the locks that every stream takes. If no thread of the runtime runs tasks
//! any more, or if one of these locks is never released, no report is made and the service manager
//! restarts the server. Reports go on while the journal's disk or another machine fails, because a
//! restart would not repair that.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;

/// Reports at intervals, and never returns.
pub(super) async fn keep_reporting(app: Arc<App>) {
    let mut ticks = interval(app.notifier.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let reported = app.clone();
        // If the task panicked, the log has reported that.
        if let Ok(status) = tokio::spawn(async move { reported.status() }).await {
            app.notifier.alive(&status);
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::net::Ipv4Addr;
    use std::os::unix::net::UnixDatagram;
    use std::sync::mpsc;
    use std::time::Duration;

    use crate::config::{Config, Host};
    use crate::server::Server;
    use tidings_telemetry::service_manager::Notifier;

    fn next_message(socket: &UnixDatagram) -> Option<String> {
        let mut message = [0; 4096];
        let length = socket.recv(&mut message).ok()?;
        Some(String::from_utf8(message[..length].to_vec()).unwrap())
    }

    #[test]
    fn while_every_thread_of_the_runtime_is_stuck_the_watchdog_hears_nothing() {
        const THREADS: usize = 2;
        const INTERVAL: Duration = Duration::from_millis(20);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let micros = (2 * INTERVAL).as_micros().to_string();
        let environment = |name: &str| match name {
            "NOTIFY_SOCKET" => Some(path.clone().into()),
            "WATCHDOG_USEC" => Some((&micros).into()),
            _ => None,
        };
        let (notifier, _) = Notifier::from_variables(environment, 1);
        let mut config = Config::default();
        (config.http.port, config.http.host) = (0, Host::Listed(vec![Ipv4Addr::LOCALHOST.into()]));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .enable_all()
            .build()
            .unwrap();
        let server = Server::builder()
            .config(config)
            .notifier(notifier)
            .build()
            .unwrap();
        runtime.spawn(server.run(std::future::pending()));
        let mut alive = std::iter::from_fn(|| next_message(&socket))
            .filter(|message| message.starts_with("WATCHDOG=1\n"));
        assert!(alive.next().is_some());

        let (stuck, is_stuck) = mpsc::sync_channel(THREADS);
        let (go, wait) = mpsc::channel::<()>();
        let wait = std::sync::Arc::new(parking_lot::Mutex::new(wait));
        for _ in 0..THREADS {
            let (stuck, wait) = (stuck.clone(), wait.clone());
            runtime.spawn(async move {
                stuck.send(()).unwrap();
                let _ = wait.lock().recv();
            });
        }
        for _ in 0..THREADS {
            is_stuck.recv().unwrap();
        }
        socket.set_nonblocking(true).unwrap();
        while next_message(&socket).is_some() {}
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(10 * INTERVAL)).unwrap();
        assert_eq!(next_message(&socket), None);
        socket.set_read_timeout(None).unwrap();
        drop(go);
        let mut alive = std::iter::from_fn(|| next_message(&socket))
            .filter(|message| message.starts_with("WATCHDOG=1\n"));
        assert!(alive.next().is_some());
    }
}
