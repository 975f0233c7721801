//! The real shelf: logs below the permitted directories, and recordings that are played.
//!
//! Every read is bounded; a log's decoding happens in slices that the hub asks for. Names that lead out of the permitted
//! directories, by `..` or by links, are refused before anything is opened.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::hub::shelf::{Advance, Content, FileId, Shelf};
use crate::rcrs::log::{Ending, HEAD_BYTES, LogFormat, Progress, Reader};

/// Bytes of decoding, or of reading, in one step.
const SLICE_BYTES: usize = 128 << 10;

/// An open file.
#[derive(Debug)]
enum Open {
    Log { path: PathBuf, reader: Box<Reader<File>> },
    Recording { path: PathBuf, file: File },
}

/// The files of a server.
#[derive(Debug)]
pub(super) struct Files {
    directories: Vec<PathBuf>,
    open: BTreeMap<FileId, Open>,
    next: u32,
}

impl Files {
    /// Logs may be opened below `directories`.
    pub(super) fn new(directories: &[String]) -> Self {
        Self { directories: directories.iter().map(PathBuf::from).collect(), open: BTreeMap::new(), next: 0 }
    }

    fn add(&mut self, open: Open) -> FileId {
        let id = FileId(self.next);
        self.next = self.next.wrapping_add(1);
        self.open.insert(id, open);
        id
    }

    /// The file behind a name, if it lies below a permitted directory.
    fn find(&self, name: &str) -> Result<PathBuf, String> {
        if self.directories.is_empty() {
            return Err("no directory of logs is configured (log_dir)".to_owned());
        }
        if Path::new(name).components().any(|part| part == std::path::Component::ParentDir) {
            return Err(format!("'{name}' leads out of the log directories"));
        }
        let mut outside = false;
        for directory in &self.directories {
            let Ok(directory) = directory.canonicalize() else { continue };
            // An absolute name replaces the directory; it must lie below it all the same.
            let Ok(path) = directory.join(name).canonicalize() else { continue };
            if path.starts_with(&directory) {
                return Ok(path);
            }
            outside = true;
        }
        if outside {
            return Err(format!("'{name}' leads out of the log directories"));
        }
        Err(format!("there is no log '{name}'"))
    }

    fn open_path(&mut self, path: PathBuf) -> Result<(FileId, Content), String> {
        let shown = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let failed = |error: std::io::Error| format!("'{shown}' cannot be opened: {error}");
        // Before it is opened: opening a pipe would wait for its writer.
        if !std::fs::metadata(&path).map_err(failed)?.is_file() {
            return Err(format!("'{shown}' is not a file"));
        }
        let mut file = File::open(&path).map_err(failed)?;
        let mut head = Vec::new();
        let limit = u64::try_from(HEAD_BYTES).unwrap_or(u64::MAX);
        std::io::Read::by_ref(&mut file).take(limit).read_to_end(&mut head).map_err(failed)?;
        if LogFormat::recognise(&head) == Some(LogFormat::Viewer) {
            let file = File::open(&path).map_err(failed)?;
            return Ok((self.add(Open::Recording { path, file }), Content::Viewer));
        }
        let reader = Reader::open(file).map_err(|error| format!("'{shown}': {error}"))?;
        Ok((self.add(Open::Log { path, reader: Box::new(reader) }), Content::Kernel))
    }
}

impl Shelf for Files {
    fn open(&mut self, name: &str) -> Result<(FileId, Content), String> {
        let path = self.find(name)?;
        self.open_path(path)
    }

    fn again(&mut self, id: FileId) -> Result<FileId, String> {
        let path = match self.open.get(&id) {
            Some(Open::Log { path, .. } | Open::Recording { path, .. }) => path.clone(),
            None => return Err("the file is closed".to_owned()),
        };
        self.open_path(path).map(|(id, _)| id)
    }

    fn advance(&mut self, id: FileId) -> Advance {
        match self.open.get_mut(&id) {
            Some(Open::Log { reader, .. }) => match reader.advance(SLICE_BYTES) {
                Ok(Progress::Record(record)) => Advance::Record(record),
                Ok(Progress::Working) => Advance::Working,
                Ok(Progress::Ended(ending)) => Advance::Ended(ending),
                Err(error) => Advance::Failed(error.to_string()),
            },
            Some(Open::Recording { file, .. }) => {
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
        match self.open.get(&id)? {
            Open::Log { reader, .. } => reader.time_max(),
            Open::Recording { .. } => None,
        }
    }

    fn close(&mut self, id: FileId) {
        self.open.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_are_refused() {
        let base = std::env::temp_dir().join(format!("instep-shelf-{}", std::process::id()));
        let logs = base.join("logs");
        std::fs::create_dir_all(&logs).unwrap();
        std::fs::write(base.join("secret.log"), [0xe5, 0x42, 0xd5, 0x85]).unwrap();
        std::fs::write(logs.join("good.log"), [0xe5, 0x42, 0xd5, 0x85]).unwrap();
        std::fs::write(logs.join("odd.txt"), b"hello there, this is no log of any kind").unwrap();
        std::os::unix::fs::symlink(base.join("secret.log"), logs.join("link.log")).unwrap();
        let mut files = Files::new(&[logs.display().to_string()]);
        assert!(files.open("good.log").is_ok());
        assert!(files.open(&logs.join("good.log").display().to_string()).is_ok(), "an absolute name below");
        for name in ["../secret.log", "link.log"] {
            assert!(files.open(name).unwrap_err().contains("leads out"), "{name}");
        }
        assert!(files.open(&base.join("secret.log").display().to_string()).unwrap_err().contains("leads out"));
        assert_eq!(files.open("none.log").unwrap_err(), "there is no log 'none.log'");
        assert!(files.open("odd.txt").unwrap_err().contains("not a simulation log"));
        assert!(files.open(".").unwrap_err().contains("is not a file"));
        assert!(Files::new(&[]).open("good.log").unwrap_err().contains("log_dir"));
        std::fs::remove_dir_all(base).unwrap();
    }
}
