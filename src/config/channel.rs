//! Where a channel is: at its usual ports, at others, or nowhere; and what a subscriber goes without that does not keep up.

use core::fmt;

/// The port at which publishers of a channel come in; its other two are beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelPort {
    /// The usual one, moved as far as the Coordinator's own port is from 12300; none where that is chosen by the system.
    #[default]
    Usual,
    /// There is no such channel.
    Off,
    /// This one; 0: any that is free, and so are the other two.
    At(u16),
}

impl ChannelPort {
    /// What a word says: a number, `off`, or nothing for the usual one.
    pub(super) fn of_word(word: &str) -> Result<Self, String> {
        match word {
            "" => Ok(Self::Usual),
            "off" => Ok(Self::Off),
            number => number.parse().map(Self::At).map_err(|_| format!("'{number}' is neither a port nor off")),
        }
    }
}

impl fmt::Display for ChannelPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => Ok(()),
            Self::Off => f.write_str("off"),
            Self::At(port) => port.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_as_it_is_shown() {
        for port in [ChannelPort::Usual, ChannelPort::Off, ChannelPort::At(0), ChannelPort::At(11_100)] {
            assert_eq!(ChannelPort::of_word(&port.to_string()), Ok(port));
        }
        for wrong in ["on", "-1", "70000"] {
            assert!(ChannelPort::of_word(wrong).is_err(), "{wrong}");
        }
    }
}

/// What a subscriber of a channel goes without that has no room for all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drops {
    /// What comes: it has all up to some moment, and goes on from when it reads again.
    #[default]
    Newest,
    /// What has waited longest: it is as far behind as its ring is large, and no farther.
    Oldest,
}

impl Drops {
    /// What a word says.
    pub(super) fn of_word(word: &str) -> Result<Self, String> {
        match word {
            "newest" => Ok(Self::Newest),
            "oldest" => Ok(Self::Oldest),
            _ => Err(format!("'{word}' is neither newest nor oldest")),
        }
    }
}

impl fmt::Display for Drops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
        })
    }
}
