//! A state directory made from a backup: judged first, written beside its place, and then put there in one step.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::clock::{self, Clock};
use super::ledger_file::LedgerFile;
use super::ledger_look::{Look, Told, look};
use super::modes::STATE_FILE;
use crate::config::Config;
use crate::hub::ledger::{Entry, Write};
use crate::hub::{Hub, Start};

/// Where it is written until it is whole.
const BESIDE: &str = "restoring";

/// Makes `directory` hold `entries`. With `replace` a state that is there is laid aside, and it is said where.
///
/// # Errors
/// In a sentence: the entries are no state that could be taken up, or of a newer version; there is a state and `replace` is not chosen; a
/// process has it open; the disk.
pub fn restore_state(directory: &Path, entries: Vec<Entry>, replace: bool) -> io::Result<Option<PathBuf>> {
    let told = |kind: ErrorKind, why: &str| io::Error::new(kind, format!("{}: {why}", directory.display()));
    judge(entries.clone())?;
    let there = match look(directory) {
        Ok(Look::Nothing) => false,
        Ok(Look::Taken) => return Err(told(ErrorKind::AddrInUse, "another process has it open: end that first")),
        // Whoever replaces it may have reason to.
        Ok(Look::Kept(..) | Look::TooLarge(_)) | Err(_) => true,
    };
    if there && !replace {
        return Err(told(ErrorKind::AlreadyExists, "there is a state already (--replace lays it aside)"));
    }
    let place = directory.join(STATE_FILE);
    let aside = place.with_extension("redb.before");
    if there && fs::symlink_metadata(&aside).is_ok() {
        let why = format!("{} is there from another time: move it away first", aside.display());
        return Err(io::Error::new(ErrorKind::AlreadyExists, why));
    }
    let owner = fs::metadata(directory).ok();
    super::modes::make_directory(directory)?;
    let beside = directory.join(BESIDE);
    drop(fs::remove_dir_all(&beside));
    let written = write(&beside, entries);
    let placed = written.and_then(|()| {
        let made = beside.join(STATE_FILE);
        give_to(owner.as_ref(), &made)?;
        if there {
            // Whatever happens here, there is a state: where a file can have two names the old one keeps its own until the new one takes it.
            fs::hard_link(&place, &aside).or_else(|_| fs::rename(&place, &aside))?;
        }
        fs::rename(made, &place).inspect_err(|_| {
            if there {
                drop(fs::rename(&aside, &place));
            }
        })
    });
    drop(fs::remove_dir_all(&beside));
    placed?;
    keep_names(directory)?;
    Ok(there.then_some(aside))
}

/// Whether a hub takes them up.
fn judge(entries: Vec<Entry>) -> io::Result<()> {
    let wrong = |why: String| io::Error::new(ErrorKind::InvalidData, format!("the backup: {why}"));
    let config = Config { namespace: "N".to_owned(), host: "h".to_owned(), ..Config::default() };
    let start = Start { seed: clock::seed(), now: Clock::new().now(), unix_ms: clock::unix_ms() };
    let mut hub = Hub::new(config, start).map_err(|error| wrong(error.to_string()))?;
    hub.set_ledger(Box::new(Told(entries))).map_err(wrong)
}

fn write(directory: &Path, entries: Vec<Entry>) -> io::Result<()> {
    let (mut file, _) = LedgerFile::open(directory)?;
    let writes: Vec<Write> = entries.into_iter().map(|(key, value)| Write { key, value: Some(value.into()) }).collect();
    file.append(writes.iter()).map_err(io::Error::other)
}

/// Waits until the disk has the names of the files in a directory.
#[cfg(unix)]
fn keep_names(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

/// The system does so by itself, and opens no directory for it.
#[cfg(not(unix))]
fn keep_names(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Who restores it as root does it for the user whose directory it is.
#[cfg(unix)]
fn give_to(owner: Option<&fs::Metadata>, file: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, lchown};
    let Some(owner) = owner else { return Ok(()) };
    let own = fs::symlink_metadata(file)?;
    if (own.uid(), own.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    // A link that somebody has put there is not followed.
    lchown(file, Some(owner.uid()), Some(owner.gid()))
}

#[cfg(not(unix))]
fn give_to(_: Option<&fs::Metadata>, _: &Path) -> io::Result<()> {
    Ok(())
}
