//! The books of recordings: pieces that are whole records go to the disk, and routing never waits for it.
//!
//! Owns which recordings there are and how much of each waits to be written. Must not know files: a [`Recorder`] has them.
//!
//! A recording is a world and the changes to it, so one with a hole would show a wrong world from there on. Where the disk does not
//! keep up, the recording ends in front of the first piece that finds no room; what waits is still written, and what is in the file
//! is whole up to a timestep. The provider goes on in any case.

use crate::limits::{RECORDING_WAITING_BYTES_MAX, RECORDINGS_WAITING_BYTES_MAX, RECORDINGS_WAITING_MAX};
use crate::store::sorted::Sorted;

use crate::hub::keys::ProviderKey;
use crate::hub::ledger::Ticket;
use crate::hub::recorder::{Deed, Recorder, RecordingId};

/// All recordings that are written or have something waiting.
#[derive(Debug)]
pub(super) struct Recordings {
    recorder: Option<Box<dyn Recorder>>,
    all: Sorted<RecordingId, Recording>,
    /// What waits to be written.
    waiting: Sorted<Ticket, Piece>,
    /// Bytes of it.
    bytes: usize,
    bytes_max: usize,
    last: u64,
}

#[derive(Debug)]
struct Recording {
    provider: ProviderKey,
    /// Bytes of it that wait.
    bytes: usize,
    /// It has ended before its provider did.
    failed: bool,
}

/// What a ticket was drawn for.
#[derive(Clone, Copy, Debug)]
struct Piece {
    recording: RecordingId,
    bytes: usize,
    position: Position,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Begin,
    Middle,
    End,
}

/// What a piece that was written, or could not be, means for its recording.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::hub) enum PieceOutcome {
    /// It goes on, or nothing new is known of it.
    On,
    /// All of it is in its file.
    Whole,
    /// It has failed; to be told once.
    Failed { recording: RecordingId, provider: ProviderKey, reason: String },
}

impl Recordings {
    pub(super) fn new(memory_max: usize) -> Self {
        Self {
            recorder: None,
            all: Sorted::new(),
            waiting: Sorted::new(),
            bytes: 0,
            bytes_max: RECORDINGS_WAITING_BYTES_MAX.min(memory_max / 4),
            last: 0,
        }
    }

    pub(super) fn set_recorder(&mut self, recorder: Box<dyn Recorder>) {
        self.recorder = Some(recorder);
    }

    /// Whether providers are recorded at all.
    pub(super) const fn is_wanted(&self) -> bool {
        self.recorder.is_some()
    }

    /// A new recording of a provider, which is not handed over yet.
    pub(super) fn add(&mut self, provider: ProviderKey) -> RecordingId {
        self.last += 1;
        let id = RecordingId(self.last);
        self.all.insert(id, Recording { provider, bytes: 0, failed: false });
        id
    }

    /// Why no piece of so many bytes can wait for the disk, if none can.
    pub(super) fn refusal(&self, id: RecordingId, bytes: usize) -> Option<String> {
        let own = self.all.get(&id).map_or(0, |recording| recording.bytes);
        // What waits alone may be large: a heading has the map and the world of a city.
        if own > 0 && own + bytes > RECORDING_WAITING_BYTES_MAX {
            return Some(format!("the disk does not keep up, {own} bytes wait for it"));
        }
        let total = self.bytes;
        let is_full = total + bytes > self.bytes_max || self.waiting.len() >= RECORDINGS_WAITING_MAX;
        is_full.then(|| format!("the disk does not keep up, {total} bytes of all recordings wait for it"))
    }

    pub(super) fn hand_over(&mut self, ticket: Ticket, id: RecordingId, deed: Deed) {
        let (Some(recorder), Some(recording)) = (&mut self.recorder, self.all.get_mut(&id)) else { return };
        let (position, bytes) = match &deed {
            Deed::Begin { .. } => (Position::Begin, 0),
            Deed::Append(bytes) => (Position::Middle, bytes.len()),
            Deed::End => (Position::End, 0),
        };
        recording.bytes += bytes;
        self.bytes += bytes;
        self.waiting.insert(ticket, Piece { recording: id, bytes, position });
        recorder.hand_over(ticket, id, deed);
    }

    /// There is to be no such recording; nothing of it was handed over.
    pub(super) fn forget(&mut self, id: RecordingId) {
        self.all.remove(&id);
    }

    /// Notes that a recording does not go on to its provider's end.
    pub(super) fn fail(&mut self, id: RecordingId) {
        if let Some(recording) = self.all.get_mut(&id) {
            recording.failed = true;
        }
    }

    /// Whether all of a recording so far is in its file, as far as that is known, or waits to be.
    pub(super) fn goes_on(&self, id: RecordingId) -> bool {
        self.all.get(&id).is_some_and(|recording| !recording.failed)
    }

