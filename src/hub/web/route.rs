//! What a request asks for, by its method and its path.

use crate::http::method::Method;
use crate::http::target::Target;
use crate::limits::HTTP_BODY_BYTES_MAX;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Route {
    /// The page that says what is where.
    Home,
    /// Whether the process is well.
    Health,
    /// Every number, for Prometheus.
    Metrics,
    /// Before a page's request: whether it may.
    Options,
    /// A page of another server asks, and may not.
    Foreign,
    /// An escape in the path that is none.
    Malformed,
    /// Nothing that there is.
    Unknown,
}

impl Route {
    /// By method and path. A path that there is, with another method, is as unknown as one that there is not: so are other servers of C2SIM.
    pub(super) fn of(method: Method, target: &Target<'_>) -> Self {
        if method == Method::Options {
            return Self::Options;
        }
        let mut segments = target.segments();
        let (first, second) = (segments.next().transpose(), segments.next().transpose());
        let (Ok(first), Ok(second)) = (first, second) else { return Self::Malformed };
        let is_read = matches!(method, Method::Get | Method::Head);
        match (is_read, first.as_deref(), second.is_some()) {
            (true, None, _) => Self::Home,
            (true, Some("health"), false) => Self::Health,
            (true, Some("metrics"), false) => Self::Metrics,
            _ => Self::Unknown,
        }
    }

    /// Bytes that the body of such a request may have. Nobody looks at it, yet clients send one.
    #[expect(clippy::unused_self, reason = "requests that have a use for their body will differ")]
    pub(super) const fn body_bytes_max(self) -> u64 {
        HTTP_BODY_BYTES_MAX
    }
}
