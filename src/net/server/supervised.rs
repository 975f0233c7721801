//! What the operating system and a supervisor ask of the server, and what they are told.

use super::Server;
use crate::config::Config;
use crate::time::Tick;

#[cfg(all(feature = "daemon", unix))]
use super::Signals;
#[cfg(feature = "daemon")]
use super::{Passed, Supervisor};
#[cfg(all(feature = "daemon", unix))]
use crate::net::signals::OnHangup;
#[cfg(feature = "daemon")]
use std::io;

impl Server {
    /// As [`Server::bind`], where some ports were opened by whoever has started the process: those take the place of what their settings say.
    ///
    /// # Errors
    /// As for [`Server::bind`], and where the ports of a channel are not three.
    #[cfg(feature = "daemon")]
    pub fn bind_passed(config: Config, passed: Passed) -> io::Result<Self> {
        Self::open(config, passed)
    }

    /// Ends at SIGTERM and SIGINT (at once at the second one) and calls `on_hangup` at SIGHUP.
    ///
    /// # Errors
    /// The operating system refuses to install the handlers.
    #[cfg(all(feature = "daemon", unix))]
    pub fn watch_signals(&mut self, on_hangup: OnHangup) -> io::Result<()> {
        self.signals = Signals::watched(self.poll.registry(), on_hangup)?;
        Ok(())
    }

    /// Gives the server a way to read its configuration anew: `read` is called at SIGHUP and when an administrator asks for it. What changes are
    /// the users, those of `keys_dir` included, sessions that are new, and those settings that are looked at whenever they are needed; the log says
    /// which others need a new start. Where anything does not hold, all stays as it was.
    pub fn set_reload(&mut self, read: Box<dyn FnMut() -> Result<Config, String> + Send>) {
        self.has_rules = true;
        self.hub.set_rulebook(Box::new(crate::net::rules::Rules {
            read,
            held: (*self.asked).clone(),
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
        }));
    }

    /// What [`Server::check_files`] does not need, and whoever is about to start the server should know, a sentence each: what the state directory
    /// holds, unless another process has it, and which port is in use. Nothing is started, or changed.
    ///
    /// # Errors
    /// In a sentence that names the key: a state that is damaged or of a newer version, a directory that this user may not use as the server
    /// does, an address that cannot be listened on.
    #[cfg(feature = "daemon")]
    pub fn look(config: &Config) -> io::Result<Vec<String>> {
        crate::net::look::look(config)
    }

    /// Tells `supervisor` from here on how the server is, and now that it is ready: by each of its ports somebody can come in.
    #[cfg(feature = "daemon")]
    pub fn report_to(&mut self, mut supervisor: Supervisor) {
        supervisor.ready(self.clock.now());
        self.supervisor = Some(supervisor);
    }

    /// Hands what the audit log is to have to its thread.
    pub(super) fn write_audit(&mut self) {
        let Some(audit) = &self.audit else { return };
        audit.append_of(&mut self.hub);
    }

    /// Somebody hung up: what can be is read anew.
    pub(super) fn reload(&mut self, now: Tick) {
        #[cfg(feature = "daemon")]
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.reloading(now);
        }
        if let Some(audit) = &self.audit {
            audit.reopen();
        }
        if self.has_rules {
            self.hub.handle_reload(now);
        }
        #[cfg(feature = "daemon")]
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.ready(now);
        }
    }

    /// When a supervisor is to hear of it again.
    #[cfg(feature = "daemon")]
    pub(super) fn report_due(&self) -> Option<Tick> {
        self.supervisor.as_ref()?.soonest(self.hub.load())
    }

    /// A turn has been taken.
    #[cfg(feature = "daemon")]
    pub(super) fn report(&mut self, now: Tick) {
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.turn(now, self.hub.load());
        }
    }

    /// It ends.
    #[cfg(feature = "daemon")]
    pub(super) fn report_end(&mut self, now: Tick) {
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.stopping(now);
        }
    }
}
