//! What a file is, by its first bytes. Must not know how any of it goes on.

/// The type number of the record that starts a binary log.
pub(super) const BINARY_START: u32 = 0xe542_d585;

/// The content of the frame that starts a framed log.
pub(super) const FRAME_START: &[u8; 2] = &[0x0a, 0];

/// How many of a file's first bytes [`LogFormat::recognise`] looks at.
pub const HEAD_BYTES: usize = 48;

/// Bytes of an archive before its first record. They are written last, over zeros.
const FRONT_BYTES: usize = 32;

/// How the record that starts a log begins as an LZMA2 stream of its own: stored as it is, or packed.
const STORED_START: &[u8] = &[1, 0, 1, FRAME_START[0], FRAME_START[1], 0];
const PACKED_START: &[u8] = &[0xe0, 0, 1, 0];

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Binary records.
    Binary,
    /// Plain frames.
    Frames,
    /// Frames in LZMA without a container.
    Lzma,
    /// A 7z archive with an entry for each record.
    SevenZip,
    /// A real xz file, with a log inside.
    Xz,
    /// A gzip file, with a log inside.
    Gzip,
    /// A viewer's recording, a MsgPack map, which is none of the simulator's own logs.
    Viewer,
}

impl LogFormat {
    /// Judges a file by its first [`HEAD_BYTES`], or all it has.
    #[must_use]
    pub fn recognise(head: &[u8]) -> Option<Self> {
        let starts = |magic: &[u8]| head.starts_with(magic);
        match head.first()? {
            0xe5 if starts(&BINARY_START.to_be_bytes()) => Some(Self::Binary),
            0x37 if starts(b"7z\xbc\xaf\x27\x1c") => Some(Self::SevenZip),
            0x5d if starts(&[0x5d, 0, 0]) && head.get(5..13) == Some(&[0xff; 8]) => Some(Self::Lzma),
            0xfd if starts(b"\xfd7zXZ\0") => Some(Self::Xz),
            0x1f if starts(&[0x1f, 0x8b]) => Some(Self::Gzip),
            0x00 if starts(&[0, 0, 0, 2, 0x0a, 0]) => Some(Self::Frames),
            0x00 if starts(&[0; FRONT_BYTES]) && is_first_record(head.get(FRONT_BYTES..)?) => Some(Self::SevenZip),
            0x80..=0x8f | 0xde | 0xdf => Some(Self::Viewer),
            _ => None,
        }
    }

    /// A short name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary records",
            Self::Frames => "plain frames",
            Self::Lzma => "frames in LZMA",
            Self::SevenZip => "7z archive",
            Self::Xz => "log packed with xz",
            Self::Gzip => "log packed with gzip",
            Self::Viewer => "viewer recording",
        }
    }
}

/// Whether this begins the first record of an archive that never got its front; all of it may be missing.
fn is_first_record(bytes: &[u8]) -> bool {
    let begins = |start: &[u8]| bytes.iter().zip(start).all(|(byte, due)| byte == due);
    begins(STORED_START) || begins(PACKED_START)
}
