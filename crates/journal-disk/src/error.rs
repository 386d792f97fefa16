//! Why a directory can't be opened as a log.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why a log could not be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    #[error("the journal in {} is in use{}; a journal belongs to one process at a time", dir.display(), by.as_ref().map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The process id that its holder wrote down.
        by: Option<u32>,
    },
    /// It was written by a later version.
    #[error("the journal in {} has the format {found}, and this version reads up to {known}; it was left as it is. Start the version that wrote it, or name another directory", dir.display())]
    Newer {
        /// The directory.
        dir: PathBuf,
        /// The format's number.
        found: u32,
        /// The newest one that is known here.
        known: u32,
    },
    /// It is something else.
    #[error("{} is not a journal: {what}; it was left as it is. Name an empty directory, or one that does not exist", dir.display())]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// What speaks against it.
        what: String,
    },
    /// The operating system says no.
    #[error("the journal in {} can't be opened: {what}: {source}. See that the server may read and write there, and that the disk has room", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The reason.
        source: std::io::Error,
    },
    /// It may not be written to, and is only to be looked at.
    #[error("the journal in {} can't be looked at where it is: {what}: {source}. The storage engine opens its files for writing even to read them: copy the directory to a place where it may, and look at the copy", dir.display())]
    ReadOnly {
        /// The directory.
        dir: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The reason.
        source: std::io::Error,
    },
    /// A file is damaged, or missing.
    #[error("the journal in {} is damaged: {what}. Restore the directory from a backup, or move it away to start with an empty journal", dir.display())]
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// What was found.
        what: String,
    },
    /// Events that were acknowledged are not there.
    #[error("the journal in {} ends at position {found}, but position {synced} was safely on disk; its end is damaged. Restore the directory from a backup, or, to go on without these events, remove the file {}", dir.display(), dir.join(super::mark::FILE).display())]
    Lost {
        /// The directory.
        dir: PathBuf,
        /// The last position that is there.
        found: u64,
        /// One that must be.
        synced: u64,
    },
}

impl OpenError {
    pub(super) fn io(dir: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let dir = dir.to_owned();
        move |source| Self::Io { dir, what, source }
    }

    pub(super) fn damaged(dir: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { dir: dir.to_owned(), what: what.into() }
    }

    /// What the storage engine said, while it opened or read.
    pub(super) fn engine(dir: &Path, error: fjall::Error) -> Self {
        match error {
            // The system has nothing against it: a file is not what the engine left behind.
            fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source))
                if is_damage(source.kind()) =>
            {
                let what = match source.kind() {
                    ErrorKind::UnexpectedEof | ErrorKind::InvalidInput => "a file ends too early",
                    _ => "a file is missing",
                };
                Self::damaged(dir, format!("{what} ({source})"))
            }
            fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source)) => {
                Self::Io { dir: dir.to_owned(), what: "a file", source }
            }
            fjall::Error::Locked => Self::InUse { dir: dir.to_owned(), by: None },
            other => Self::damaged(dir, describe(&other)),
        }
    }

    /// The same for who only wants to look.
    pub(super) fn for_a_reader(self) -> Self {
        match self {
            Self::Io { dir, what, source }
                if matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
            {
                Self::ReadOnly { dir, what, source }
            }
            other => other,
        }
    }
}

/// Whether the engine's getting this from the system means that its files are damaged. Of an empty file it asks for what is
/// before the beginning; without its own list it takes the directory for a new one, and finds it full.
fn is_damage(kind: ErrorKind) -> bool {
    use ErrorKind::{AlreadyExists, InvalidInput, NotFound, UnexpectedEof};
    matches!(kind, UnexpectedEof | InvalidInput | NotFound | AlreadyExists)
}

/// What went wrong, in words for an operator.
pub(super) fn describe(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => error.to_string(),
        fjall::Error::Poisoned => "writing or merging files in the background failed; the lines before this in the log say why (a damaged file?)".to_owned(),
        fjall::Error::Storage(fjall::LsmError::Unrecoverable) => "a file that is listed is missing".to_owned(),
        fjall::Error::Storage(fjall::LsmError::ChecksumMismatch { .. }) => "a checksum is wrong".to_owned(),
        fjall::Error::Storage(error) => format!("{error:?}"),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::*;

    fn engine(kind: ErrorKind) -> [OpenError; 2] {
        let dir = Path::new("here");
        let (own, storage) = (fjall::Error::Io(Error::from(kind)), fjall::LsmError::Io(Error::from(kind)));
        [OpenError::engine(dir, own), OpenError::engine(dir, fjall::Error::Storage(storage))]
    }

    #[test]
    fn a_file_that_ends_too_early_is_damaged_and_what_the_system_refuses_is_not() {
        for kind in [ErrorKind::UnexpectedEof, ErrorKind::InvalidInput, ErrorKind::NotFound, ErrorKind::AlreadyExists] {
            assert!(engine(kind).iter().all(|error| matches!(error, OpenError::Damaged { .. })), "{kind}");
        }
        for kind in [ErrorKind::PermissionDenied, ErrorKind::StorageFull, ErrorKind::Other] {
            assert!(engine(kind).iter().all(|error| matches!(error, OpenError::Io { .. })), "{kind}");
        }
    }

    #[test]
    fn who_may_not_write_is_told_to_look_at_a_copy() {
        for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
            for error in engine(kind) {
                assert!(error.for_a_reader().to_string().contains("look at the copy"), "{kind}");
            }
        }
        let [own, _] = engine(ErrorKind::StorageFull);
        assert!(matches!(own.for_a_reader(), OpenError::Io { .. }));
    }
}
