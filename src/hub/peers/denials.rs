//! The last refusals: who was not let do what, and how often.

use core::net::IpAddr;
use std::collections::VecDeque;

use serde_json::{Value, json};

use super::journal::cut;
use crate::limits::DENIALS_MAX;
use crate::time::Tick;

/// Somebody may not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hub) struct Denial {
    /// Empty where it is not known who he is.
    pub(in crate::hub) user: String,
    pub(in crate::hub) address: Option<IpAddr>,
    pub(in crate::hub) action: String,
    pub(in crate::hub) target: String,
    pub(in crate::hub) needs: String,
}

/// The last of them, each once, the latest first.
#[derive(Debug, Default)]
pub(in crate::hub) struct Denials(VecDeque<(Denial, u64, Tick)>);

impl Denials {
    /// One more, or one of them again.
    pub(super) fn note(&mut self, denial: Denial, now: Tick) {
        let short = |text: String| cut(&text).into_owned();
        let denial = Denial { action: short(denial.action), target: short(denial.target), ..denial };
        let known = self.0.iter().position(|(known, ..)| *known == denial).and_then(|place| self.0.remove(place));
        let count = known.map_or(0, |(_, count, _)| count) + 1;
        self.0.truncate(DENIALS_MAX - 1);
        self.0.push_front((denial, count, now));
    }

    /// All of them as they are told.
    pub(in crate::hub) fn told(&self, now: Tick) -> Value {
        let row = |(denial, count, at): &(Denial, u64, Tick)| {
            let Denial { user, address, action, target, needs } = denial;
            json!({"user": user, "address": address, "action": action, "target": target, "needs": needs,
                   "count": count, "age_s": now.since(*at).0 / 1000})
        };
        self.0.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_counted_and_the_oldest_is_forgotten() {
        let mut denials = Denials::default();
        let denial = |n: usize| Denial {
            user: format!("u{n}"),
            address: Some("10.0.0.1".parse().unwrap()),
            action: "shut_down".to_owned(),
            target: "x".repeat(4000),
            needs: "admin".to_owned(),
        };
        for n in 0..=DENIALS_MAX {
            denials.note(denial(n), Tick(1000));
        }
        denials.note(denial(5), Tick(2000));
        let told = denials.told(Tick(4000));
        let rows = told.as_array().unwrap();
        assert_eq!(
            (rows.len(), &rows[0]["user"], &rows[0]["count"], &rows[0]["age_s"]),
            (DENIALS_MAX, &json!("u5"), &json!(2), &json!(2))
        );
        assert!(rows.iter().all(|row| row["user"] != "u0"));
        assert!(rows[0]["target"].as_str().unwrap().len() < 4000);
    }
}
