//! The real shelf: logs below the permitted directories, and recordings that are played.
//!
//! Every read is bounded; a log's decoding happens in slices that the hub asks for. Each time that a file is opened, the first and any other,
//! it is looked for anew below its directory ([`below`]), and what was opened is what is judged and read. A name that leads elsewhere is
//! refused in the words for one that is not there.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use super::below::{self, Lying};
use crate::hub::shelf::{Advance, Content, FileId, Logs, Shelf};
use crate::limits::{LOGS_LISTED_MAX, LOGS_NAMED_MAX};
use crate::rcrs::log::{Ending, HEAD_BYTES, LogFormat, Progress, Reader};
use crate::store::sorted::Sorted;

/// Bytes of decoding, or of reading, in one step.
const SLICE_BYTES: usize = 128 << 10;

/// Where a file is.
#[derive(Clone, Debug)]
struct Place {
    directory: PathBuf,
    name: PathBuf,
}

#[derive(Debug)]
enum Body {
    Log(Box<Reader<File>>),
    Recording(File),
}

/// An open file.
#[derive(Debug)]
struct Open {
    place: Place,
    body: Body,
}

impl Open {
    const fn content(&self) -> Content {
        match self.body {
            Body::Log(_) => Content::Kernel,
            Body::Recording(_) => Content::Viewer,
        }
    }
}

/// The files of a server.
#[derive(Debug)]
pub(super) struct Files {
    directories: Vec<PathBuf>,
    open: Sorted<FileId, Open>,
    next: u32,
}

impl Files {
    /// Logs may be opened below `directories`.
    pub(super) fn new(directories: &[String]) -> Self {
        Self { directories: directories.iter().map(PathBuf::from).collect(), open: Sorted::new(), next: 0 }
    }

    fn add(&mut self, open: Open) -> (FileId, Content) {
        let (id, content) = (FileId(self.next), open.content());
        self.next = self.next.wrapping_add(1);
        self.open.insert(id, open);
        (id, content)
    }

    /// The file of this name, opened; the first of them where several directories have one.
    fn find(&self, name: &str) -> Result<(Place, File), String> {
        if self.directories.is_empty() {
            return Err("no directory of logs is configured (log_dir)".to_owned());
        }
        for directory in &self.directories {
            let Some(below) = below_of(directory, Path::new(name)) else { continue };
            let place = Place { directory: directory.clone(), name: below };
            match below::open(&place.directory, &place.name) {
                Ok(file) => return Ok((place, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("'{name}' cannot be opened: {error}")),
            }
        }
        Err(format!("there is no log '{name}' below the directories of logs (log_dir); {}", self.named()))
    }

    /// What there is, in a few words.
    fn named(&self) -> String {
        let Logs { files, more } = self.logs();
        let names: Vec<_> = files.iter().take(LOGS_NAMED_MAX).map(|(name, _)| name.as_str()).collect();
        let rest = if more || files.len() > names.len() { ", …" } else { "" };
        if names.is_empty() { "they have none".to_owned() } else { format!("there are: {}{rest}", names.join(", ")) }
    }
}

/// The way to a file below a directory, by a name that may be absolute.
fn below_of(directory: &Path, name: &Path) -> Option<PathBuf> {
    if name.is_relative() {
        return Some(name.to_owned());
    }
    let plain = name.strip_prefix(directory).ok();
    plain.map(Path::to_owned).or_else(|| Some(name.strip_prefix(directory.canonicalize().ok()?).ok()?.to_owned()))
}

/// Judges a file that has just been opened, and reads on in that very one.
fn judge(place: Place, mut file: File) -> Result<Open, String> {
    let shown = place.name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let failed = |error: io::Error| format!("'{shown}' cannot be read: {error}");
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(format!("'{shown}' is not a file"));
    }
    let mut head = Vec::new();
    let limit = u64::try_from(HEAD_BYTES).unwrap_or(u64::MAX);
    io::Read::by_ref(&mut file).take(limit).read_to_end(&mut head).map_err(failed)?;
    file.rewind().map_err(failed)?;
    if LogFormat::recognise(&head) == Some(LogFormat::Viewer) {
        return Ok(Open { place, body: Body::Recording(file) });
    }
    let reader = Reader::open(file).map_err(|error| format!("'{shown}': {error}"))?;
    Ok(Open { place, body: Body::Log(Box::new(reader)) })
}

impl Shelf for Files {
    fn set_directories(&mut self, directories: &[String]) {
        self.directories = directories.iter().map(PathBuf::from).collect();
    }

    fn open(&mut self, name: &str) -> Result<(FileId, Content), String> {
        let (place, file) = self.find(name)?;
        let open = judge(place, file)?;
        Ok(self.add(open))
    }

    fn again(&mut self, id: FileId) -> Result<FileId, String> {
        let Some(before) = self.open.get(&id) else { return Err("the file is closed".to_owned()) };
        let shown = before.place.name.display();
        let file = below::open(&before.place.directory, &before.place.name)
            .map_err(|error| format!("'{shown}' cannot be opened again: {error}"))?;
        let open = judge(before.place.clone(), file)?;
        if open.content() != before.content() {
            return Err(format!("'{shown}' is something else than before"));
        }
        Ok(self.add(open).0)
    }

