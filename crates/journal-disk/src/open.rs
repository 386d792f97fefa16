//! Opening a directory: what is in it, whether it can be trusted, and the new epoch.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use fjall::{PersistMode, Slice, Snapshot};

use super::codec::{self, Interner, TopicRow};
use super::error::OpenError;
use super::filter::Floors;
use super::home::Home;
use super::keys::{self, Kind, TopicId, meta};
use super::log::Found;
use super::make;
use super::manifest;
use super::mark;
use super::options::{Options, Retention};
use super::reader;
use super::tables::Tables;
use super::times;
use super::topics::{Keyed, Topics};
use super::wal;
use tidings_journal::{Epoch, Epochs, Error, LogClock, Position, TopicName};

/// The most epochs that are remembered. A cursor of an older one gets a reset.
const MOST_EPOCHS: usize = 10_000;

/// What is in a directory, as it was left.
pub(super) struct Contents {
    pub(super) topics: Topics,
    /// All epochs so far, each with its last position; the last one ends where the log does.
    pub(super) epochs: Vec<(Epoch, Position)>,
    pub(super) head: Position,
    /// Up to where the counts of all topics were written down.
    pub(super) checkpoint: Position,
    pub(super) clock: LogClock,
    /// Whether the bounds that `topics` has stand written for all pools.
    are_bounds_written: bool,
}

/// Opens a directory for writing, making it if it is not there.
pub(super) fn for_writing(options: &Options) -> Result<Found, OpenError> {
    let mut home = Home::take(&options.dir)?;
    let floors = Arc::new(Floors::default());
    make::tables(&home, options)?;
    let (tables, contents) = look(&home, options, &floors)?;
    let Contents { topics, epochs: mut earlier, head, checkpoint, clock, are_bounds_written } = contents;
    let (bounds, asked) = (topics.bounds(), &options.retention.bounds);
    if bounds != asked {
        let differs = asked.iter().zip(bounds.iter()).filter(|(asked, written)| asked != written);
        let told: Vec<_> = differs.map(|((name, asked), (_, most))| format!("{name} {most}, not {asked}")).collect();
        tracing::warn!(
            "the journal in {} says how many keys it may hold, and that counts: {}",
            home.dir().display(),
            told.join(", ")
        );
    }
    if earlier.len() > MOST_EPOCHS {
        earlier.drain(..earlier.len() - MOST_EPOCHS);
    }
    let current = Epoch::random(&mut rand::rng());
    // Before the first write. A directory that is refused has been left as it was, to be opened by the version that wrote it.
    if home.has_earlier_format() {
        home.raise_format()?;
        tracing::info!(
            "the journal in {} has this version's format from now on: an earlier version refuses it",
            home.dir().display()
        );
    }
    let mut batch = tables.db.batch().durability(Some(PersistMode::SyncAll));
    batch.insert(&tables.meta, meta::EPOCHS, codec::encode_epochs(&earlier, current));
    if !are_bounds_written {
        batch.insert(&tables.meta, meta::BOUNDS, codec::encode_bounds(bounds.iter()));
    }
    batch.insert(&tables.meta, meta::CLOCK, clock.encode());
    batch.commit().map_err(|error| OpenError::engine(home.dir(), error))?;
    for (_, topic) in topics.iter() {
        floors.raise(topic.row.id, topic.row.floor);
    }
    floors.set_head(head);
    floors.set_log_ms(clock.now_ms());
    floors.begin();
    Ok(Found { home, tables, floors, topics, epochs: Epochs::new(current, earlier), head, checkpoint, clock })
}

/// Opens a directory to look at what is in it. Nothing is appended and no epoch begins; the storage engine may still cut
/// off what was half written when the last process died, and opens its files for writing.
pub(super) fn for_reading(dir: &Path) -> Result<(Home, Tables, Contents), OpenError> {
    take_and_look(dir).map_err(OpenError::for_a_reader)
}

fn take_and_look(dir: &Path) -> Result<(Home, Tables, Contents), OpenError> {
    let home = Home::take_existing(dir)?;
    if !home.db().exists() {
        return Err(OpenError::damaged(dir, "there is no folder db in it"));
    }
    let (tables, contents) = look(&home, &Options::new(dir), &Arc::default())?;
    Ok((home, tables, contents))
}

