//! An answer before it is put into the words of HTTP.

/// An answer: its status, the type of its body, the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hub) struct Reply {
    pub(in crate::hub) status: u16,
    pub(in crate::hub) media_type: &'static str,
    pub(in crate::hub) body: Vec<u8>,
}

impl Reply {
    /// One without a body.
    pub(in crate::hub) const fn bare(status: u16) -> Self {
        Self { status, media_type: "", body: Vec::new() }
    }

    pub(in crate::hub) fn text(status: u16, text: &str) -> Self {
        Self { status, media_type: "text/plain; charset=utf-8", body: format!("{text}\n").into() }
    }
}
