//! One simulation: nodes over a fake broker, in one thread, with a clock that only advances when
//! nothing is left to do. The same seed has the same run.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tidings_broker_contract::fake::{self, Fake};
use tidings_journal::{EventId, Journal, TopicName};
use tidings_journal_shared::{Options, Shared};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::facts::{Facts, Loss};
use crate::hub::Hub;
use crate::plan::Plan;
use crate::{faults, oracle, publishers, reader};

/// How many nodes there are.
pub(crate) const NODES: usize = 3;

/// How long anything may take in a healthy system, and any call at all times. Far above every time
/// limit of a journal.
const LIMIT: Duration = Duration::from_mins(3);

/// How long what was delayed may come late.
const AFTERMATH: Duration = Duration::from_secs(20);

pub(crate) struct Sim {
    pub(crate) plan: Plan,
    pub(crate) fake: Fake,
    pub(crate) facts: Mutex<Facts>,
    /// The nodes that are up and ready.
    slots: Mutex<Vec<Option<Arc<Node>>>>,
    phase: watch::Sender<Phase>,
    /// Held by a fault that changes which server there is.
    pub(crate) topology: tokio::sync::Mutex<()>,
    begun: Instant,
    trace: Option<Mutex<String>>,
    /// The number of the next record, and of the next life of a node.
    next: Mutex<(u64, u64)>,
    /// The log that all nodes have, if there is no broker.
    log: Option<Arc<dyn Journal>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Phase {
    /// Everything happens.
    Storm,
    /// Nothing is published any more, and everything works.
    Quiet,
    /// All nodes have the same.
    Settled,
}

/// A node in one of its lives.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) life: u64,
    pub(crate) link: Arc<fake::Node>,
    pub(crate) journal: Arc<dyn Journal>,
    shared: Option<Arc<Shared>>,
    pub(crate) hub: Arc<Hub>,
    killed: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

/// The result of a simulation.
pub(crate) struct Report {
    pub(crate) violations: Vec<String>,
    pub(crate) trace: String,
}

/// Runs a plan. The trace is empty unless it is asked for.
pub(crate) fn run(plan: &Plan, traced: bool) -> Report {
    run_over(plan, traced, None)
}

/// Runs a plan over nodes that all have the same `log` instead of a broker.
pub(crate) fn run_over(plan: &Plan, traced: bool, log: Option<Arc<dyn Journal>>) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let sim = Arc::new(Sim::new(plan.clone(), traced, log));
        sim.trace(|| format!("{:?}", sim.plan));
        let result = tokio::time::timeout(LIMIT * 10, sim.whole_run()).await;
        if result.is_err() {
            sim.violation("the run does not end".to_owned());
        }
        for node in sim.slots.lock().iter_mut() {
            node.take().into_iter().for_each(|node| node.stop());
        }
        // What is on the way to the broker may be there for some seconds.
        tokio::time::sleep(AFTERMATH).await;
        let left = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        if left > 0 {
            sim.violation(format!("{left} tasks outlive the nodes"));
        }
        let violations = std::mem::take(&mut sim.facts.lock().violations);
        let trace = sim
            .trace
            .as_ref()
            .map(|trace| trace.lock().clone())
            .unwrap_or_default();
        Report { violations, trace }
    })
}

impl Sim {
    fn new(plan: Plan, traced: bool, log: Option<Arc<dyn Journal>>) -> Self {
        let fake = Fake::new(plan.kind, plan.seed);
        if plan.proxy {
            fake.put_proxy();
        }
        let (phase, _) = watch::channel(Phase::Storm);
        Self {
            fake,
            facts: Mutex::default(),
            slots: Mutex::new((0..NODES).map(|_| None).collect()),
            phase,
            topology: tokio::sync::Mutex::default(),
            begun: Instant::now(),
            trace: traced.then(Mutex::default),
            next: Mutex::new((0, 0)),
            log,
            plan,
        }
    }