    /// Takes the outcome of a piece.
    ///
    /// # Errors
    /// Gives the outcome back: the ticket belongs to no recording.
    pub(super) fn written(
        &mut self,
        ticket: Ticket,
        outcome: Result<(), String>,
    ) -> Result<PieceOutcome, Result<(), String>> {
        let Some(piece) = self.waiting.remove(&ticket) else { return Err(outcome) };
        self.bytes -= piece.bytes;
        let Some(recording) = self.all.get_mut(&piece.recording) else { return Ok(PieceOutcome::On) };
        recording.bytes -= piece.bytes;
        let (provider, had_failed) = (recording.provider, recording.failed);
        recording.failed |= outcome.is_err();
        if piece.position == Position::End {
            self.all.remove(&piece.recording);
        }
        Ok(match outcome {
            Err(reason) if !had_failed => {
                let what = if piece.position == Position::Begin { "no recording" } else { "the recording has ended" };
                PieceOutcome::Failed { recording: piece.recording, provider, reason: format!("{what}: {reason}") }
            }
            Ok(()) if piece.position == Position::End && !had_failed => PieceOutcome::Whole,
            Ok(()) | Err(_) => PieceOutcome::On,
        })
    }

    /// What is wrong with the books, if anything is.
    pub(super) fn check(&self) -> Result<(), String> {
        for (id, recording) in self.all.iter() {
            let pieces = self.waiting.values().filter(|piece| piece.recording == *id);
            if pieces.map(|piece| piece.bytes).sum::<usize>() != recording.bytes {
                return Err(format!("recording {} waits with other than {} bytes", id.0, recording.bytes));
            }
        }
        if self.waiting.values().map(|piece| piece.bytes).sum::<usize>() != self.bytes {
            return Err(format!("recordings wait with other than {} bytes", self.bytes));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::table::Table;

    /// Takes what it is handed, and says nothing.
    #[derive(Debug)]
    struct Deaf;

    impl Recorder for Deaf {
        fn hand_over(&mut self, _: Ticket, _: RecordingId, _: Deed) {}
    }

    /// Recordings of one provider, and tickets for them.
    struct Fixture {
        recordings: Recordings,
        provider: ProviderKey,
        last: Ticket,
    }

    impl Fixture {
        fn new(memory_max: usize) -> Self {
            let mut recordings = Recordings::new(memory_max);
            recordings.set_recorder(Box::new(Deaf));
            let provider = Table::new(1).insert(()).unwrap();
            Self { recordings, provider, last: Ticket(0) }
        }

        fn hand_over(&mut self, id: RecordingId, deed: Deed) -> Ticket {
            let ticket = self.last.draw();
            self.recordings.hand_over(ticket, id, deed);
            self.recordings.check().unwrap();
            ticket
        }

        fn begin(&mut self) -> (RecordingId, Ticket) {
            let id = self.recordings.add(self.provider);
            (id, self.hand_over(id, Deed::Begin { map_name: String::new(), unix_ms: 0 }))
        }

        fn append(&mut self, id: RecordingId, bytes: usize) -> Ticket {
            self.hand_over(id, Deed::Append(vec![0; bytes]))
        }

        fn written(&mut self, ticket: Ticket, outcome: Result<(), &str>) -> PieceOutcome {
            let written = self.recordings.written(ticket, outcome.map_err(str::to_owned)).unwrap();
            self.recordings.check().unwrap();
            written
        }

        fn has_room(&self, id: RecordingId, bytes: usize) -> bool {
            self.recordings.refusal(id, bytes).is_none()
        }
    }

    const MIB: usize = 1 << 20;

    #[test]
    fn one_is_whole_when_its_end_is_written_and_not_before() {
        let mut fixture = Fixture::new(256 * MIB);
        let (id, begun) = fixture.begin();
        let tickets = [begun, fixture.append(id, 10), fixture.append(id, 20)];
        let end = fixture.hand_over(id, Deed::End);
        assert!(
            tickets.map(|ticket| fixture.written(ticket, Ok(()))).iter().all(|written| *written == PieceOutcome::On)
        );
        assert_eq!(fixture.written(end, Ok(())), PieceOutcome::Whole);
        assert!(fixture.recordings.all.is_empty() && fixture.recordings.waiting.is_empty());
    }

    #[test]
    fn tickets_of_others_are_given_back_with_their_outcomes() {
        let mut fixture = Fixture::new(256 * MIB);
        let (_, begun) = fixture.begin();
        assert_eq!(fixture.recordings.written(Ticket(99), Err("no".to_owned())), Err(Err("no".to_owned())));
        assert_eq!(fixture.written(begun, Ok(())), PieceOutcome::On);
        assert_eq!(fixture.recordings.written(begun, Ok(())), Err(Ok(())), "once for each ticket");
    }

    #[test]
    fn a_failure_is_told_once_and_the_end_behind_it_is_not_whole() {
        let mut fixture = Fixture::new(256 * MIB);
        let (id, begun) = fixture.begin();
        let (first, second) = (fixture.append(id, 1), fixture.append(id, 1));
        assert_eq!(fixture.written(begun, Ok(())), PieceOutcome::On);
        let reason = "the recording has ended: a.vlog: full".to_owned();
        let told = PieceOutcome::Failed { recording: id, provider: fixture.provider, reason };
        assert_eq!(fixture.written(first, Err("a.vlog: full")), told);
        assert_eq!(fixture.written(second, Err("the file is closed")), PieceOutcome::On);
        let end = fixture.hand_over(id, Deed::End);
        assert_eq!(fixture.written(end, Ok(())), PieceOutcome::On);
        assert!(fixture.recordings.all.is_empty());
    }

    #[test]
    fn one_that_cannot_be_made_is_told_in_other_words() {
        let mut fixture = Fixture::new(256 * MIB);
        let (id, begun) = fixture.begin();
        let reason = "no recording: no such directory".to_owned();
        let told = PieceOutcome::Failed { recording: id, provider: fixture.provider, reason };
        assert_eq!(fixture.written(begun, Err("no such directory")), told);
    }

    #[test]
    fn one_that_was_ended_for_want_of_room_does_not_count_as_whole() {
        let mut fixture = Fixture::new(256 * MIB);
        let (id, begun) = fixture.begin();
        fixture.recordings.fail(id);
        let end = fixture.hand_over(id, Deed::End);
        assert_eq!(
            (fixture.written(begun, Ok(())), fixture.written(end, Ok(()))),
            (PieceOutcome::On, PieceOutcome::On)
        );
    }

    #[test]
    fn a_recording_has_room_up_to_its_bound_and_again_when_the_disk_has_taken_some() {
        let mut fixture = Fixture::new(256 * MIB);
        let (id, _) = fixture.begin();
        let first = fixture.append(id, RECORDING_WAITING_BYTES_MAX - 10);
        assert!(fixture.has_room(id, 10) && !fixture.has_room(id, 11));
        let reason = fixture.recordings.refusal(id, 11).unwrap();
        assert_eq!(reason, "the disk does not keep up, 16777206 bytes wait for it");
        let (other, _) = fixture.begin();
        assert!(fixture.has_room(other, 11), "others have room of their own");
        fixture.append(id, 10);
        assert_eq!(fixture.written(first, Ok(())), PieceOutcome::On);
        assert!(fixture.has_room(id, RECORDING_WAITING_BYTES_MAX - 10));
    }

    #[test]
    fn what_waits_alone_may_be_larger() {
        let mut fixture = Fixture::new(256 * MIB);
        let (id, _) = fixture.begin();
        assert!(fixture.has_room(id, 2 * RECORDING_WAITING_BYTES_MAX));
        fixture.append(id, 2 * RECORDING_WAITING_BYTES_MAX);
        assert!(!fixture.has_room(id, 1));
    }

    #[test]
    fn all_together_have_a_quarter_of_the_memory() {
        let mut fixture = Fixture::new(8 * MIB);
        let (a, b) = (fixture.begin().0, fixture.begin().0);
        fixture.append(a, MIB);
        assert!(fixture.has_room(b, MIB) && !fixture.has_room(b, MIB + 1));
        let reason = fixture.recordings.refusal(b, MIB + 1).unwrap();
        assert_eq!(reason, "the disk does not keep up, 1048576 bytes of all recordings wait for it");
    }

    #[test]
    fn all_together_have_no_more_than_their_bound() {
        let mut fixture = Fixture::new(usize::MAX);
        let ids: Vec<_> = (0..5).map(|_| fixture.begin().0).collect();
        for id in &ids[..4] {
            fixture.append(*id, RECORDINGS_WAITING_BYTES_MAX / 4);
        }
        assert!(fixture.has_room(ids[4], 0) && !fixture.has_room(ids[4], 1));
    }

    #[test]
    fn pieces_are_counted_and_an_end_always_finds_room() {
        let mut fixture = Fixture::new(256 * MIB);
        let (id, _) = fixture.begin();
        for _ in 1..RECORDINGS_WAITING_MAX {
            assert!(fixture.has_room(id, 0));
            let ticket = fixture.last.draw();
            fixture.recordings.hand_over(ticket, id, Deed::Append(Vec::new()));
        }
        assert!(!fixture.has_room(id, 0));
        let end = fixture.hand_over(id, Deed::End);
        assert_eq!(fixture.written(end, Ok(())), PieceOutcome::Whole);
    }

    #[test]
    fn one_that_was_never_handed_over_leaves_nothing() {
        let mut fixture = Fixture::new(256 * MIB);
        let id = fixture.recordings.add(fixture.provider);
        fixture.recordings.forget(id);
        assert!(fixture.recordings.all.is_empty());
        assert_ne!(fixture.recordings.add(fixture.provider), id, "no number is given twice");
    }
}
