//! Requests to the committer for maintenance writes.

use tokio::sync::{mpsc, oneshot};

use super::committer::Job;
use super::log::Log;
use super::maintenance::MaintenanceWrite;

/// The log is closing or has failed, so nothing more is written.
pub(super) struct Stopped;

/// Has the committer write something, and waits until it is written.
pub(super) fn write(
    log: &Log,
    jobs: &mpsc::WeakSender<Job>,
    make: impl FnOnce(oneshot::Sender<()>) -> MaintenanceWrite,
) -> Result<(), Stopped> {
    let (done, written) = oneshot::channel();
    write_all(log, jobs, vec![make(done)], vec![written])
}

/// Has the committer write several things, in one step if it is idle, and waits until all of them
/// are written.
pub(super) fn write_all(
    log: &Log,
    jobs: &mpsc::WeakSender<Job>,
    writes: Vec<MaintenanceWrite>,
    written: Vec<oneshot::Receiver<()>>,
) -> Result<(), Stopped> {
    log.maintenance.lock().extend(writes);
    if !log.is_open() || log.is_closing() {
        return Err(Stopped); // the committer may never look at them
    }
    // If the queue is full, the committer is working and will find the writes anyway.
    let _ = jobs.upgrade().ok_or(Stopped)?.try_send(Job::Maintenance);
    written
        .into_iter()
        .try_for_each(|written| written.blocking_recv().map_err(|_| Stopped))
}
