//! What the machine says of itself: its name, its limits, who holds a port. Linux answers all of it, other systems of Unix its name, its user
//! and its limits, Windows its name; where nothing is answered stand plain defaults.

use std::fs;

/// The machine's name.
#[must_use]
pub fn name() -> String {
    told_name()
        .filter(|name| !name.is_empty())
        .or_else(|| std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(unix)]
fn told_name() -> Option<String> {
    rustix::system::uname().nodename().to_str().map(str::to_owned).ok()
}

#[cfg(windows)]
fn told_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

/// The machine's name up to the first dot, as far as it makes a legal namespace.
#[must_use]
pub fn default_namespace() -> String {
    let name = name();
    let short = name.split('.').next().unwrap_or_default();
    if crate::leco::name::is_legal(short.as_bytes()) { short.to_owned() } else { "instep".to_owned() }
}

/// Bytes of memory that the machine has, where it says so.
#[must_use]
pub fn memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Warns when the process may not open as many descriptors as it may hold connections.
pub(super) fn warn_about_descriptors(connections_max: usize) {
    if let Some(soft) = descriptors_max()
        && soft < connections_max
    {
        log::warn!("{soft} open files are allowed (ulimit -n), fewer than connections_max = {connections_max}");
    }
}

#[cfg(unix)]
fn descriptors_max() -> Option<usize> {
    let soft = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    Some(usize::try_from(soft).unwrap_or(usize::MAX))
}

/// There they are not counted.
#[cfg(windows)]
const fn descriptors_max() -> Option<usize> {
    None
}

/// Whether this process may do everything on this machine, which nothing here needs.
#[cfg(unix)]
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// There nobody is by his number.
#[cfg(windows)]
#[must_use]
pub const fn is_root() -> bool {
    false
}

/// The name and the number of the program that listens on a TCP port, as far as this user may see it.
pub(super) fn port_holder(port: u16) -> Option<(String, u32)> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|path| listening_inode(&fs::read_to_string(path).ok()?, port))?;
    let link = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds =
            descriptors.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == link.as_str()));
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some((name.trim().to_owned(), pid));
        }
    }
    None
}

/// The inode of the socket that listens on `port` in the text of `/proc/net/tcp`.
fn listening_inode(text: &str, port: u16) -> Option<u64> {
    const LISTENING: &str = "0A";
    text.lines().skip(1).find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let local = words.nth(1)?;
        let state = words.nth(1)?;
        let inode = words.nth(5)?;
        let (_, hex) = local.rsplit_once(':')?;
        (state == LISTENING && u16::from_str_radix(hex, 16).ok()? == port).then(|| inode.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_found_in_the_kernels_table() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                    0: 0100007F:300C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0\n   \
                    1: 0100007F:300D 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0\n";
        assert_eq!(listening_inode(text, 0x300c), Some(4242));
        assert_eq!(listening_inode(text, 0x300d), None, "connected, not listening");
        assert!(!name().is_empty() && !default_namespace().contains('.'));
    }
}
