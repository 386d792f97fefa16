//! Opening a directory: reads what is in it, checks whether it can be trusted, and begins a new
//! epoch.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use fjall::{PersistMode, Slice, Snapshot};

use super::codec::{self, Interner, TopicRow};
use super::contents;
use super::create;
use super::directory::Directory;
use super::error::OpenError;
use super::filter::Floors;
use super::keys::{self, Kind, TopicId, meta};
use super::log::RecoveredLog;
use super::manifest;
use super::merge;
use super::options::{Options, Retention};
use super::tables::Tables;
use super::time_file;
use super::topics::{KeyedRecord, Topics};
use super::wal;
use super::watermark;
use tidings_journal::{Epoch, Epochs, Error, LogClock, Position, TopicName};

/// The most epochs that are remembered. A cursor from an older one gets a reset.
const MAX_EPOCHS: usize = 10_000;

/// The contents of a directory as the last process left them.
pub(super) struct Contents {
    pub(super) topics: Topics,
    /// All epochs, each with its last position. The last epoch ends where the log does.
    pub(super) epochs: Vec<(Epoch, Position)>,
    pub(super) head: Position,
    /// The position up to which the counts of all topics are stored.
    pub(super) checkpoint: Position,
    pub(super) clock: LogClock,
    /// Whether the bounds of all pools are stored.
    are_bounds_written: bool,
}

/// Opens a directory for writing, or creates it.
pub(super) fn for_writing(options: &Options) -> Result<RecoveredLog, OpenError> {
    let mut directory = Directory::take(&options.dir)?;
    let floors = Arc::new(Floors::default());
    create::ensure(&directory, options)?;
    let (tables, contents) = recover(&directory, options, &floors)?;
    let Contents {
        topics,
        epochs: mut earlier,
        head,
        checkpoint,
        clock,
        are_bounds_written,
    } = contents;
    let (bounds, asked) = (topics.bounds(), &options.retention.bounds);
    if bounds != asked {
        let differs = asked
            .iter()
            .zip(bounds.iter())
            .filter(|(asked, written)| asked != written);
        let differences: Vec<_> = differs
            .map(|((name, asked), (_, most))| format!("{name} {most}, not {asked}"))
            .collect();
        tracing::warn!(
            "the journal in {} was created with other bounds on keys than this server's, and \
             keeps them: {}",
            directory.path().display(),
            differences.join(", ")
        );
    }
    if earlier.len() > MAX_EPOCHS {
        earlier.drain(..earlier.len() - MAX_EPOCHS);
    }
    let current = Epoch::random(&mut rand::rng());
    // Done before the first write. A directory that is refused stays as it was, so that the version
    // that wrote it can open it.
    if directory.has_earlier_format() {
        directory.raise_format()?;
        tracing::info!(
            "the journal in {} was upgraded to this version's format; earlier versions can't open \
             it any more",
            directory.path().display()
        );
    }
    let mut batch = tables.db.batch().durability(Some(PersistMode::SyncAll));
    batch.insert(
        &tables.meta,
        meta::EPOCHS,
        codec::encode_epochs(&earlier, current),
    );
    if !are_bounds_written {
        batch.insert(
            &tables.meta,
            meta::BOUNDS,
            codec::encode_bounds(bounds.iter()),
        );
    }
    batch.insert(&tables.meta, meta::CLOCK, clock.encode());
    batch
        .commit()
        .map_err(|error| OpenError::engine(directory.path(), error))?;
    for (_, topic) in topics.iter() {
        floors.raise(topic.row.id, topic.row.floor);
    }
    floors.set_head(head);
    floors.set_log_ms(clock.now_ms());
    floors.begin();
    Ok(RecoveredLog {
        directory,
        tables,
        floors,
        topics,
        epochs: Epochs::new(current, earlier),
        head,
        checkpoint,
        clock,
    })
}

/// Opens a directory for reading. Nothing is appended and no epoch begins. The storage engine opens
/// its files for writing nevertheless, and may cut off what was half written when the last process
/// died.
pub(super) fn for_reading(dir: &Path) -> Result<(Directory, Tables, Contents), OpenError> {
    take_and_recover(dir).map_err(OpenError::for_reading)
}

fn take_and_recover(dir: &Path) -> Result<(Directory, Tables, Contents), OpenError> {
    let directory = Directory::take_existing(dir)?;
    if !directory.db().exists() {
        return Err(OpenError::damaged(dir, "there is no folder db in it"));
    }
    let (tables, contents) = recover(&directory, &Options::new(dir), &Arc::default())?;
    Ok((directory, tables, contents))
}

