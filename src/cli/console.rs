//! What a console of Windows asks of the program: one door for the whole process, and whoever wants to know behind it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler};
use windows_sys::core::BOOL;

type OnWish = Box<dyn FnMut() + Send>;

/// Whom to tell; `None` until there is a door.
static TOLD: Mutex<Option<Vec<OnWish>>> = Mutex::new(None);

/// Called by the system in a thread of its own, one after the other.
extern "system" fn handler(kind: u32) -> BOOL {
    for on_wish in TOLD.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().flatten() {
        on_wish();
    }
    if ![CTRL_C_EVENT, CTRL_BREAK_EVENT].contains(&kind) {
        // The window is closed, or the machine goes down: once this returns the process is gone. It ends by itself, or after five seconds.
        loop {
            std::thread::park();
        }
    }
    BOOL::from(true)
}

/// Has `on_wish` called each time that somebody wants an end.
pub(super) fn on_wish(on_wish: OnWish) -> io::Result<()> {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.is_none() {
        #[expect(unsafe_code, reason = "the system has no other door")]
        // SAFETY: the handler is a function of this program, which lives as long as the process.
        let opened = unsafe { SetConsoleCtrlHandler(Some(handler), BOOL::from(true)) };
        if opened == 0 {
            return Err(io::Error::last_os_error());
        }
    }
    told.get_or_insert_default().push(on_wish);
    Ok(())
}

/// Whether somebody has wanted an end.
#[derive(Debug)]
pub(super) struct Wishes(Arc<AtomicBool>);

impl Wishes {
    /// From here on; `waker` is woken by each.
    pub(super) fn begin(waker: Option<mio::Waker>) -> io::Result<Self> {
        let is_wanted = Arc::new(AtomicBool::new(false));
        let wanted = Arc::clone(&is_wanted);
        on_wish(Box::new(move || {
            wanted.store(true, Ordering::SeqCst);
            // A poll that is gone has nobody to wake.
            drop(waker.as_ref().map(mio::Waker::wake));
        }))?;
        Ok(Self(is_wanted))
    }

    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}
