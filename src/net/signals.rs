//! What the operating system asks of the process. A library without the feature `daemon` leaves signals to whoever embeds it, and so does one on
//! Windows, where there are none: [`super::Stopper`] ends a server there.

/// Called when the program is asked to open its log file anew (SIGHUP).
#[cfg(all(feature = "daemon", unix))]
pub type OnHangup = Box<dyn FnMut() + Send>;

/// The signals that are watched, and what is done at SIGHUP.
#[derive(Default)]
pub(super) struct Signals {
    #[cfg(all(feature = "daemon", unix))]
    watched: Option<(signal_hook_mio::v1_0::Signals, OnHangup)>,
}

#[cfg(all(feature = "daemon", unix))]
const SIGHUP: i32 = 1;
#[cfg(all(feature = "daemon", unix))]
const SIGINT: i32 = 2;
#[cfg(all(feature = "daemon", unix))]
const SIGTERM: i32 = 15;

#[cfg(all(feature = "daemon", unix))]
impl Signals {
    /// Watches SIGHUP, SIGINT and SIGTERM.
    pub(super) fn watched(registry: &mio::Registry, on_hangup: OnHangup) -> std::io::Result<Self> {
        let mut signals = signal_hook_mio::v1_0::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        registry.register(&mut signals, super::token::SIGNALS, mio::Interest::READABLE)?;
        Ok(Self { watched: Some((signals, on_hangup)) })
    }

    /// Deals with those that have come; answers how often the process is asked to end, and whether to read its rules anew.
    pub(super) fn take(&mut self) -> (usize, bool) {
        let Some((signals, on_hangup)) = &mut self.watched else { return (0, false) };
        let (mut ends, mut hung_up) = (0, false);
        for signal in signals.pending() {
            if signal == SIGHUP {
                on_hangup();
                hung_up = true;
            } else {
                ends += 1;
            }
        }
        (ends, hung_up)
    }
}

/// Has something done, in a thread of its own, when the program is asked to end (SIGINT, SIGTERM): it does not end by itself then. For clients that
/// have left something behind them. It is given the number of the signal.
///
/// # Errors
/// Signals cannot be watched, or no thread be had.
#[cfg(all(feature = "daemon", unix))]
pub fn when_asked_to_end(then: impl FnOnce(i32) + Send + 'static) -> std::io::Result<()> {
    let mut poll = mio::Poll::new()?;
    let mut signals = signal_hook_mio::v1_0::Signals::new([SIGINT, SIGTERM])?;
    poll.registry().register(&mut signals, super::token::SIGNALS, mio::Interest::READABLE)?;
    let wait = move || {
        let mut events = mio::Events::with_capacity(4);
        loop {
            if let Some(signal) = signals.pending().next() {
                return then(signal);
            }
            // What interrupts the wait may be what it is for.
            if poll.poll(&mut events, None).is_err_and(|error| error.kind() != std::io::ErrorKind::Interrupted) {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop)
}

#[cfg(not(all(feature = "daemon", unix)))]
impl Signals {
    /// None ever come.
    pub(super) const fn take(&self) -> (usize, bool) {
        (0, false)
    }
}
