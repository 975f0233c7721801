//! What has been asked over HTTP, counted as other servers of C2SIM count it: by endpoint, method and answer, and in which time it was answered.

use core::net::IpAddr;

use crate::http::method::Method;
use crate::limits::{TALLY_ADDRESSES_MAX, TALLY_REQUESTS_MAX};
use crate::store::tally::Tally;
use crate::time::Span;

use super::route::Route;

/// Times of requests are sorted by these bounds, in milliseconds.
pub(super) const STEPS_MS: [u64; 4] = [1, 10, 100, 1000];

/// How long requests of one kind have taken.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// Those within each bound but not the one before it, and last those above all.
    pub(super) counts: [u64; STEPS_MS.len() + 1],
    /// All together, in milliseconds.
    pub(super) sum_ms: u64,
}

/// All of it. See the module's documentation.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) times: Tally<Times>,
    /// Requests that were refused as it was not known who asked, by address.
    pub(super) unknown: Tally<u64>,
}

impl Default for Requests {
    fn default() -> Self {
        Self { times: Tally::new(TALLY_REQUESTS_MAX), unknown: Tally::new(TALLY_ADDRESSES_MAX) }
    }
}

impl Requests {
    /// A request was answered.
    pub(super) fn note(&mut self, (route, method): (&Route, Method), status: u16, took: Span, from: IpAddr) {
        let mut digits = [0; 3];
        let code = three(status, &mut digits);
        let times = self.times.row(&[route.pattern(), method.name(), code], &["other", "other", "other"]);
        let step = STEPS_MS.iter().position(|bound| took.0 <= *bound).unwrap_or(STEPS_MS.len());
        if let Some(count) = times.counts.get_mut(step) {
            *count += 1;
        }
        times.sum_ms += took.0;
        if status == 401 {
            *self.unknown.row(&[&from.to_string()], &["other"]) += 1;
        }
    }
}

/// The three digits of a status.
fn three(status: u16, digits: &mut [u8; 3]) -> &str {
    for (place, unit) in digits.iter_mut().zip([100, 10, 1]) {
        *place = b'0' + u8::try_from(status / unit % 10).unwrap_or_default();
    }
    core::str::from_utf8(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_what_they_ask_how_they_are_answered_and_how_soon() {
        let mut requests = Requests::default();
        let here = IpAddr::from([192, 0, 2, 1]);
        for (status, ms) in [(200, 0), (200, 1), (200, 2), (401, 5000)] {
            requests.note((&Route::RpcAt("CA".into()), Method::Post), status, Span(ms), here);
        }
        let rows: Vec<_> =
            requests.times.iter().map(|(labels, times)| (labels.join(" "), times.counts, times.sum_ms)).collect();
        assert_eq!(
            rows,
            [
                ("/rpc/{name} POST 200".to_owned(), [2, 1, 0, 0, 0], 3),
                ("/rpc/{name} POST 401".to_owned(), [0, 0, 0, 0, 1], 5000)
            ]
        );
        let unknown: Vec<_> = requests.unknown.iter().map(|(labels, count)| (labels.concat(), *count)).collect();
        assert_eq!(unknown, [("192.0.2.1".to_owned(), 1)]);
    }
}
