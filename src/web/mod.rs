//! The page that a browser is given: a table of its files.
//!
//! Owns the files below `page`, their media types, and the tags by which a browser knows that it has them already. Must not know HTTP, nor what
//! the files say: to the program they are bytes, kept compressed only (`build.rs`).
//!
//! The page itself is one more client of what is public: it is a viewer over `/viewer`, asks over `/rpc` and listens on `/events`. Its modules,
//! by purpose:
//!
//! | file | purpose |
//! |---|---|
//! | `index.html`, `style.css`, `icon.svg` | the frame, its looks |
//! | `main.js` | which view is shown, and what is shared by all |
//! | `access.js` | the token by which a user is known |
//! | `net.js` | JSON-RPC, the stream of events, lost connections |
//! | `msgpack.js`, `feed.js` | the viewer protocol |
//! | `track.js`, `world.js` | the timesteps of one provider that are kept; worlds from changes, numbers of a world |
//! | `map.js`, `paint.js`, `colours.js` | the map: camera and layers, what is drawn how |
//! | `timeline.js`, `player.js` | the clock of what is shown |
//! | `inspect.js` | one entity: properties, history, commands |
//! | `providers.js`, `pane.js` | the list of providers; one map on the screen, with its provider and what a hand does with it |
//! | `guest.js` | a guest of a session, for documents both ways |
//! | `channels.js` | the card of published data and log messages |
//! | `history.js` | what has happened in a session, with its documents |
//! | `overview.js`, `sessions.js`, `rescue.js` | the views; `rescue.js` has map and compare |
//! | `dom.js`, `list.js`, `format.js`, `spark.js` | what views are made with |

use miniz_oxide::inflate::decompress_to_vec;

include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// Bytes of gzip before and behind what is compressed.
const GZIP_HEAD: usize = 10;
const GZIP_TAIL: usize = 8;

/// A file of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, without a folder.
    pub name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Another one for each content, as HTTP has it: in quotation marks.
    pub tag: &'static str,
    /// Its bytes, as gzip has them.
    pub gzip: &'static [u8],
}

impl File {
    /// The file of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        FILES.iter().find(|file| file.name == name)
    }

    /// Its bytes as they are, for the few that cannot unpack them.
    #[must_use]
    pub fn plain(&self) -> Vec<u8> {
        let end = self.gzip.len().saturating_sub(GZIP_TAIL);
        self.gzip.get(GZIP_HEAD..end).and_then(|packed| decompress_to_vec(packed).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_there_and_small() {
        let packed: usize = FILES.iter().map(|file| file.gzip.len()).sum();
        assert!(FILES.len() > 10 && packed < 150 << 10, "{packed} bytes");
        for file in FILES {
            let plain = file.plain();
            assert!(!plain.is_empty() && file.tag.len() == 18, "{}", file.name);
            let lines = plain.iter().filter(|byte| **byte == b'\n').count();
            assert!(lines <= 420, "{}: {lines} lines", file.name);
        }
        assert_eq!(File::find("version").map(File::plain), Some(VERSION.into()));
        assert!(File::find("index.html").is_some_and(|file| file.media_type.starts_with("text/html")));
        assert_eq!(File::find("../mod.rs"), None);
    }

    #[test]
    fn a_page_asks_no_other_host_and_has_no_script_or_style_in_it() {
        for file in FILES {
            let text = String::from_utf8(file.plain()).unwrap();
            let foreign = text
                .match_indices("://")
                .filter(|(at, _)| !text[..*at].ends_with("http") || !text[*at..].starts_with("://www.w3.org/"));
            assert_eq!(foreign.count(), 0, "{}: another host", file.name);
            if file.name == "index.html" {
                assert!(text.contains(VERSION) && !text.contains("style=") && !text.contains("onclick"));
                assert!(
                    !text.contains("<style") && !text.replace("<script type=\"module\" src=", "").contains("<script")
                );
            }
        }
    }
}
