//! What the program tells the system's allocator, so that memory that came free goes back to the system.
//!
//! glibc takes large blocks from the system one by one and gives them back one by one, but each that comes free raises the size from which it
//! does so, up to 32 MiB. After a flood of large messages nearly everything lies in one heap, which cannot shrink while anything lives at its
//! end. With a size that is set by hand it stays where it is.

/// Blocks of so many bytes are taken from the system one by one, and given back so.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MMAP_THRESHOLD: i32 = 128 << 10;

/// Keeps the sizes fixed from which on memory goes straight back to the system. To be called before anything large is allocated.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back_large_blocks() {
    for (what, bytes) in [(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD), (libc::M_TRIM_THRESHOLD, MMAP_THRESHOLD)] {
        #[expect(
            unsafe_code,
            reason = "the allocator has no other door; mallopt takes two integers and touches no memory of ours"
        )]
        // SAFETY: any two integers may be given; no other thread runs yet.
        let taken = unsafe { libc::mallopt(what, bytes) };
        debug_assert_eq!(taken, 1, "glibc takes a size");
    }
}

/// Gives back what lies free between smaller blocks that live: after a flood of connections some megabytes, which glibc keeps otherwise.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back_the_rest() {
    #[expect(unsafe_code, reason = "the allocator has no other door; malloc_trim touches no memory that is in use")]
    // SAFETY: it takes any number, and may be called by any thread at any time.
    let _: i32 = unsafe { libc::malloc_trim(0) };
}

/// Other allocators do so by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) const fn give_back_large_blocks() {}

/// And this.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) const fn give_back_the_rest() {}