    async fn whole_run(self: &Arc<Self>) {
        for slot in 0..NODES {
            self.start(slot).await;
        }
        let mut publishers = JoinSet::new();
        publishers::spawn_all(self, &mut publishers);
        let mut readers = JoinSet::new();
        for (number, topics) in [
            &["a"][..],
            &["a", "b"],
            &["b", "m", "all"],
            &["e", "members"],
        ]
        .iter()
        .enumerate()
        {
            let topics: Vec<TopicName> = topics
                .iter()
                .map(|name| TopicName::parse(name).unwrap())
                .collect();
            self.facts.lock().readers.push(Vec::new());
            readers.spawn(reader::follow(
                self.clone(),
                number,
                self.rng(100 + number as u64),
                topics,
            ));
        }
        faults::storm(self).await;
        self.trace(|| "healed".to_owned());
        self.facts.lock().healed_ms = self.now_ms();
        self.phase.send_replace(Phase::Quiet);
        self.join(publishers, "publishers").await;
        tokio::time::sleep(AFTERMATH).await;
        for node in self.nodes() {
            if node.has_failed() {
                self.violation(format!("a task of {} has ended", node.name));
            }
            self.within_limit(&format!("{} is ready", node.name), node.ready())
                .await;
            self.within_limit(&format!("{} is certain", node.name), node.journal.certain())
                .await;
        }
        self.converge().await;
        self.phase.send_replace(Phase::Settled);
        self.join(readers, "readers").await;
        self.converge().await;
        oracle::judge(self).await;
    }

