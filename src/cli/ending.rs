//! Whether somebody wants this program to end in good order: SIGINT and SIGTERM, or on Windows what a console says (Ctrl-C, Ctrl-Break, its
//! window is closed, the machine goes down).

use std::io;

use instep::net::Server;
#[cfg(unix)]
use signal_hook_mio::v1_0::Signals;

#[cfg(unix)]
const SIGINT: i32 = 2;
#[cfg(unix)]
const SIGTERM: i32 = 15;
/// The code of a program that a signal has ended is that much more than the signal's number, as shells have it.
const BY_SIGNAL: i32 = 128;

/// What is asked of this program while this is there; it does not end by itself then.
pub(super) struct Ending {
    #[cfg(unix)]
    signals: Signals,
    #[cfg(windows)]
    wishes: super::console::Wishes,
}

impl Ending {
    /// To be asked now and then.
    pub(super) fn begin() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signals: Signals::new([SIGINT, SIGTERM])?,
            #[cfg(windows)]
            wishes: super::console::Wishes::begin(None)?,
        })
    }

    /// To be asked when `token` comes from the poll, or now and then.
    pub(super) fn of(registry: &mio::Registry, token: mio::Token) -> io::Result<Self> {
        #[cfg(unix)]
        {
            let mut ending = Self::begin()?;
            registry.register(&mut ending.signals, token, mio::Interest::READABLE)?;
            Ok(ending)
        }
        #[cfg(windows)]
        {
            let waker = mio::Waker::new(registry, token)?;
            Ok(Self { wishes: super::console::Wishes::begin(Some(waker))? })
        }
    }

    /// Whether somebody has wanted it since this was asked last.
    #[cfg_attr(windows, expect(clippy::needless_pass_by_ref_mut, reason = "on Unix it is changed"))]
    pub(super) fn is_wanted(&mut self) -> bool {
        #[cfg(unix)]
        return self.signals.pending().count() > 0;
        #[cfg(windows)]
        return self.wishes.take();
    }
}

/// Has something done, in a thread of its own, when this program is asked to end, and then ends it. For those that have left something behind them.
pub(super) fn before_the_end(then: impl FnOnce() + Send + 'static) -> io::Result<()> {
    #[cfg(unix)]
    return instep::net::when_asked_to_end(move |signal| {
        then();
        std::process::exit(BY_SIGNAL + signal);
    });
    #[cfg(windows)]
    {
        /// That of Ctrl-C.
        const SIGINT: i32 = 2;
        let mut then = Some(then);
        super::console::on_wish(Box::new(move || {
            if let Some(then) = then.take() {
                then();
                std::process::exit(BY_SIGNAL + SIGINT);
            }
        }))
    }
}

/// Has the server end when this program is asked to, and at once at the second time. `reopen` is called at SIGHUP, where there is one.
#[cfg_attr(windows, expect(clippy::needless_pass_by_ref_mut, reason = "on Unix it is changed"))]
pub(super) fn end_server(server: &mut Server, reopen: Box<dyn FnMut() + Send>) -> io::Result<()> {
    #[cfg(unix)]
    return server.watch_signals(reopen);
    #[cfg(windows)]
    {
        drop(reopen);
        let stopper = server.stopper();
        super::console::on_wish(Box::new(move || stopper.stop()))
    }
}