/// Opens the tables and reads what has to be in memory. A directory that is refused keeps all its bytes: who has them can
/// mend them.
fn look(home: &Home, options: &Options, floors: &Arc<Floors>) -> Result<(Tables, Contents), OpenError> {
    let path = home.db();
    home.check_engine()?;
    manifest::check(home, &path)?;
    let cut = wal::mend(home, &path)?;
    let looked = open_tables(home, &path, options, floors).and_then(|tables| {
        let contents = Contents::read(home, &tables, &options.retention)?;
        check_mark(home, contents.head)?;
        Ok((tables, contents))
    });
    // Where the log lists no position before its bad place, only the tables tell that what came after had been safe.
    if let (Err(_), Some(cut)) = (&looked, cut) {
        cut.undo().map_err(OpenError::io(home.dir(), "putting the end of the write-ahead log back"))?;
    }
    looked
}

/// The storage engine panics on some damaged files; to the operator they are all damage.
pub(super) fn open_tables(
    home: &Home,
    path: &Path,
    options: &Options,
    floors: &Arc<Floors>,
) -> Result<Tables, OpenError> {
    match catch_unwind(AssertUnwindSafe(|| Tables::open(path, options, floors))) {
        Ok(opened) => opened.map_err(|error| OpenError::engine(home.dir(), error)),
        Err(_) => Err(OpenError::damaged(home.dir(), "the storage engine could not read its files")),
    }
}

/// Refuses a log that ends before a position which was on the device.
fn check_mark(home: &Home, head: Position) -> Result<(), OpenError> {
    let mark = mark::read(home.dir()).map_err(OpenError::io(home.dir(), "reading the mark"))?;
    match mark.filter(|&synced| synced > head) {
        Some(synced) => Err(OpenError::Lost { dir: home.dir().to_owned(), found: head.get(), synced: synced.get() }),
        None => Ok(()),
    }
}

impl Contents {
    /// Reads what has to be in memory. Takes time by the number of topics, not of records.
    fn read(home: &Home, tables: &Tables, retention: &Retention) -> Result<Self, OpenError> {
        let reading = Reading { dir: home.dir(), tables, snapshot: tables.db.snapshot() };
        let forgotten = Position::new(reading.meta_number(meta::FORGOTTEN)?);
        let written = reading.bounds()?;
        let bounds = retention.bounds.as_written(&written);
        let are_bounds_written = bounds.iter().all(|(name, _)| written.iter().any(|(known, _)| known == name));
        let mut topics = Topics::new(reading.meta_number(meta::NEXT_ID)?, forgotten, bounds);
        let checkpoint = Position::new(reading.meta_number(meta::CHECKPOINT)?);
        reading.topics(&mut topics, retention)?;
        let listed = reading.batches(&mut topics, checkpoint, retention)?;
        let keyed = reading.keyed(&mut topics)?;
        // A floor is on the device before anything is destroyed by it, but the batch below it may be gone.
        let floors = topics.iter().map(|(_, topic)| topic.row.floor.max(topic.row.last));
        let head = floors.chain([listed, keyed, checkpoint, topics.forgotten]).max().unwrap_or_default();
        let mut epochs = Vec::new();
        if let Some(row) = reading.meta(meta::EPOCHS)? {
            let (earlier, last) = codec::decode_epochs(&row).ok_or_else(|| reading.damaged("the list of epochs"))?;
            epochs = earlier;
            epochs.push((last, head));
        }
        let clock = reading.clock()?;
        Ok(Self { topics, epochs, head, checkpoint, clock, are_bounds_written })
    }
}

/// Reads one directory's tables.
struct Reading<'a> {
    dir: &'a Path,
    tables: &'a Tables,
    snapshot: Snapshot,
}

