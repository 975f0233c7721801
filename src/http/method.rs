//! What a request wants done with its target (RFC 9110, 9).

/// The methods that are known here; any other one is refused with 501.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Show it.
    Get,
    /// As GET, but without the body of the answer.
    Head,
    /// Take this.
    Post,
    /// Make it be like this.
    Put,
    /// Take it away.
    Delete,
    /// What may be asked.
    Options,
}

impl Method {
    /// The method of that name. Names are written in capitals, always.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => return None,
        })
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// Whether it only looks.
    #[must_use]
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }
}
