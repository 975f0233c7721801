//! Names to addresses without ever stalling the loop: numeric addresses and the hosts file in place, anything else on a
//! thread that lives only as long as there are names to look up.
//!
//! The thread looks up one name after the other, so that all wait for one whose service does not answer; each target waits with one name at
//! most.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};

use mio::Waker;

use super::queue::{Receiver, Sender, channel};
use super::target::Target;
use crate::leco::address;

/// An answer: for whom, and the addresses or the reason why there are none.
pub(super) type Resolved = (Target, Result<Vec<SocketAddr>, String>);

#[derive(Debug)]
struct Queue<T> {
    names: VecDeque<(usize, T, String)>,
    thread_runs: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { names: VecDeque::new(), thread_runs: false }
    }
}

impl<T> Queue<T> {
    /// Puts a name in line. The target in `slot` has asked anew, or is another: what it asked before is of no use any more.
    fn put(&mut self, slot: usize, target: T, text: String) {
        match self.names.iter_mut().find(|waiting| waiting.0 == slot) {
            Some(waiting) => *waiting = (slot, target, text),
            None => self.names.push_back((slot, target, text)),
        }
    }
}

/// Looks names up.
#[derive(Debug)]
pub(super) struct Resolver {
    queue: Arc<Mutex<Queue<Target>>>,
    answers: Receiver<Resolved>,
    answer: Sender<Resolved>,
    waker: Arc<Waker>,
}

impl Resolver {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        let (answer, answers) = channel();
        Self { queue: Arc::default(), answers, answer, waker }
    }

    /// Addresses of `host:port`, if no name service has to be asked.
    pub(super) fn in_place(text: &str) -> Option<Vec<SocketAddr>> {
        if let Ok(address) = text.parse() {
            return Some(vec![address]);
        }
        let (host, port) = address::host_and_port(text)?;
        let found = hosts_file(host);
        (!found.is_empty()).then(|| found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }

    /// Looks `host:port` up on the thread; the waker tells when there is an answer.
    pub(super) fn ask(&self, target: Target, text: String) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.put(target.slot(), target, text);
        if queue.thread_runs {
            return;
        }
        let (shared, answer, waker) = (Arc::clone(&self.queue), self.answer.clone(), Arc::clone(&self.waker));
        let thread = std::thread::Builder::new().name("resolver".to_owned()).stack_size(256 << 10);
        match thread.spawn(move || serve(&shared, &answer, &waker)) {
            Ok(_) => queue.thread_runs = true,
            Err(error) => {
                for (_, target, _) in queue.names.drain(..) {
                    // The receiver lives as long as this resolver.
                    if self.answer.send((target, Err(format!("no thread for the name service: {error}")))).is_err() {
                        break;
                    }
                }
            }
        }
    }

    pub(super) fn answers(&self) -> impl Iterator<Item = Resolved> {
        self.answers.try_iter()
    }
}

fn serve(shared: &Mutex<Queue<Target>>, answer: &Sender<Resolved>, waker: &Waker) {
    loop {
        let next = {
            let mut queue = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let next = queue.names.pop_front();
            queue.thread_runs = next.is_some();
            next
        };
        let Some((_, target, text)) = next else { return };
        let found = match address::host_and_port(&text) {
            // A scope by name is known to the system alone.
            Some(place) => place.to_socket_addrs().map(Iterator::collect).map_err(|error| error.to_string()),
            None => Err("not an address like host:12300".to_owned()),
        };
        if answer.send((target, found)).is_err() || waker.wake().is_err() {
            return;
        }
    }
}

/// Where it lies, on each system.
const HOSTS_FILE: &str = if cfg!(windows) { r"C:\Windows\System32\drivers\etc\hosts" } else { "/etc/hosts" };

/// Addresses of `host` in the hosts file; `localhost` is known without one.
pub(super) fn hosts_file(host: &str) -> Vec<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    let text = std::fs::read_to_string(HOSTS_FILE).unwrap_or_default();
    in_hosts(&text, host)
}

fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
            let address = words.next()?.parse().ok()?;
            words.any(|word| word.eq_ignore_ascii_case(host)).then_some(address)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_file_is_read_as_everybody_reads_it() {
        let text =
            "127.0.0.1 localhost\n# 10.0.0.1 lab\n10.0.0.2\tlab.example lab # the lab\nfe80::1 lab\nnonsense lab\n";
        let found: Vec<String> = in_hosts(text, "LAB").iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.2", "fe80::1"]);
        assert!(in_hosts(text, "la").is_empty());
    }

    #[test]
    fn each_target_waits_with_one_name_its_newest() {
        let mut queue = Queue::default();
        for n in 0..1000 {
            queue.put(n % 3, n, format!("host{n}:1"));
        }
        let waiting: Vec<_> = queue.names.into_iter().map(|(_, target, text)| (target, text)).collect();
        assert_eq!(waiting, [999, 997, 998].map(|n| (n, format!("host{n}:1"))));
    }

    #[test]
    fn numbers_and_localhost_need_nobody() {
        assert_eq!(Resolver::in_place("127.0.0.1:5"), Some(vec!["127.0.0.1:5".parse().unwrap()]));
        assert_eq!(Resolver::in_place("[::1]:5"), Some(vec!["[::1]:5".parse().unwrap()]));
        assert_eq!(Resolver::in_place("localhost:5").map(|found| found.len()), Some(2));
        assert_eq!(Resolver::in_place("a.name.that.is.in.no.hosts.file:5"), None);
    }
}