    /// Waits until all nodes have the same, and have shown it.
    async fn converge(&self) {
        let same = async {
            loop {
                let nodes = self.nodes();
                let heads: Vec<_> = nodes.iter().map(|node| node.journal.head()).collect();
                let shown = nodes
                    .iter()
                    .all(|node| node.hub.generation().visible() == node.journal.head());
                if nodes.len() == NODES && shown && heads.iter().all(|head| *head == heads[0]) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
        };
        if tokio::time::timeout(LIMIT, same).await.is_err() {
            let states = self.nodes().iter().fold(String::new(), |mut states, node| {
                let visible = node.hub.generation().visible();
                let _ = write!(
                    states,
                    " {}: head {}, {visible} visible;",
                    node.name,
                    node.journal.head()
                );
                states
            });
            self.violation(format!("the nodes never have the same:{states}"));
        }
    }

    async fn join(&self, mut tasks: JoinSet<()>, what: &str) {
        let all = async {
            while let Some(ended) = tasks.join_next().await {
                if let Err(error) = ended {
                    self.violation(format!("one of the {what} panicked: {error}"));
                }
            }
        };
        if tokio::time::timeout(LIMIT, all).await.is_err() {
            self.violation(format!("some {what} wait for ever"));
        }
    }

    /// Waits for what has to succeed, if need be after some attempts.
    async fn within_limit<T, E: std::fmt::Display>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, E>>,
    ) {
        match tokio::time::timeout(LIMIT, call).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => self.violation(format!("{what}: {error}")),
            Err(_) => self.violation(format!("{what}: no answer")),
        }
    }

    /// Starts a node, and makes it available once it is ready.
    pub(crate) async fn start(self: &Arc<Self>, slot: usize) {
        let life = {
            let mut next = self.next.lock();
            next.1 += 1;
            next.1
        };
        let link = self.fake.node();
        link.set_link(|link| link.latency_ms = self.plan.latency_ms.clone());
        let seed = self.plan.seed.wrapping_mul(1_000).wrapping_add(life);
        let options = Options {
            seed,
            ..Options::new(self.plan.retention())
        };
        let shared = self
            .log
            .is_none()
            .then(|| Shared::new(link.clone(), options));
        let journal: Arc<dyn Journal> = match (&shared, &self.log) {
            (Some(shared), _) => shared.clone(),
            (None, log) => log.clone().unwrap(),
        };
        let (hub, tail) = Hub::new(&*journal);
        let (killed, _) = watch::channel(false);
        let name = format!("node {slot}.{life}");
        self.trace(|| format!("{name} starts"));
        let mut tasks = JoinSet::new();
        if let Some(shared) = shared.clone() {
            tasks.spawn(shared.run());
        }
        let (sim, own, of) = (self.clone(), hub.clone(), name.clone());
        tasks.spawn(async move { own.run(&sim, tail, &of).await });
        let (sim, own) = (self.clone(), journal.clone());
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(2)).await;
                own.expire(sim.wall_ms(life));
            }
        });
        let node = Arc::new(Node {
            name,
            life,
            link,
            journal,
            shared,
            hub,
            killed,
            tasks: Mutex::new(tasks),
        });
        let sim = self.clone();
        let ready = async move {
            while let Err(error) = node.ready().await {
                sim.trace(|| format!("{} is not ready: {error}", node.name));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            sim.trace(|| format!("{} is ready", node.name));
            sim.slots.lock()[slot] = Some(node);
        };
        if tokio::time::timeout(LIMIT, ready).await.is_err() {
            self.violation(format!("node {slot}.{life} never becomes ready"));
        }
    }

    /// Kills a node. Nothing that it had begun goes on.
    pub(crate) fn kill(&self, slot: usize) {
        let node = self.slots.lock()[slot].take();
        if let Some(node) = node {
            self.trace(|| format!("{} dies", node.name));
            self.facts.lock().deaths.insert(node.life, self.now_ms());
            node.stop();
        }
    }

    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        self.slots.lock().iter().flatten().cloned().collect()
    }

    pub(crate) fn node(&self, slot: usize) -> Option<Arc<Node>> {
        self.slots.lock()[slot].clone()
    }

    pub(crate) fn any_node(&self, rng: &mut StdRng) -> Option<Arc<Node>> {
        let nodes = self.nodes();
        (!nodes.is_empty()).then(|| nodes[rng.random_range(0..nodes.len())].clone())
    }

    pub(crate) fn is_quiet(&self) -> bool {
        *self.phase.borrow() >= Phase::Quiet
    }

    pub(crate) fn is_settled(&self) -> bool {
        *self.phase.borrow() >= Phase::Settled
    }

    /// A random number generator of one actor.
    pub(crate) fn rng(&self, actor: u64) -> StdRng {
        StdRng::seed_from_u64(self.plan.seed ^ (actor << 32))
    }

    pub(crate) fn next_number(&self) -> u64 {
        let mut next = self.next.lock();
        next.0 += 1;
        next.0
    }

    /// The milliseconds since the start.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The time by the clock of a node, which may be wrong.
    pub(crate) fn wall_ms(&self, life: u64) -> i64 {
        let wrong_by = [0, 40_000, -70_000][usize::try_from(life % 3).unwrap_or(0)];
        1_800_000_000_000
            + i64::try_from(self.now_ms()).unwrap_or(0)
            + if self.plan.skewed { wrong_by } else { 0 }
    }

    /// Whether resets at this node don't count as needless, because it is on the losing side of a
    /// split.
    pub(crate) fn spares_resets(&self, _node: &Node) -> bool {
        let facts = self.facts.lock();
        facts.lost(Loss::Forked) || facts.losses.len() > 1
    }

    /// Notes that a node said an id to be none of the log's.
    pub(crate) fn judged_foreign(&self, cursor: EventId, name: &str) {
        if self.facts.lock().losses.is_empty() {
            self.violation(format!(
                "{name} said that {cursor} is none of the log's, and nothing was ever lost"
            ));
        }
    }

    pub(crate) fn violation(&self, violation: String) {
        self.trace(|| format!("VIOLATION: {violation}"));
        self.facts.lock().violations.push(violation);
    }

    pub(crate) fn trace(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let line = line();
            let _ = writeln!(trace.lock(), "{:>7} {line}", self.now_ms());
        }
    }
}

impl Node {
    /// Waits until the node is killed.
    pub(crate) async fn killed(&self) {
        // the sender lives as long as the node
        let _ = self.killed.subscribe().wait_for(|killed| *killed).await;
    }

    async fn ready(&self) -> Result<(), tidings_journal::Error> {
        match &self.shared {
            Some(shared) => shared.ready().await,
            None => Ok(()),
        }
    }

    /// Whether one of its tasks has ended, which none may do before the node is killed.
    fn has_failed(&self) -> bool {
        self.tasks.lock().try_join_next().is_some()
    }

    fn stop(&self) {
        self.tasks.lock().abort_all();
        self.killed.send_replace(true);
    }
}
