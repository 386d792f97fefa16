//! What every journal promises, kept by a node over the fake broker of both kinds.

use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use tidings_broker_contract::fake::{Fake, Kind};
use tidings_journal::replica::Retention;
use tidings_journal::{Bounds, Journal};
use tidings_journal_contract::{Backend, Durable};
use tidings_journal_shared::{Options, Shared};
use tokio::sync::oneshot;

use crate::dense::{Dense, Numbers, Places};

/// A broker. Each opening of the log is a new node on it.
struct OnBroker {
    fake: Fake,
    places: Places,
}

/// A thread in which a node runs, so that a test can open the log without waiting.
struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl OnBroker {
    fn new(kind: Kind) -> Self {
        let fake = Fake::new(kind, 0);
        fake.set_clock(0); // no time, as long as a test reports none
        Self {
            fake,
            places: Places::default(),
        }
    }

    fn tagged() -> Self {
        Self::new(Kind::Tagged)
    }

    fn numbered() -> Self {
        Self::new(Kind::Numbered)
    }

    fn start(&self, retention: Retention) -> Dense {
        let shared = Shared::new(self.fake.broker(), Options::new(retention));
        let running = Running::start(shared.clone());
        let numbers = Numbers::new(self.places.clone(), shared.tail());
        let running = Box::new(running);
        Dense {
            node: shared,
            fake: self.fake.clone(),
            numbers,
            untold: Mutex::new(false),
            _running: running,
        }
    }
}

impl Backend for OnBroker {
    fn open_with(&self, bounds: Bounds, max_topics: usize) -> Box<dyn Journal> {
        Box::new(self.start(Retention {
            bounds,
            max_topics,
            ..Retention::default()
        }))
    }

    fn another(&self) -> Box<dyn Journal> {
        Box::new(Self::tagged().start(Retention::default()))
    }

    fn durable(&self) -> Option<&dyn Durable> {
        Some(self)
    }
}

impl Durable for OnBroker {
    fn verify(&self) -> usize {
        let node = self.start(Retention::default());
        let kept = node
            .topics("", None, usize::MAX)
            .iter()
            .map(|holding| holding.events)
            .sum::<u64>();
        usize::try_from(kept).unwrap()
    }
}

impl Running {
    /// Runs a node, and returns once it is ready.
    fn start(node: Arc<Shared>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (ready, until_ready) = std::sync::mpsc::sync_channel(1);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            runtime.block_on(async {
                let run = tokio::spawn(node.clone().run());
                ready.send(node.ready().await).unwrap();
                let _ = stopped.await; // it was stopped, or dropped
                run.abort();
            });
        });
        until_ready.recv().unwrap().unwrap();
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic of the node has failed the test already
        }
    }
}

mod tagged {
    tidings_journal_contract::promises!(crate::contract::OnBroker::tagged());
}

mod numbered {
    tidings_journal_contract::promises!(crate::contract::OnBroker::numbered());
}
