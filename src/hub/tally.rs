//! Documents that were handed in, counted as other servers of C2SIM count them: by session, system and kind, and what was wrong.

use crate::c2sim::kind::Kind;
use crate::limits::TALLY_DOCUMENTS_MAX;
use crate::store::tally::Tally;

use super::call::Refused;

const OTHER: &str = "other";

/// Documents of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::hub) struct Documents {
    pub(in crate::hub) count: u64,
    pub(in crate::hub) bytes: u64,
}

/// All of it. See the module's documentation.
#[derive(Debug)]
pub(in crate::hub) struct DocumentTally {
    /// Those that were taken: by session, system, kind.
    pub(in crate::hub) valid: Tally<Documents>,
    /// Those that were refused: by session, system, kind, error.
    pub(in crate::hub) invalid: Tally<Documents>,
}

impl Default for DocumentTally {
    fn default() -> Self {
        Self { valid: Tally::new(TALLY_DOCUMENTS_MAX), invalid: Tally::new(TALLY_DOCUMENTS_MAX) }
    }
}

impl DocumentTally {
    /// A document was taken, or refused; of what kind it is is known if it could be read.
    pub(in crate::hub) fn note(
        &mut self,
        (session, system): (&str, &str),
        kind: Option<Kind>,
        bytes: usize,
        refused: Option<&Refused>,
    ) {
        let kind = kind.map_or("UNREADABLE", Kind::name);
        let row = match refused {
            None => self.valid.row(&[session, system, kind], &[OTHER; 3]),
            Some((error, data)) => {
                let code = data.get("code").and_then(serde_json::Value::as_str).unwrap_or(error.message);
                self.invalid.row(&[session, system, kind, code], &[OTHER; 4])
            }
        };
        row.count += 1;
        row.bytes += bytes as u64;
    }
}
