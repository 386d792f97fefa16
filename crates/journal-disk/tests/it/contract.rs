//! The promises of every journal, tested with the log on disk.

use tempfile::TempDir;
use tidings_journal::{Bounds, Journal};
use tidings_journal_contract::{Backend, Durable};
use tidings_journal_disk::{Disk, Inspection, Options};

struct OnDisk {
    dir: TempDir,
    another: TempDir,
}

impl OnDisk {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            another: tempfile::tempdir().unwrap(),
        }
    }
}

impl Backend for OnDisk {
    fn open_with(&self, bounds: Bounds, max_topics: usize) -> Box<dyn Journal> {
        let mut options = Options::new(self.dir.path());
        options.retention.bounds = bounds;
        options.retention.max_topics = max_topics;
        Box::new(Disk::open(options).unwrap())
    }

    fn another(&self) -> Box<dyn Journal> {
        Box::new(Disk::open(Options::new(self.another.path())).unwrap())
    }

    fn durable(&self) -> Option<&dyn Durable> {
        Some(self)
    }
}

impl Durable for OnDisk {
    fn verify(&self) -> usize {
        let inspection = Inspection::open(self.dir.path()).unwrap();
        assert_eq!(inspection.verify().unwrap().problems, [""; 0]);
        inspection.entries().count()
    }
}

tidings_journal_contract::promises!(crate::contract::OnDisk::new());