    fn advance(&mut self, id: FileId) -> Advance {
        match self.open.get_mut(&id).map(|open| &mut open.body) {
            Some(Body::Log(reader)) => match reader.advance(SLICE_BYTES) {
                Ok(Progress::Record(record)) => Advance::Record(record),
                Ok(Progress::Working) => Advance::Working,
                Ok(Progress::Ended(ending)) => Advance::Ended(ending),
                Err(error) => Advance::Failed(error.to_string()),
            },
            Some(Body::Recording(file)) => {
                let mut bytes = vec![0; SLICE_BYTES];
                match file.read(&mut bytes) {
                    Ok(0) => Advance::Ended(Ending::Whole),
                    Ok(n) => {
                        bytes.truncate(n);
                        Advance::Bytes(bytes)
                    }
                    Err(error) => Advance::Failed(error.to_string()),
                }
            }
            None => Advance::Failed("the file is closed".to_owned()),
        }
    }

    fn time_max(&self, id: FileId) -> Option<i32> {
        match &self.open.get(&id)?.body {
            Body::Log(reader) => reader.time_max(),
            Body::Recording(_) => None,
        }
    }

    fn close(&mut self, id: FileId) {
        self.open.remove(&id);
    }

    fn logs(&self) -> Logs {
        let mut logs = Logs::default();
        for directory in &self.directories {
            let (files, more) = below::list(directory, LOGS_LISTED_MAX - logs.files.len());
            logs.more |= more;
            for Lying { name, bytes } in files {
                // Of two with one name only the first can be asked for.
                if !logs.files.iter().any(|(known, _)| *known == name) {
                    logs.files.push((name, bytes));
                }
            }
        }
        logs
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    const LOG: [u8; 8] = [0xe5, 0x42, 0xd5, 0x85, 0, 0, 0, 0];

    fn folder(name: &str) -> PathBuf {
        let base = std::env::temp_dir().join(format!("instep-shelf-{name}-{}", std::process::id()));
        std::fs::create_dir_all(base.join("logs")).unwrap();
        base
    }

    #[test]
    fn names_that_lead_out_are_as_good_as_none() {
        let base = folder("names");
        let logs = base.join("logs");
        std::fs::write(base.join("secret.log"), LOG).unwrap();
        std::fs::write(logs.join("good.log"), LOG).unwrap();
        std::fs::write(logs.join("odd.txt"), b"hello there, this is no log of any kind").unwrap();
        std::os::unix::fs::symlink(base.join("secret.log"), logs.join("link.log")).unwrap();
        let mut files = Files::new(&[logs.display().to_string()]);
        assert!(files.open("good.log").is_ok());
        assert!(files.open(&logs.join("good.log").display().to_string()).is_ok(), "an absolute name below");
        let secret = base.join("secret.log").display().to_string();
        for name in ["../secret.log", "link.log", "none.log", "good.log/x", secret.as_str()] {
            assert_eq!(
                files.open(name).unwrap_err(),
                format!(
                    "there is no log '{name}' below the directories of logs (log_dir); there are: good.log, odd.txt"
                )
            );
        }
        assert!(files.open("odd.txt").unwrap_err().contains("not a simulation log"));
        std::fs::create_dir(logs.join("folder")).unwrap();
        for name in ["folder", ".", ""] {
            assert!(files.open(name).unwrap_err().contains("is not a file"), "{name}");
        }
        assert!(Files::new(&[]).open("good.log").unwrap_err().contains("log_dir"));
        assert_eq!(files.logs().files, [("good.log".to_owned(), 8), ("odd.txt".to_owned(), 39)]);
        for n in 0..LOGS_NAMED_MAX {
            std::fs::write(logs.join(format!("{n}.log")), LOG).unwrap();
        }
        assert!(files.open("x").unwrap_err().ends_with(", …"));
        std::fs::remove_dir_all(base).unwrap();
    }

    /// Whatever is put in the place of a file that is open, it is looked at anew when it is opened again.
    #[test]
    fn what_is_swapped_in_is_seen_for_what_it_is() {
        let base = folder("swap");
        let (logs, inner) = (base.join("logs"), base.join("logs/inner"));
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::create_dir_all(base.join("outside")).unwrap();
        std::fs::write(base.join("outside/run.log"), LOG).unwrap();
        std::fs::write(inner.join("run.log"), LOG).unwrap();
        let mut files = Files::new(&[logs.display().to_string()]);
        let (id, content) = files.open("inner/run.log").unwrap();
        assert_eq!(content, Content::Kernel);
        assert!(files.again(id).is_ok());
        std::fs::remove_file(inner.join("run.log")).unwrap();
        assert!(files.again(id).unwrap_err().contains("cannot be opened again"));
        rustix::fs::mknodat(
            rustix::fs::CWD,
            inner.join("run.log"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(files.again(id).unwrap_err().contains("is not a file"), "and nobody waits for a writer");
        assert!(files.open("inner/run.log").unwrap_err().contains("is not a file"));
        std::fs::remove_file(inner.join("run.log")).unwrap();
        std::fs::write(inner.join("run.log"), [0x81]).unwrap();
        assert!(files.again(id).unwrap_err().contains("something else"));
        std::fs::remove_dir_all(&inner).unwrap();
        std::os::unix::fs::symlink(base.join("outside"), &inner).unwrap();
        assert!(files.again(id).is_err() && files.open("inner/run.log").is_err(), "a directory became a link");
        std::fs::remove_dir_all(base).unwrap();
    }
}
