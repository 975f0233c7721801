//! Providers of the program around the server.

use std::io;

use super::Server;
use crate::limits::TURN_MICROS_OF_READS;
use crate::net::feed::Feed;
use crate::time::Tick;

impl Server {
    /// Opens a provider of type FEED, whose timesteps this program pushes: they are shown, recorded, asked for later and played like those
    /// of any other provider. Ask for it before the server goes to its thread; the [`Feed`] may go to another. `name` is what it is
    /// listed under, 1 to 255 bytes; others may have the same.
    ///
    /// ```
    /// use instep::config::Config;
    /// use instep::net::Server;
    /// use serde_json::json;
    /// use std::time::Duration;
    ///
    /// let config = Config { namespace: "N1".into(), bind: vec!["127.0.0.1:0".into()], ..Config::default() };
    /// # let config = Config { control_bind: vec!["off".into()], viewer_bind: vec!["off".into()], ..config };
    /// let mut server = Server::bind(config)?;
    /// let feed = server.provider("buses")?;
    /// let stopper = server.stopper();
    /// let thread = std::thread::spawn(move || server.run());
    ///
    /// feed.push(&json!({"world": [{"id": 7, "type": "Civilian", "x": 0, "y": 0}]}))?;
    /// feed.push(&json!({"changes": [{"id": 7, "x": 1000}]}))?;
    /// assert_eq!(feed.wait(Duration::from_secs(5))?.time, Some(1));
    /// stopper.stop();
    /// thread.join().expect("no panic")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// In words: it is no name, as many providers are open as may be (`providers_max`), or there is no memory for another (`memory_max`).
    pub fn provider(&mut self, name: &str) -> io::Result<Feed> {
        let now = self.clock.now();
        let id = self.hub.open_feed(now, name).map_err(io::Error::other)?;
        Ok(self.feeds.add(id))
    }

    /// Gives the hub what the program has pushed.
    pub(super) fn take_from_feeds(&mut self, now: Tick) {
        let (clock, began) = (self.clock, self.turn_began);
        self.feeds.turn(now, &mut self.hub, || clock.micros() - began < TURN_MICROS_OF_READS);
    }
}
