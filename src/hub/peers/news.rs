//! What has happened at this node lately, each thing under a number of its own, for whoever looks on.
//!
//! Owns the last of it, in a bounded number of bytes. It must not know what any of it means, nor who looks on.

use std::collections::VecDeque;

use serde_json::Value;

use crate::limits::{NEWS_BYTES_MAX, NEWS_MAX};

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Topic {
    /// Components of this node come and go.
    Directory,
    /// Other nodes come and go.
    Nodes,
    /// Sessions are made, change and end, and so do their members.
    Sessions,
    /// Providers are opened and end.
    Providers,
    /// Something went wrong.
    Errors,
}

impl Topic {
    pub(in crate::hub) const fn word(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Nodes => "nodes",
            Self::Sessions => "sessions",
            Self::Providers => "providers",
            Self::Errors => "errors",
        }
    }
}

/// One thing that has happened.
#[derive(Debug)]
pub(in crate::hub) struct Item {
    pub(in crate::hub) number: u64,
    pub(in crate::hub) topic: Topic,
    /// A JSON object, on one line.
    pub(in crate::hub) text: Box<str>,
}

/// The last of it, oldest first. The numbers are without gaps.
#[derive(Debug)]
pub(in crate::hub) struct News {
    last: u64,
    kept: VecDeque<Item>,
    bytes: usize,
}

impl News {
    /// Numbers begin above those of a process that began earlier: there is less than one event in a microsecond.
    pub(super) const fn new(unix_ms: u64) -> Self {
        Self { last: unix_ms.saturating_mul(1000), kept: VecDeque::new(), bytes: 0 }
    }

    /// The number of what has happened last.
    #[inline]
    pub(in crate::hub) const fn last(&self) -> u64 {
        self.last
    }

    /// Something has happened.
    pub(in crate::hub) fn add(&mut self, topic: Topic, what: &Value) {
        self.last += 1;
        let text: Box<str> = what.to_string().into();
        self.bytes += text.len();
        self.kept.push_back(Item { number: self.last, topic, text });
        while self.kept.len() > NEWS_MAX || self.bytes > NEWS_BYTES_MAX {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.text.len();
        }
    }

    /// The number before the oldest that is kept: who has heard that one or a later one has missed nothing.
    pub(in crate::hub) fn reach(&self) -> u64 {
        self.kept.front().map_or(self.last, |oldest| oldest.number - 1)
    }

    /// What has happened after this number, as far as it is kept.
    pub(in crate::hub) fn after(&self, number: u64) -> impl Iterator<Item = &Item> {
        let skipped = usize::try_from(number.saturating_sub(self.reach())).unwrap_or(usize::MAX);
        self.kept.iter().skip(skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(news: &News, after: u64) -> Vec<u64> {
        news.after(after).map(|item| item.number).collect()
    }

    #[test]
    fn what_has_happened_is_told_from_any_number_on() {
        let mut news = News::new(5);
        assert_eq!((news.last(), news.reach(), numbers(&news, 0)), (5000, 5000, vec![]));
        for n in 0..3 {
            news.add(Topic::Nodes, &Value::from(n));
        }
        assert_eq!((news.last(), news.reach()), (5003, 5000));
        assert_eq!(numbers(&news, 0), [5001, 5002, 5003]);
        assert_eq!((numbers(&news, 5002), numbers(&news, 5003), numbers(&news, 9999)), (vec![5003], vec![], vec![]));
    }

    #[test]
    fn so_much_is_kept_and_no_more() {
        let mut news = News::new(0);
        let total = u64::try_from(NEWS_MAX).unwrap() + 10;
        for _ in 0..total {
            news.add(Topic::Errors, &Value::Null);
        }
        assert_eq!((news.reach(), news.after(0).count()), (10, NEWS_MAX));
        let large = Value::from("x".repeat(NEWS_BYTES_MAX / 2));
        for _ in 0..3 {
            news.add(Topic::Errors, &large);
        }
        assert_eq!((news.last(), news.after(0).count()), (total + 3, 1));
        assert!(news.bytes <= NEWS_BYTES_MAX);
    }
}