impl Reading<'_> {
    fn damaged(&self, what: &str) -> OpenError {
        OpenError::damaged(self.dir, format!("{what} can't be read"))
    }

    fn pair(&self, guard: fjall::Guard) -> Result<(Slice, Slice), OpenError> {
        guard.into_inner().map_err(|error| OpenError::engine(self.dir, error))
    }

    fn meta(&self, key: &[u8]) -> Result<Option<Slice>, OpenError> {
        self.tables.meta.get(key).map_err(|error| OpenError::engine(self.dir, error))
    }

    fn meta_number(&self, key: &[u8]) -> Result<u64, OpenError> {
        let row = self.meta(key)?;
        let number = row.map(|row| keys::parse_position(&row).ok_or_else(|| self.damaged("a number in meta")));
        Ok(number.transpose()?.map_or(0, Position::get))
    }

    /// The bounds that stand written; none before format 2.
    fn bounds(&self) -> Result<Vec<(String, usize)>, OpenError> {
        let row = self.meta(meta::BOUNDS)?;
        let bounds = row.map(|row| codec::decode_bounds(&row).ok_or_else(|| self.damaged("the bounds of keys")));
        bounds.transpose().map(Option::unwrap_or_default)
    }

    /// The log's clock. A log that had none yet begins at the time by which it aged its records.
    fn clock(&self) -> Result<LogClock, OpenError> {
        match self.meta(meta::CLOCK)? {
            Some(row) => LogClock::decode(&row).ok_or_else(|| self.damaged("the log's clock")),
            None => Ok(times::read(self.dir)
                .map(|timeline| LogClock::at(timeline.now_ms(timeline.wall_ms())))
                .unwrap_or_default()),
        }
    }

    fn topics(&self, topics: &mut Topics, retention: &Retention) -> Result<(), OpenError> {
        for guard in self.tables.topics.iter() {
            let (key, value) = self.pair(guard)?;
            if Tables::is_beat(&key) {
                continue;
            }
            let name = str::from_utf8(&key).ok().and_then(|name| TopicName::parse(name).ok());
            let (Some(name), Some(row)) = (name, TopicRow::decode(&value)) else {
                return Err(self.damaged("a topic"));
            };
            topics.load(&name, row, retention);
        }
        Ok(())
    }

    /// Counts what was appended after the checkpoint. Returns the last position that is listed.
    fn batches(&self, topics: &mut Topics, checkpoint: Position, retention: &Retention) -> Result<Position, OpenError> {
        let names: HashMap<TopicId, TopicName> =
            topics.iter().map(|(name, topic)| (topic.row.id, name.clone())).collect();
        // The batch that the checkpoint is in may begin before it.
        let from = self.tables.order.range(..=keys::position(checkpoint)).next_back();
        let from = from.map(|guard| self.pair(guard)).transpose()?.map(|(key, _)| key);
        let mut last = Position::START;
        for guard in self.tables.order.range(from.unwrap_or_default()..) {
            let (key, value) = self.pair(guard)?;
            if Tables::is_beat(&key) {
                continue;
            }
            let (Some(first), Some(batch)) = (keys::parse_position(&key), codec::decode_batch(&value)) else {
                return Err(self.damaged("a batch"));
            };
            let mut position = first;
            for listed in batch {
                last = position;
                for (nth, id) in std::iter::once(&listed.topic).chain(&listed.others).enumerate() {
                    // A topic that has no name has been forgotten since.
                    let Some(name) = names.get(id) else {
                        continue;
                    };
                    topics.note(name, if listed.keyed { Kind::Keyed } else { Kind::Plain }, position);
                    let counted = topics.get(name).map_or(Position::START, |topic| topic.row.counted);
                    if nth == 0 && !listed.keyed && position > counted {
                        topics.count(name, listed.bytes, None, retention);
                    }
                    if position > checkpoint {
                        topics.touch(name);
                    }
                }
                position = position.next();
            }
        }
        Ok(last)
    }

    /// Lists the records with a key. Returns the position of the newest.
    fn keyed(&self, topics: &mut Topics) -> Result<Position, OpenError> {
        let names: HashMap<TopicId, TopicName> =
            topics.iter().map(|(name, topic)| (topic.row.id, name.clone())).collect();
        let mut newest = Vec::new();
        for guard in self.tables.keys.iter() {
            let (key, value) = self.pair(guard)?;
            if Tables::is_beat(&key) {
                continue;
            }
            match (keys::parse_key(&key), keys::parse_position(&value)) {
                (Some((topic, key)), Some(position)) => newest.push((position, topic, Arc::<str>::from(key))),
                _ => return Err(self.damaged("a key")),
            }
        }
        newest.sort_unstable();
        let mut interner = Interner::default();
        let mut last = Position::START;
        for (position, topic, key) in newest {
            let record = reader::get(self.tables, &self.snapshot, topic, Kind::Keyed, position, &mut interner);
            last = position;
            let (record, own) = match record {
                Ok(Some(reader::Taken { record, own, .. })) => (record, own),
                Err(Error::Damaged(why)) => {
                    // One record is no reason to do without all others: it counts as trimmed.
                    if let Some(name) = names.get(&topic) {
                        tracing::error!(
                            topic = %name,
                            "the journal in {} is damaged: the newest event with a certain key, at position {position}, can't be \
                             read ({why}); it counts as trimmed",
                            self.dir.display()
                        );
                        topics.lose_keyed(name, position);
                    }
                    continue;
                }
                Ok(None) | Err(_) => return Err(self.damaged(&format!("the record at position {position}"))),
            };
            if names.contains_key(&topic) {
                let mut listed: Vec<TopicName> = Vec::new();
                for name in &*record.topics {
                    if !listed.contains(name) {
                        listed.push(name.clone());
                    }
                }
                topics.add_keyed(position, Keyed { topics: listed, key, bytes: own });
            }
        }
        Ok(last)
    }
}
