//! A bounded queue of lines, and the single thread that writes them to standard error.
//!
//! A thread that logs only appends a line to the queue, which takes no longer than copying the
//! line. If standard error is a pipe that nobody reads, a full disk, or a terminal that is gone,
//! only the writing thread waits or fails. A line for which the queue has no space, or that can't
//! be written, is dropped and counted.
//!
//! `tracing-appender` is not used, because its queue is bounded by a number of lines of any length,
//! it does not count lines that could not be written, and it writes to standard output if it fails.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// The most bytes in the queue: a few thousand lines.
const MAX_BYTES: usize = 1 << 20;

/// The pause before the thread tries again to write to a non-blocking file that is full.
const RETRY_DELAY: Duration = Duration::from_millis(10);

/// Lines that are not written to the file yet.
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Notified when a line was appended.
    filled: Condvar,
    /// Notified when everything was written or dropped.
    emptied: Condvar,
    full: AtomicU64,
    failed: AtomicU64,
}

struct State {
    lines: VecDeque<Box<[u8]>>,
    /// The bytes of the lines in the queue, and of those that the thread has taken and not yet
    /// written.
    bytes: usize,
}

/// The numbers of dropped lines, by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// Lines for which the queue had no space, because the file accepts too few bytes, or none.
    pub(crate) full: u64,
    /// Lines that could not be written because of an error of the file.
    pub(crate) failed: u64,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                lines: VecDeque::new(),
                bytes: 0,
            }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            full: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Appends a line, or drops it if there is no space. Never waits for the file.
    pub(crate) fn put(&self, line: &[u8]) {
        let mut state = self.state.lock();
        let bytes = state.bytes.saturating_add(line.len());
        if bytes > MAX_BYTES {
            self.full.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.bytes = bytes;
        state.lines.push_back(line.into());
        drop(state);
        self.filled.notify_one();
    }

    /// Waits until all lines are written or dropped, but no longer than `limit`.
    pub(crate) fn flush(&self, limit: Duration) {
        self.emptied
            .wait_while_for(&mut self.state.lock(), |state| state.bytes > 0, limit);
    }

    pub(crate) fn dropped(&self) -> Dropped {
        Dropped {
            full: self.full.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    /// Writes the lines, for ever. If lines were dropped, calls `report` with their number, as soon
    /// as a line was written again and the queue has space for what `report` may log.
    pub(crate) fn write_to(&self, mut file: impl Write, report: impl Fn(u64)) -> ! {
        let mut writer = Writer {
            queue: self,
            taken: VecDeque::new(),
            current_bytes: 0,
            is_writable: true,
            is_partial: false,
            reported: 0,
        };
        loop {
            // The log must survive its own bugs. The panic hook has counted this panic.
            let _ = catch_unwind(AssertUnwindSafe(|| writer.write_next(&mut file, &report)));
        }
    }

    /// Whether the queue has space for more than a few lines.
    fn has_space(&self) -> bool {
        self.state.lock().bytes <= MAX_BYTES / 2
    }

    /// Subtracts the bytes of a line that was written or dropped.
    fn release(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.bytes -= bytes;
        if state.bytes == 0 {
            self.emptied.notify_all();
        }
    }
}

/// The state of the writing thread.
struct Writer<'a> {
    queue: &'a Queue,
    /// The lines that the thread has taken from the queue.
    taken: VecDeque<Box<[u8]>>,
    /// The bytes of the current line, which still count in the queue.
    current_bytes: usize,
    /// Whether the last line was written.
    is_writable: bool,
    /// Whether only a part of the last line was written. Then a line break must precede the next
    /// line.
    is_partial: bool,
    /// The number of dropped lines that were reported.
    reported: u64,
}

impl Writer<'_> {
    /// Writes all lines that are in the queue, or waits for the first one.
    fn write_next(&mut self, file: &mut impl Write, report: &impl Fn(u64)) {
        self.release_current();
        if self.taken.is_empty() {
            let mut state = self.queue.state.lock();
            self.queue
                .filled
                .wait_while(&mut state, |state| state.lines.is_empty());
            std::mem::swap(&mut self.taken, &mut state.lines);
        }
        // Each line is written by a call of its own. A pipe accepts up to 4 KiB in one piece, so
        // the output of other processes can't get into the middle of a line.
        while let Some(line) = self.taken.pop_front() {
            self.release_current();
            self.current_bytes = line.len();
            self.is_writable = self.write(file, &line).is_ok();
            if !self.is_writable {
                self.queue.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        let Dropped { full, failed } = self.queue.dropped();
        let unreported = full + failed - self.reported;
        // The report must be writable itself. Otherwise, it would be dropped too, and would have to
        // be reported.
        if unreported > 0 && self.is_writable && self.queue.has_space() {
            self.reported += unreported;
            report(unreported);
        }
    }

    fn release_current(&mut self) {
        self.queue.release(std::mem::take(&mut self.current_bytes));
    }

    fn write(&mut self, file: &mut impl Write, line: &[u8]) -> io::Result<()> {
        if self.is_partial {
            write_all(file, b"\n").map_err(|(_, error)| error)?;
            self.is_partial = false;
        }
        write_all(file, line).map_err(|(written, error)| {
            self.is_partial |= written > 0;
            error
        })
    }
}

/// Writes all bytes. If that fails, returns how many were written before the error. If a
/// non-blocking file is full, waits as for a blocking one.
fn write_all(file: &mut impl Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(RETRY_DELAY);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A file whose first writes have the results of a script. Later ones succeed.
    #[derive(Clone, Default)]
    struct File(Arc<(Mutex<FileState>, Condvar)>);

    #[derive(Default)]
    struct FileState {
        script: VecDeque<io::Result<usize>>,
        written: Vec<u8>,
        is_stuck: bool,
    }

    impl File {
        fn with_script(script: impl IntoIterator<Item = io::Result<usize>>) -> Self {
            let file = Self::default();
            file.0.0.lock().script.extend(script);
            file
        }

        fn set_stuck(&self, is_stuck: bool) {
            self.0.0.lock().is_stuck = is_stuck;
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().written.clone()).unwrap()
        }
    }

    impl Write for File {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (state, changed) = &*self.0;
            let mut state = state.lock();
            changed.wait_while(&mut state, |state| state.is_stuck);
            let taken = state.script.pop_front().unwrap_or(Ok(bytes.len()))?;
            state.written.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const TEST_TIMEOUT: Duration = Duration::from_secs(20);

    /// A queue whose thread writes to `file`, and reports the number of dropped lines there.
    fn queue(file: &File) -> &'static Queue {
        let queue: &'static Queue = Box::leak(Box::new(Queue::new()));
        let file = file.clone();
        std::thread::spawn(move || {
            queue.write_to(file, |lines| {
                queue.put(format!("dropped {lines}\n").as_bytes());
            })
        });
        queue
    }

    fn error(kind: io::ErrorKind) -> io::Result<usize> {
        Err(kind.into())
    }

    #[test]
    fn lines_are_written_whole_and_in_order_in_spite_of_partial_writes() {
        let file = File::with_script([
            Ok(2),
            error(io::ErrorKind::WouldBlock),
            error(io::ErrorKind::Interrupted),
            Ok(1),
        ]);
        let queue = queue(&file);
        for line in ["first\n", "second\n", "third\n"] {
            queue.put(line.as_bytes());
        }
        queue.flush(TEST_TIMEOUT);
        assert_eq!(file.text(), "first\nsecond\nthird\n");
        assert_eq!(queue.dropped(), Dropped { full: 0, failed: 0 });
    }

    #[test]
    fn a_stuck_file_delays_nobody_and_dropped_lines_are_reported_afterwards() {
        let file = File::default();
        file.set_stuck(true);
        let queue = queue(&file);
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        for _ in 0..1024 + 7 {
            queue.put(&line);
        }
        queue.flush(Duration::from_millis(1));
        assert_eq!(queue.dropped(), Dropped { full: 7, failed: 0 });
        file.set_stuck(false);
        queue.flush(TEST_TIMEOUT);
        queue.put(b"again\n");
        queue.flush(TEST_TIMEOUT);
        let text = file.text();
        assert_eq!(
            (
                text.matches("dropped 7\n").count(),
                text.matches("dropped").count()
            ),
            (1, 1)
        );
        assert_eq!(
            (text.lines().count(), text.lines().last()),
            (1024 + 2, Some("again"))
        );
    }

    #[test]
    fn a_line_that_cannot_be_written_is_dropped_and_reported_once_writing_works_again() {
        for kind in [
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::StorageFull,
            io::ErrorKind::FileTooLarge,
        ] {
            let file = File::with_script([error(kind), error(kind), error(kind)]);
            let queue = queue(&file);
            for nth in 1..=3 {
                queue.put(b"lost\n");
                queue.flush(TEST_TIMEOUT);
                assert_eq!(
                    queue.dropped(),
                    Dropped {
                        full: 0,
                        failed: nth
                    },
                    "{kind}"
                );
            }
            queue.put(b"kept\n");
            queue.flush(TEST_TIMEOUT);
            queue.put(b"kept\n");
            queue.flush(TEST_TIMEOUT);
            assert_eq!(file.text(), "kept\ndropped 3\nkept\n", "{kind}");
        }
    }

    #[test]
    fn a_line_after_a_partial_one_begins_on_a_new_line() {
        let file = File::with_script([Ok(3), error(io::ErrorKind::StorageFull)]);
        let queue = queue(&file);
        queue.put(b"first\n");
        queue.flush(TEST_TIMEOUT);
        queue.put(b"second\n");
        queue.flush(TEST_TIMEOUT);
        queue.put(b"third\n");
        queue.flush(TEST_TIMEOUT);
        assert_eq!(file.text(), "fir\nsecond\ndropped 1\nthird\n");
    }

    #[test]
    fn the_log_survives_a_panic_of_its_own() {
        let file = File::default();
        let queue: &'static Queue = Box::leak(Box::new(Queue::new()));
        let end = file.clone();
        std::thread::spawn(move || queue.write_to(end, |_| panic!("a fault")));
        queue.put(&vec![b'x'; MAX_BYTES + 1]);
        for line in ["one\n", "two\n"] {
            queue.put(line.as_bytes());
            queue.flush(TEST_TIMEOUT);
        }
        assert_eq!(file.text(), "one\ntwo\n");
    }
}
