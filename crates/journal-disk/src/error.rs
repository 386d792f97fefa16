//! Errors of opening a directory as a log, and what the storage engine's errors mean.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fjall::LsmError;
use tidings_journal::Error;

/// Why a log could not be opened. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this process, has the directory open.
    #[error("the journal in {} is in use{}; a journal belongs to one process at a time", dir.display(), by.as_ref().map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The process id that the holder has written into the lock file.
        by: Option<u32>,
    },
    /// A later version wrote the directory.
    #[error("the journal in {} has the format {found}, and this version reads up to {known}; it \
             was left as it is. Start the version that wrote it, or name another directory", dir.display())]
    Newer {
        /// The directory.
        dir: PathBuf,
        /// The number of the format.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// The directory is not a log.
    #[error("{} is not a journal: {what}; it was left as it is. Name an empty directory, or one \
             that does not exist", dir.display())]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// The reason.
        what: String,
    },
    /// The operating system reported an error.
    #[error("the journal in {} can't be opened: {what}: {source}. See that the server may read \
             and write there, and that the disk has room", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// What was attempted.
        what: &'static str,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The directory may not be written to, and was to be opened only for reading.
    #[error("the journal in {} can't be examined in place: {what}: {source}. The storage engine \
             opens its files for writing even to read them: copy the directory to a place where \
             it may write, and look at the copy", dir.display())]
    ReadOnly {
        /// The directory.
        dir: PathBuf,
        /// What was attempted.
        what: &'static str,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file is damaged or missing.
    #[error("the journal in {} is damaged: {what}. Restore the directory from a backup, or move \
             it away to start with an empty journal", dir.display())]
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// What was found.
        what: String,
    },
    /// Acknowledged events are missing.
    #[error("the journal in {} ends at position {found}, but position {synced} was safely on \
             disk; its end is damaged. Restore the directory from a backup, or, to go on without \
             these events, remove the file {}", dir.display(), dir.join(super::watermark::FILE).display())]
    Lost {
        /// The directory.
        dir: PathBuf,
        /// The last position in the log.
        found: u64,
        /// A position that was on the device.
        synced: u64,
    },
}

impl OpenError {
    pub(super) fn io(dir: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let dir = dir.to_owned();
        move |source| Self::Io { dir, what, source }
    }

    pub(super) fn damaged(dir: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            dir: dir.to_owned(),
            what: what.into(),
        }
    }

    /// Converts an error that the storage engine returned while it opened or read its files.
    pub(super) fn engine(dir: &Path, error: fjall::Error) -> Self {
        match error {
            // The cause is not the operating system: a file is not as the engine left it.
            fjall::Error::Io(source) | fjall::Error::Storage(LsmError::Io(source))
                if is_damage(source.kind()) =>
            {
                let what = match source.kind() {
                    ErrorKind::UnexpectedEof | ErrorKind::InvalidInput => "a file ends too early",
                    _ => "a file is missing",
                };
                Self::damaged(dir, format!("{what} ({source})"))
            }
            fjall::Error::Io(source) | fjall::Error::Storage(LsmError::Io(source)) => Self::Io {
                dir: dir.to_owned(),
                what: "a file",
                source,
            },
            fjall::Error::Locked => Self::InUse {
                dir: dir.to_owned(),
                by: None,
            },
            other => Self::damaged(dir, describe(&other)),
        }
    }

    /// Converts the error for a caller that only wants to read.
    pub(super) fn for_reading(self) -> Self {
        match self {
            Self::Io { dir, what, source }
                if matches!(
                    source.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                Self::ReadOnly { dir, what, source }
            }
            other => other,
        }
    }
}

/// Returns whether an error of this kind, which the engine got from the operating system, means
/// that its files are damaged. If a file is empty, the engine seeks to a position before its
/// beginning. If its list of tables is missing, it takes the directory for a new one, and finds
/// that it is not empty.
fn is_damage(kind: ErrorKind) -> bool {
    use ErrorKind::{AlreadyExists, InvalidInput, NotFound, UnexpectedEof};
    matches!(
        kind,
        UnexpectedEof | InvalidInput | NotFound | AlreadyExists
    )
}

