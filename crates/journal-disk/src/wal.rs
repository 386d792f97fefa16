//! Checks the storage engine's write-ahead log before the engine opens it: whether the log is
//! whole, and where it is torn.
//!
//! A machine that loses power leaves the end of a file half written, and not always in order: a
//! sector may be missing before one that was written. The engine cuts off an end that it can't
//! read. But it takes a batch with a hole for damage and refuses to open the log, and it also cuts
//! off data that was on the device and was damaged later. So the log is checked first:
//!
//! - The active file is cut where it becomes unreadable, unless a position behind that place was on
//!   the device (see [`watermark`](super::watermark)). Whole batches behind that place mean that it
//!   is not a torn end, because each batch was on the device before the next one was begun. What is
//!   cut off is then kept in a file beside it, so that it can be repaired by hand. As long as that
//!   file exists, the log reports that it has lost something.
//! - A file before the active one was synced when it was completed. It is either whole or damaged.
//!
//! Nothing is written unless the log is intact, as far as the log itself shows. If the rest of the
//! directory shows otherwise, what was cut off is put back.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::directory::{CUT, Directory};
use super::error::OpenError;
use super::tables::Tables;
use super::{codec, keys, watermark};
use tidings_journal::Position;

/// The result of reading one file.
#[derive(Debug, Default, PartialEq, Eq)]
struct WalScan {
    /// Where the last whole batch ends, in bytes.
    whole: u64,
    /// The last position that the whole batches contain, if there is one.
    last: Option<Position>,
    /// Whether anything but zeros follows the last whole batch.
    more: bool,
}

/// What was cut off a file.
#[derive(Debug)]
pub(super) struct Cut {
    path: PathBuf,
    at: u64,
    /// The bytes up to the last one that is not zero.
    end: Vec<u8>,
    /// The original length of the file in bytes.
    length: u64,
    /// The file in which the bytes are kept.
    kept: Option<PathBuf>,
}

impl Cut {
    /// Reads what follows `at`, which is still in the file.
    fn read(path: &Path, at: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut end = Vec::new();
        file.seek(SeekFrom::Start(at))?;
        file.read_to_end(&mut end)?;
        let length = at + end.len() as u64;
        end.truncate(
            end.iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |last| last + 1),
        );
        Ok(Self {
            path: path.to_owned(),
            at,
            end,
            length,
            kept: None,
        })
    }

    /// Returns the number of whole batches behind the unreadable place, and the last position that
    /// they contain.
    fn whole_batches(&self) -> (u64, Option<Position>) {
        let (mut batches, mut last) = (0, None);
        let mut rest = &self.end[..];
        while let Some(start) = rest.iter().position(|byte| *byte == START) {
            rest = &rest[start..];
            let mut reader = Reader::new(rest, rest.len() as u64);
            if let Ok(true) = reader.batch() {
                (batches, last) = (batches + 1, reader.listed.or(last));
                rest = usize::try_from(reader.at)
                    .ok()
                    .and_then(|at| rest.get(at..))
                    .unwrap_or_default();
            } else {
                rest = &rest[1..];
            }
        }
        (batches, last)
    }

    /// Writes the bytes to a file of their own in `directory`.
    fn keep(&mut self, directory: &Directory) -> io::Result<&Path> {
        let name = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let path = (0..).map(|nth: u32| {
            directory
                .path()
                .join(format!("{CUT}{name}-{}-{nth}", self.at))
        });
        let path = path
            .into_iter()
            .find(|path| !path.exists())
            .unwrap_or_default();
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        file.write_all(&self.end)?;
        file.sync_all()?;
        super::directory::sync_dir(directory.path())?;
        Ok(self.kept.insert(path))
    }

    /// Cuts the bytes off.
    fn apply(&self) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        file.set_len(self.at)?;
        file.sync_all()
    }

    /// Puts the bytes back.
    pub(super) fn undo(&self) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        file.set_len(self.at)?;
        file.seek(SeekFrom::Start(self.at))?;
        file.write_all(&self.end)?;
        file.set_len(self.length)?;
        file.sync_all()?;
        self.kept.as_ref().map_or(Ok(()), std::fs::remove_file)
    }
}

/// Checks the log files in `db`, and cuts off the torn end of the last one. Returns what was cut
/// off.
pub(super) fn repair(directory: &Directory, db: &Path) -> Result<Option<Cut>, OpenError> {
    let dir = directory.path();
    let reading = |error| OpenError::io(dir, "reading the write-ahead log")(error);
    let mut logs = logs(db).map_err(reading)?;
    let Some((_, last)) = logs.pop() else {
        return Ok(None);
    };
    let mut listed = None;
    for (_, log) in &logs {
        let found = read(log).map_err(reading)?;
        if found.more {
            let name = log.strip_prefix(dir).unwrap_or(log).display();
            return Err(OpenError::damaged(
                dir,
                format!("{name} can't be read from byte {} on", found.whole),
            ));
        }
        listed = found.last.or(listed);
    }
    let found = read(&last).map_err(reading)?;
    if !found.more {
        return Ok(None);
    }
    let synced = watermark::read(dir)
        .map_err(OpenError::io(dir, "reading the file synced"))?
        .unwrap_or_default();
    if let Some(end) = found.last.or(listed).filter(|end| *end < synced) {
        return Err(OpenError::Lost {
            dir: dir.to_owned(),
            found: end.get(),
            synced: synced.get(),
        });
    }
    let name = last.strip_prefix(dir).unwrap_or(&last).display();
    let cutting =
        |error| OpenError::io(dir, "cutting off the torn end of the write-ahead log")(error);
    let mut cut = Cut::read(&last, found.whole).map_err(cutting)?;
    let (whole, end) = cut.whole_batches();
    if whole == 0 {
        tracing::warn!(
            "the journal in {}: {name} was half written; it was cut off at byte {}",
            dir.display(),
            found.whole
        );
    } else {
        let kept = cut
            .keep(directory)
            .map_err(OpenError::io(
                dir,
                "keeping what is cut off the write-ahead log",
            ))?
            .to_owned();
        let (last, end) = (
            found.last.or(listed).unwrap_or_default(),
            end.map_or_else(String::new, |end| format!(" up to {end}")),
        );
        tracing::error!(
            "the journal in {} is damaged: {name} can't be read from byte {} on, and {whole} \
             intact batches follow. Acknowledged events after position {last}{end} are lost. What \
             was cut off is kept in {}; until that file is removed, the server reports that it \
             has lost something. See \"A damaged journal\" in docs/operating.md",
            dir.display(),
            found.whole,
            kept.display()
        );
    }
    cut.apply().map_err(cutting)?;
    Ok(Some(cut))
}