/// Opens the tables, and reads what has to be in memory. A directory that is refused keeps all of
/// its bytes, so that it can be repaired.
fn recover(
    directory: &Directory,
    options: &Options,
    floors: &Arc<Floors>,
) -> Result<(Tables, Contents), OpenError> {
    let path = directory.db();
    directory.check_engine()?;
    manifest::check(directory, &path)?;
    contents::check(directory, &path)?;
    let cut = wal::repair(directory, &path)?;
    let recovered = Tables::open_in(directory, &path, options, floors).and_then(|tables| {
        let contents = Contents::read(directory, &tables, &options.retention)?;
        check_watermark(directory, contents.head)?;
        Ok((tables, contents))
    });
    // If the write-ahead log contains no position before the damaged place, only the tables tell
    // that what follows had been on the device.
    if let (Err(_), Some(cut)) = (&recovered, cut) {
        cut.undo().map_err(OpenError::io(
            directory.path(),
            "putting the end of the write-ahead log back",
        ))?;
    }
    recovered
}

/// Refuses a log that ends before the watermark, which is a position that was on the device.
fn check_watermark(directory: &Directory, head: Position) -> Result<(), OpenError> {
    let watermark = watermark::read(directory.path())
        .map_err(OpenError::io(directory.path(), "reading the file synced"))?;
    match watermark.filter(|&synced| synced > head) {
        Some(synced) => Err(OpenError::Lost {
            dir: directory.path().to_owned(),
            found: head.get(),
            synced: synced.get(),
        }),
        None => Ok(()),
    }
}

impl Contents {
    /// Reads what has to be in memory. The time for this depends on the number of topics, not on
    /// the number of records.
    fn read(
        directory: &Directory,
        tables: &Tables,
        retention: &Retention,
    ) -> Result<Self, OpenError> {
        let reader = TableReader {
            dir: directory.path(),
            tables,
            snapshot: tables.db.snapshot(),
        };
        let forgotten = Position::new(reader.meta_number(meta::FORGOTTEN)?);
        let written = reader.bounds()?;
        let bounds = retention.bounds.as_written(&written);
        let are_bounds_written = bounds
            .iter()
            .all(|(name, _)| written.iter().any(|(known, _)| known == name));
        let mut topics = Topics::new(reader.meta_number(meta::NEXT_ID)?, forgotten, bounds);
        let checkpoint = Position::new(reader.meta_number(meta::CHECKPOINT)?);
        reader.topics(&mut topics, retention)?;
        let listed = reader.batches(&mut topics, checkpoint, retention)?;
        let keyed = reader.keyed(&mut topics)?;
        // A floor is on the device before anything is removed because of it, but the batch below it
        // may be gone.
        let floors = topics
            .iter()
            .map(|(_, topic)| topic.row.floor.max(topic.row.last));
        let head = floors
            .chain([listed, keyed, checkpoint, topics.forgotten])
            .max()
            .unwrap_or_default();
        let mut epochs = Vec::new();
        if let Some(row) = reader.meta(meta::EPOCHS)? {
            let (earlier, last) =
                codec::decode_epochs(&row).ok_or_else(|| reader.damaged("the list of epochs"))?;
            epochs = earlier;
            epochs.push((last, head));
        }
        let clock = reader.clock()?;
        Ok(Self {
            topics,
            epochs,
            head,
            checkpoint,
            clock,
            are_bounds_written,
        })
    }
}

/// Reads the tables of one directory.
struct TableReader<'a> {
    dir: &'a Path,
    tables: &'a Tables,
    snapshot: Snapshot,
}