/// Converts an error of the engine for a reader. Damage of the files is permanent, and an error of
/// the operating system may be temporary.
pub(super) fn unreadable(error: impl std::borrow::Borrow<fjall::Error>) -> Error {
    let error = error.borrow();
    let is_permanent = match error {
        fjall::Error::Io(error) | fjall::Error::Storage(LsmError::Io(error)) => {
            is_permanent_error(error)
        }
        fjall::Error::Storage(_) => true,
        _ => false,
    };
    let why = describe(error);
    if is_permanent {
        Error::Damaged(why)
    } else {
        Error::Unreadable(why)
    }
}

/// Returns whether an error is permanent. A file that is missing or too short stays so, and a
/// sector that the device can't read stays unreadable.
fn is_permanent_error(error: &std::io::Error) -> bool {
    const EIO: i32 = 5;
    let kinds = [
        ErrorKind::UnexpectedEof,
        ErrorKind::InvalidData,
        ErrorKind::InvalidInput,
        ErrorKind::NotFound,
    ];
    kinds.contains(&error.kind()) || cfg!(unix) && error.raw_os_error() == Some(EIO)
}

/// Describes an engine's error to an operator.
pub(super) fn describe(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(LsmError::Io(error)) => error.to_string(),
        fjall::Error::Poisoned => {
            "writing or merging files in the background failed; earlier log lines say why (a \
             damaged file?)"
                .to_owned()
        }
        fjall::Error::Storage(LsmError::Unrecoverable) => {
            "a file that is listed is missing".to_owned()
        }
        fjall::Error::Storage(LsmError::ChecksumMismatch { .. }) => {
            "a checksum is wrong".to_owned()
        }
        fjall::Error::Storage(error) => format!("{error:?}"),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(kind: ErrorKind) -> [OpenError; 2] {
        let dir = Path::new("here");
        let (own, storage) = (fjall::Error::Io(kind.into()), LsmError::Io(kind.into()));
        [
            OpenError::engine(dir, own),
            OpenError::engine(dir, fjall::Error::Storage(storage)),
        ]
    }

    #[test]
    fn a_truncated_file_is_damage_and_an_error_of_the_system_is_not() {
        for kind in [
            ErrorKind::UnexpectedEof,
            ErrorKind::InvalidInput,
            ErrorKind::NotFound,
            ErrorKind::AlreadyExists,
        ] {
            assert!(
                engine(kind)
                    .iter()
                    .all(|error| matches!(error, OpenError::Damaged { .. })),
                "{kind}"
            );
        }
        for kind in [
            ErrorKind::PermissionDenied,
            ErrorKind::StorageFull,
            ErrorKind::Other,
        ] {
            assert!(
                engine(kind)
                    .iter()
                    .all(|error| matches!(error, OpenError::Io { .. })),
                "{kind}"
            );
        }
    }

    #[test]
    fn without_permission_to_write_the_error_suggests_a_copy() {
        for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
            for error in engine(kind) {
                assert!(
                    error.for_reading().to_string().contains("look at the copy"),
                    "{kind}"
                );
            }
        }
        let [own, _] = engine(ErrorKind::StorageFull);
        assert!(matches!(own.for_reading(), OpenError::Io { .. }));
    }

    #[test]
    fn damage_is_permanent_and_errors_of_the_system_may_be_temporary() {
        let io = |kind: ErrorKind| unreadable(fjall::Error::Storage(LsmError::Io(kind.into())));
        assert!(matches!(io(ErrorKind::UnexpectedEof), Error::Damaged(_)));
        assert!(matches!(io(ErrorKind::OutOfMemory), Error::Unreadable(_)));
        assert!(matches!(
            unreadable(fjall::Error::Storage(LsmError::InvalidTrailer)),
            Error::Damaged(_)
        ));
        let open_files = std::io::Error::from_raw_os_error(24);
        assert!(matches!(
            unreadable(fjall::Error::Io(open_files)),
            Error::Unreadable(_)
        ));
    }
}
