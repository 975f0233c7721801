//! The files of recordings, written by a thread of their own: a disk that stalls keeps nobody else waiting.
//!
//! Owns the directory of recordings and the files that are being written. Must not know what is in them but this: what is appended at
//! a time is whole, so a file that cannot take it all is cut back to what was whole before.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::modes;
use super::writer::{Job, Outcomes, Wake, Writer};
use crate::hub::ledger::Ticket;
use crate::hub::recorder::{Deed, Recorder, RecordingId};
use crate::limits::RECORDINGS_PATIENCE_S;
use crate::store::sorted::Sorted;
use crate::time::Utc;

/// Hands recordings to the thread. When it is dropped, what waits is written before the drop returns, unless that takes longer than
/// [`RECORDINGS_PATIENCE_S`].
#[derive(Debug)]
pub(super) struct Recordings(Writer<(RecordingId, Deed)>);

impl Recordings {
    /// Starts the thread that writes in `directory`. `wake` is called when outcomes wait.
    ///
    /// # Errors
    /// There is no thread.
    pub(super) fn open(directory: &Path, wake: Wake) -> io::Result<(Self, Outcomes)> {
        let mut files = Files { directory: directory.to_path_buf(), open: Sorted::new() };
        let (writer, outcomes) = Writer::start("recordings", wake, move |jobs| {
            jobs.iter().map(|job: &Job<(RecordingId, Deed)>| files.perform(job.work.0, &job.work.1)).collect()
        })?;
        Ok((Self(writer), outcomes))
    }
}

impl Recorder for Recordings {
    fn hand_over(&mut self, ticket: Ticket, recording: RecordingId, deed: Deed) {
        let bytes = match &deed {
            Deed::Append(bytes) => bytes.len(),
            Deed::Begin { .. } | Deed::End => 0,
        };
        self.0.send(Job { ticket, work: (recording, deed), bytes });
    }
}

impl Drop for Recordings {
    fn drop(&mut self) {
        if !self.0.end(Some(Duration::from_secs(RECORDINGS_PATIENCE_S))) {
            let (_, bytes) = self.0.waiting();
            log::error!("recordings are not whole: the disk has not taken {bytes} bytes in {RECORDINGS_PATIENCE_S} s");
        }
    }
}

/// The files, in the thread.
#[derive(Debug)]
struct Files {
    directory: PathBuf,
    open: Sorted<RecordingId, Open>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    /// Bytes that were appended whole.
    whole: u64,
}

impl Files {
    fn perform(&mut self, id: RecordingId, deed: &Deed) -> Result<(), String> {
        match deed {
            Deed::Begin { map_name, unix_ms } => self.create(map_name, *unix_ms).map(|open| {
                self.open.insert(id, open);
            }),
            Deed::Append(bytes) => {
                let open = self.open.get_mut(&id).ok_or_else(|| "the file is closed".to_owned())?;
                let written = open.append(bytes);
                if written.is_err() {
                    self.open.remove(&id);
                }
                written
            }
            Deed::End => {
                self.open.remove(&id);
                Ok(())
            }
        }
    }

    /// Makes a file that was not there before.
    fn create(&self, map_name: &str, unix_ms: u64) -> Result<Open, String> {
        let base = Path::new(map_name).file_name().and_then(|name| name.to_str()).filter(|name| !name.is_empty());
        let safe: String =
            base.unwrap_or("map").chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let stem = format!("{}_{}", safe.get(..safe.len().min(64)).unwrap_or("map"), stamp(unix_ms));
        // Two providers may begin within one millisecond.
        for n in 0..100 {
            let name = if n == 0 { format!("{stem}.vlog") } else { format!("{stem}-{n}.vlog") };
            let path = self.directory.join(name);
            match modes::of_recordings().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    log::info!("recording to {}", path.display());
                    return Ok(Open { path, file, whole: 0 });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
        }
        Err(format!("{}: too many recordings of this moment", self.directory.display()))
    }
}

impl Open {
    fn append(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.file.write_all(bytes).map_err(|error| {
            // What was begun is of no use; where nothing is whole there is no recording.
            let mended = if self.whole == 0 { std::fs::remove_file(&self.path) } else { self.file.set_len(self.whole) };
            let torn = mended.err().map_or_else(String::new, |error| format!(", and its end is torn: {error}"));
            format!("{}: {error}{torn}", self.path.display())
        })?;
        self.whole += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

/// `YYYYMMDD_hhmmss_mmmm` of a moment, in UTC.
fn stamp(unix_ms: u64) -> String {
    let Utc { year, month, day, hour, minute, second, millisecond } = Utc::of(unix_ms);
    format!("{year:04}{month:02}{day:02}_{hour:02}{minute:02}{second:02}_{millisecond:04}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_stamped_in_utc() {
        assert_eq!(stamp(0), "19700101_000000_0000");
        assert_eq!(stamp(951_782_400_007), "20000229_000000_0007");
        assert_eq!(stamp(1_795_408_245_678), "20261123_043045_0678");
    }

    /// Files in a directory of the test's own.
    fn files(name: &str) -> (Files, PathBuf) {
        let directory = std::env::temp_dir().join(format!("instep-recordings-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        (Files { directory: directory.clone(), open: Sorted::new() }, directory)
    }

    fn begin(map_name: &str) -> Deed {
        Deed::Begin { map_name: map_name.to_owned(), unix_ms: 0 }
    }

    #[test]
    fn files_are_named_after_map_and_moment_and_never_written_over() {
        let (mut files, directory) = files("names");
        for (id, map) in ["maps/Kobe 2", "maps/Kobe 2", "..", ""].into_iter().enumerate() {
            let id = RecordingId(u64::try_from(id).unwrap());
            files.perform(id, &begin(map)).unwrap();
            files.perform(id, &Deed::Append(id.0.to_string().into_bytes())).unwrap();
            files.perform(id, &Deed::End).unwrap();
        }
        let names = ["Kobe-2_19700101_000000_0000", "Kobe-2_19700101_000000_0000-1", "map_19700101_000000_0000"];
        for (id, name) in names.into_iter().enumerate() {
            assert_eq!(std::fs::read(directory.join(format!("{name}.vlog"))).unwrap(), id.to_string().into_bytes());
        }
        assert!(files.open.is_empty());
        std::fs::remove_dir_all(&directory).unwrap();
        let said = files.perform(RecordingId(9), &begin("x")).unwrap_err();
        assert!(said.starts_with(&directory.join("x_").display().to_string()) && said.contains("(os error"), "{said}");
        assert_eq!(files.perform(RecordingId(9), &Deed::Append(vec![1])), Err("the file is closed".to_owned()));
        assert_eq!(files.perform(RecordingId(9), &Deed::End), Ok(()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_cannot_be_written_is_told_with_its_file_and_nothing_follows_it() {
        let (mut files, directory) = files("full");
        let path = directory.join("a.vlog");
        std::fs::write(&path, "").unwrap();
        // A device that is always full, under the name of a file.
        let file = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        files.open.insert(RecordingId(1), Open { path: path.clone(), file, whole: 0 });
        let said = files.perform(RecordingId(1), &Deed::Append(vec![0; 100])).unwrap_err();
        assert_eq!(said, format!("{}: No space left on device (os error 28)", path.display()));
        assert!(!path.exists(), "nothing of it was whole");
        assert_eq!(files.perform(RecordingId(1), &Deed::Append(vec![0])), Err("the file is closed".to_owned()));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
