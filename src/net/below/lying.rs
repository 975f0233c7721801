//! What lies below a directory, and how far down and for how long it is looked for.

/// Directories on the way to one file.
pub(super) const DEPTH_MAX: usize = 32;
/// Names looked at for one list, whatever they are: a millisecond or two.
pub(super) const LOOKED_AT_MAX: usize = 4096;

/// A file that lies below a directory.
#[derive(Debug)]
pub(in crate::net) struct Lying {
    /// The way from the directory to it.
    pub(in crate::net) name: String,
    pub(in crate::net) bytes: u64,
}
