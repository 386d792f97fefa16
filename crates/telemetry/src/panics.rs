//! Panics: each is logged as one line, and counted.
//!
//! A panic is a bug of the server. It must never do more harm than to fail the operation in which
//! it happens. During a request, [`catch`] returns the panic to the code that logs the request, so
//! that one line of the log contains both.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A panic, in a form that may be logged.
#[derive(Clone, Debug)]
pub struct Panic {
    /// The message, without the text that the standard library quotes in it.
    pub message: String,
    /// The position in the source code.
    pub at: String,
    /// The backtrace, if `RUST_BACKTRACE` asks for one.
    pub backtrace: Option<String>,
}

/// The number of panics since the start.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Whether the hook of this module is installed.
static IS_HOOK_INSTALLED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether a [`catch`] is running on this thread.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    /// A panic that the hook has stored for [`catch`].
    static CAUGHT: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// Installs a hook that counts and logs every panic of this process, instead of the default hook,
/// which writes it to standard error without the format of the log.
pub(crate) fn install_hook() {
    IS_HOOK_INSTALLED.store(true, Ordering::Release);
    std::panic::set_hook(Box::new(|info| {
        COUNT.fetch_add(1, Ordering::Relaxed);
        let panic = Panic::new(info);
        if CATCHING.get() {
            CAUGHT.set(Some(panic));
            return;
        }
        let Panic {
            message,
            at,
            backtrace,
        } = panic;
        let thread = std::thread::current();
        tracing::error!(
            panic = message,
            at,
            thread = thread.name(),
            backtrace,
            "panicked"
        );
    }));
}

/// Returns the number of panics since the start.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// Runs `work`, and returns the panic if it panics. Values that `work` could change must not be
/// used after a panic.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    let outer = CATCHING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(outer);
    result.map_err(|payload| {
        if !IS_HOOK_INSTALLED.load(Ordering::Acquire) {
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
        let without_hook = || Panic {
            message: redacted(message(&*payload)),
            at: "unknown".to_owned(),
            backtrace: None,
        };
        CAUGHT.take().unwrap_or_else(without_hook)
    })
}

impl Panic {
    fn new(info: &PanicHookInfo<'_>) -> Self {
        let backtrace = Backtrace::capture();
        Self {
            message: redacted(message(info.payload())),
            at: info.location().map(ToString::to_string).unwrap_or_default(),
            backtrace: (backtrace.status() == BacktraceStatus::Captured)
                .then(|| backtrace.to_string()),
        }
    }
}

/// The message of a panic with this payload.
fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is not a text")
}

/// Returns the message of a panic in a form that may be logged. It is truncated, and does not
/// contain the text of which an invalid slice was taken: the standard library quotes that text,
/// which may be a token or a body.
fn redacted(message: &str) -> String {
    const MAX_CHARS: usize = 300;
    let quoted = ["of `", "slicing `", "of string `"]
        .iter()
        .filter_map(|before| message.find(before))
        .min();
    let is_sliced = message.contains("char boundary")
        || message.contains("byte index")
        || message.contains("slicing `");
    let end = if is_sliced {
        quoted.unwrap_or(message.len())
    } else {
        message.len()
    };
    message[..end].chars().take(MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn a_text_that_a_panic_quotes_is_not_logged() {
        let secret = black_box("s\u{e9}cret");
        for (from, to) in [(0, 2), (2, 4), (0, 99), (99, 100), (5, 3)] {
            let panic = catch(|| secret[black_box(from)..black_box(to)].len()).unwrap_err();
            assert!(!panic.message.contains("cret"), "{}", panic.message);
            assert!(!panic.message.is_empty());
        }
        let panic = catch(|| black_box(None::<u8>).unwrap()).unwrap_err();
        assert_eq!(panic.message, "called `Option::unwrap()` on a `None` value");
        let panic = catch(|| black_box(&[0u8; 3])[black_box(7)]).unwrap_err();
        assert_eq!(
            panic.message,
            "index out of bounds: the len is 3 but the index is 7"
        );
        assert_eq!(
            catch(|| std::panic::panic_any(7)).unwrap_err().message,
            "a value that is not a text"
        );
    }

    #[test]
    fn catch_returns_the_result_of_the_work_or_its_panic_and_counts_panics() {
        let before = count();
        assert_eq!(catch(|| 7).unwrap(), 7);
        let panic = catch(|| {
            catch(|| panic!("{}", "x".repeat(1_000)))
                .map_err(|inner| panic!("{}", inner.message.len()))
        });
        assert_eq!(panic.unwrap_err().message, "300");
        assert!(count() >= before + 2);
    }
}