impl TableReader<'_> {
    fn damaged(&self, what: &str) -> OpenError {
        OpenError::damaged(self.dir, format!("{what} can't be read"))
    }

    fn pair(&self, guard: fjall::Guard) -> Result<(Slice, Slice), OpenError> {
        guard
            .into_inner()
            .map_err(|error| OpenError::engine(self.dir, error))
    }

    fn meta(&self, key: &[u8]) -> Result<Option<Slice>, OpenError> {
        self.tables
            .meta
            .get(key)
            .map_err(|error| OpenError::engine(self.dir, error))
    }

    fn meta_number(&self, key: &[u8]) -> Result<u64, OpenError> {
        let row = self.meta(key)?;
        let number = row
            .map(|row| keys::parse_position(&row).ok_or_else(|| self.damaged("a number in meta")));
        Ok(number.transpose()?.map_or(0, Position::get))
    }

    /// Returns the stored bounds. Directories before format 2 have none.
    fn bounds(&self) -> Result<Vec<(String, usize)>, OpenError> {
        let row = self.meta(meta::BOUNDS)?;
        let bounds = row.map(|row| {
            codec::decode_bounds(&row).ok_or_else(|| self.damaged("the bounds of keys"))
        });
        bounds.transpose().map(Option::unwrap_or_default)
    }

    /// Returns the log's clock. A log that has none yet begins with the time by which it aged its
    /// records.
    fn clock(&self) -> Result<LogClock, OpenError> {
        match self.meta(meta::CLOCK)? {
            Some(row) => LogClock::decode(&row).ok_or_else(|| self.damaged("the log's clock")),
            None => Ok(time_file::read(self.dir)
                .map(|timeline| LogClock::at(timeline.now_ms(timeline.wall_ms())))
                .unwrap_or_default()),
        }
    }

    fn topics(&self, topics: &mut Topics, retention: &Retention) -> Result<(), OpenError> {
        for guard in self.tables.topics.iter() {
            let (key, value) = self.pair(guard)?;
            if Tables::is_noop(&key) {
                continue;
            }
            let name = str::from_utf8(&key)
                .ok()
                .and_then(|name| TopicName::parse(name).ok());
            let (Some(name), Some(row)) = (name, TopicRow::decode(&value)) else {
                return Err(self.damaged("a topic"));
            };
            topics.load(&name, row, retention);
        }
        Ok(())
    }

    /// Counts what was appended after the checkpoint. Returns the last position in the table
    /// `order`.
    fn batches(
        &self,
        topics: &mut Topics,
        checkpoint: Position,
        retention: &Retention,
    ) -> Result<Position, OpenError> {
        let names: HashMap<TopicId, TopicName> = topics
            .iter()
            .map(|(name, topic)| (topic.row.id, name.clone()))
            .collect();
        // The batch that contains the checkpoint may begin before it.
        let from = self
            .tables
            .order
            .range(..=keys::position(checkpoint))
            .next_back();
        let from = from
            .map(|guard| self.pair(guard))
            .transpose()?
            .map(|(key, _)| key);
        let mut last = Position::START;
        for guard in self.tables.order.range(from.unwrap_or_default()..) {
            let (key, value) = self.pair(guard)?;
            if Tables::is_noop(&key) {
                continue;
            }
            let (Some(first), Some(batch)) =
                (keys::parse_position(&key), codec::decode_batch(&value))
            else {
                return Err(self.damaged("a batch"));
            };
            let mut position = first;
            for listed in batch {
                last = position;
                for (nth, id) in std::iter::once(&listed.topic)
                    .chain(&listed.others)
                    .enumerate()
                {
                    // A topic without a name has been forgotten since.
                    let Some(name) = names.get(id) else {
                        continue;
                    };
                    topics.note(
                        name,
                        if listed.keyed {
                            Kind::Keyed
                        } else {
                            Kind::Plain
                        },
                        position,
                    );
                    let counted = topics
                        .get(name)
                        .map_or(Position::START, |topic| topic.row.counted);
                    if nth == 0 && !listed.keyed && position > counted {
                        topics.count(name, listed.bytes, None, retention);
                    }
                    if position > checkpoint {
                        topics.mark_dirty(name);
                    }
                }
                position = position.next();
            }
        }
        Ok(last)
    }

    /// Adds the live records with a key. Returns the position of the newest.
    fn keyed(&self, topics: &mut Topics) -> Result<Position, OpenError> {
        let names: HashMap<TopicId, TopicName> = topics
            .iter()
            .map(|(name, topic)| (topic.row.id, name.clone()))
            .collect();
        let mut newest = Vec::new();
        for guard in self.tables.keys.iter() {
            let (key, value) = self.pair(guard)?;
            if Tables::is_noop(&key) {
                continue;
            }
            match (keys::parse_key(&key), keys::parse_position(&value)) {
                (Some((topic, key)), Some(position)) => {
                    newest.push((position, topic, Arc::<str>::from(key)));
                }
                _ => return Err(self.damaged("a key")),
            }
        }
        newest.sort_unstable();
        let mut interner = Interner::default();
        let mut last = Position::START;
        for (position, topic, key) in newest {
            let record = merge::get(
                self.tables,
                &self.snapshot,
                topic,
                Kind::Keyed,
                position,
                &mut interner,
            );
            last = position;
            let (record, own_bytes) = match record {
                Ok(Some(merge::StoredRecord {
                    record, own_bytes, ..
                })) => (record, own_bytes),
                Err(Error::Damaged(why)) => {
                    // One damaged record does not keep the others from being read. It counts as
                    // trimmed.
                    if let Some(name) = names.get(&topic) {
                        tracing::error!(
                            topic = %name,
                            "the journal in {} is damaged: a live event with a key, at position \
                             {position}, can't be read ({why}); it counts as trimmed",
                            self.dir.display()
                        );
                        topics.lose_keyed(name, position);
                    }
                    continue;
                }
                Ok(None) | Err(_) => {
                    return Err(self.damaged(&format!("the record at position {position}")));
                }
            };
            if names.contains_key(&topic) {
                let mut listed: Vec<TopicName> = Vec::new();
                for name in &*record.topics {
                    if !listed.contains(name) {
                        listed.push(name.clone());
                    }
                }
                topics.add_keyed(
                    position,
                    KeyedRecord {
                        topics: listed,
                        key,
                        bytes: own_bytes,
                    },
                );
            }
        }
        Ok(last)
    }
}