/// Returns the files of the log and their numbers, oldest first.
pub(super) fn logs(db: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(db)? {
        let path = entry?.path();
        let number = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(number) =
            number.filter(|_| path.extension().is_some_and(|extension| extension == "jnl"))
        {
            logs.push((number, path));
        }
    }
    logs.sort_unstable();
    Ok(logs)
}

fn read(path: &Path) -> io::Result<WalScan> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut reader = Reader::new(BufReader::with_capacity(256 << 10, file), length);
    let mut found = WalScan::default();
    while reader.batch()? {
        found.whole = reader.at;
        found.last = reader.listed.or(found.last);
    }
    // The batch that stopped the reading may have been read in part, so the file is read again from
    // its start.
    found.more = !is_zero(path, found.whole)?;
    Ok(found)
}

fn is_zero(path: &Path, from: u64) -> io::Result<bool> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let (mut chunk, zeros) = (vec![0; 256 << 10], vec![0; 256 << 10]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(true),
            read if chunk[..read] != zeros[..read] => return Ok(false),
            _ => {}
        }
    }
}

/// Reads batches as the engine writes them. All numbers are little-endian:
///
/// ```text
/// start  1, number of items (u32), sequence number (u64)
/// item   2, kind (u8), compression (u8; none here: 0), table (u64), lengths of key (u16), value, value (u32), key, value
/// end    3, XXH3 of all items (u64), "FJL\x03"
/// ```
struct Reader<R> {
    file: R,
    at: u64,
    length: u64,
    /// The item that was read last.
    bytes: Vec<u8>,
    /// The last position that the batch contains, if there is one.
    listed: Option<Position>,
}

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const TRAILER: [u8; 4] = *b"FJL\x03";

/// The number of bytes before an item's key, without the first one.
const ITEM_HEAD: usize = 1 + 1 + 8 + 2 + 4 + 4;

impl<R: Read> Reader<R> {
    fn new(file: R, length: u64) -> Self {
        Self {
            file,
            at: 0,
            length,
            bytes: Vec::new(),
            listed: None,
        }
    }

    /// Reads a batch. Returns whether there was a whole one.
    fn batch(&mut self) -> io::Result<bool> {
        self.listed = None;
        let Some([START]) = self.take()? else {
            return Ok(false);
        };
        let (Some(items), Some(_)) = (self.take()?.map(u32::from_le_bytes), self.take::<8>()?)
        else {
            return Ok(false);
        };
        let mut hash = Xxh3::new();
        for _ in 0..items {
            if !self.item(&mut hash)? {
                return Ok(false);
            }
        }
        let (Some([END]), Some(sum), Some(TRAILER)) = (self.take()?, self.take()?, self.take()?)
        else {
            return Ok(false);
        };
        Ok(u64::from_le_bytes(sum) == hash.digest())
    }

    fn item(&mut self, hash: &mut Xxh3) -> io::Result<bool> {
        let (Some([ITEM]), Some(head)) = (self.take()?, self.take::<ITEM_HEAD>()?) else {
            return Ok(false);
        };
        let mut rest = &head[..];
        let (kind, [compression], table, key, value, stored) = (
            codec::take::<1>(&mut rest).unwrap_or_default(),
            codec::take(&mut rest).unwrap_or_default(),
            u64::from_le_bytes(codec::take(&mut rest).unwrap_or_default()),
            u16::from_le_bytes(codec::take(&mut rest).unwrap_or_default()),
            u32::from_le_bytes(codec::take(&mut rest).unwrap_or_default()),
            u32::from_le_bytes(codec::take(&mut rest).unwrap_or_default()),
        );
        let bytes = u64::from(key) + u64::from(value);
        if compression != 0 || value != stored || bytes > self.length.saturating_sub(self.at) {
            return Ok(false);
        }
        self.bytes.clear();
        (&mut self.file).take(bytes).read_to_end(&mut self.bytes)?;
        self.at += self.bytes.len() as u64;
        hash.update(&[ITEM]);
        hash.update(&head);
        hash.update(&self.bytes);
        let Some((key, value)) = self.bytes.split_at_checked(usize::from(key)) else {
            return Ok(false);
        };
        if table == Tables::ORDER_ID && kind == [0] {
            let batch = keys::parse_position(key).zip(codec::decode_batch(value));
            let end = batch.and_then(|(first, batch)| {
                first
                    .get()
                    .saturating_add(batch.len() as u64)
                    .checked_sub(1)
            });
            self.listed = end.map(Position::new).or(self.listed);
        }
        Ok(true)
    }

    fn take<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        match self.file.read_exact(&mut bytes) {
            Ok(()) => {
                self.at += N as u64;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
