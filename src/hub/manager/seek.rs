//! Old timesteps: those of a live kernel as far as they are kept, those of a log by reading its file once more.

use core::cmp::Ordering;

use crate::control::reply::Status;
use crate::control::viewer::{Bits, Head};

use super::Manager;
use super::answers::{answer, chosen_sections, keep_promise};
use super::jobs::Job;
use super::making::Making;
use super::past::{self, Past, Question};
use super::provider::Provider;
use super::second_reading::SecondReading;
use super::track::Found;
use super::world::{Statics, Timestep};
use crate::hub::keys::{PeerKey, ProviderKey};
use crate::hub::peers::Peers;
use crate::hub::shelf::Shelf;

/// Old timesteps that may be asked for at a time of one provider.
const QUESTIONS_MAX: usize = 64;

/// What is answered where another reading of a log takes more memory than there is.
pub(super) const NO_MEMORY: &str = "no memory is left for an old timestep (memory_max)";

const NOT_KEPT: &str = "this timestep of a live simulation is not kept any more";

impl Manager {
    /// A viewer asks for the timestep of this time.
    pub(super) fn want_old_step(&mut self, peers: &mut Peers, key: PeerKey, echoed: Bits, time: i64) {
        let asked = echoed.without(Bits::OPEN);
        let bits = match self.viewers.get(key) {
            Some(viewer) if asked == Bits::NONE => viewer.selection,
            _ => asked,
        };
        let question = Question { viewer: key, bits, echoed, time };
        let outcome = match self.provider_of(key) {
            None => Err(self.reason_for_nothing(key).0),
            Some(provider) if self.providers.log(provider).is_some() => self.seek(peers, provider, question),
            Some(provider) => self.look_back(peers, provider, question),
        };
        if let Err(message) = outcome {
            answer(peers, key, Head { request: echoed, message, result: false, time }, &[]);
        }
    }

    /// A live kernel's timestep is kept, or is gone. Its world is yet to be made of an earlier one.
    fn look_back(&mut self, peers: &mut Peers, key: ProviderKey, question: Question) -> Result<(), &'static str> {
        let Some(provider) = self.providers.get_mut(key) else { return Err("the session has no provider") };
        if question.time > i64::from(provider.time) {
            return Err("this timestep has not been reached");
        }
        let Some(step) = provider.past.step(question.time) else { return Err(NOT_KEPT) };
        // Whoever asks behind somebody who waits is answered behind him.
        if !question.bits.has(Bits::WORLD) && provider.past.questions.is_empty() {
            answer_from_past(peers, &provider.statics, question, (step, &[]), "");
            return Ok(());
        }
        if provider.past.questions.len() >= QUESTIONS_MAX {
            return Err("too many old timesteps are asked for at a time");
        }
        provider.past.questions.push_back(question);
        self.jobs.add(Job::Past(key));
        if let Some(results) = peers.results_mut(question.viewer) {
            results.promised += 1;
        }
        Ok(())
    }

    /// Does a piece of what the first question for an old world of a live kernel takes; answers whether there is more to do.
    pub(super) fn past_piece(&mut self, peers: &mut Peers, key: ProviderKey) -> bool {
        let Some(provider) = self.providers.get_mut(key) else { return false };
        let Some(question) = provider.past.questions.front().copied() else { return false };
        let Provider { past, statics, .. } = provider;
        let sought = match past.step(question.time) {
            Some(step) if !question.bits.has(Bits::WORLD) => past::Sought::There(step, Vec::new()),
            _ => past.lead_to(question.time),
        };
        match sought {
            past::Sought::NotYet => return true,
            past::Sought::There(step, world) => {
                keep_promise(peers, question.viewer);
                let is_lacking = world.is_empty() && question.bits.has(Bits::WORLD);
                let message = if is_lacking { "the world of this old timestep is not kept any more" } else { "" };
                answer_from_past(peers, statics, question, (step, &world), message);
            }
            past::Sought::Nowhere => refuse_question(peers, question, NOT_KEPT),
        }
        past.questions.pop_front();
        if past.questions.is_empty() {
            past.rest();
        }
        !past.questions.is_empty()
    }

    /// Nobody is answered from the past of a provider that there is not any more.
    pub(super) fn end_past(peers: &mut Peers, past: Past, reason: &str) {
        for question in past.questions {
            refuse_question(peers, question, reason);
        }
    }

    /// Puts a question to the second reader of a log.
    fn seek(&mut self, peers: &mut Peers, key: ProviderKey, question: Question) -> Result<(), &'static str> {
        let Some((provider, play)) = self.providers.log_mut(key) else { return Err("the session has no log") };
        let ended = provider.status != Status::Online;
        if ended && question.time > i64::from(provider.time_max) {
            return Err("the log ends before this timestep");
        }
        match &mut play.seek {
            Some(seek) if seek.questions.len() >= QUESTIONS_MAX => {
                return Err("too many old timesteps are asked for at a time");
            }
            Some(seek) => seek.questions.push_back(question),
            None if provider.world.bytes() > peers.pool.data_room() => {
                return Err(NO_MEMORY);
            }
            None => {
                let file = self.shelf.again(play.track.file).map_err(|_| "the log cannot be opened once more")?;
                play.seek = Some(Box::new(SecondReading::new(file, play.track.content, [question].into())));
            }
        }
        self.jobs.add(Job::Seek(key));
        if let Some(results) = peers.results_mut(question.viewer) {
            results.promised += 1;
        }
        Ok(())
    }

    /// Reads a piece for the question at the front; answers whether there is more to do.
    pub(super) fn seek_piece(&mut self, peers: &mut Peers, key: ProviderKey) -> bool {
        let Some((provider, play)) = self.providers.log_mut(key) else { return false };
        let Some(seek) = &mut play.seek else { return false };
        let Some(question) = seek.questions.front().copied() else { return false };
        let mut passed = None;
        let sought = read_on(self.shelf.as_mut(), seek, question, &mut passed);
        if let Some(passed) = passed {
            passed.into_worlds().for_each(|world| self.remains.add(&mut self.jobs, world));
        }
        match sought {
            Sought::NotYet => {}
            Sought::There(step, world) => {
                seek.questions.pop_front();
                answer_question(peers, &provider.statics, question, &step, &world);
            }
            Sought::Nowhere(reason) => {
                seek.questions.pop_front();
                refuse_question(peers, question, &reason);
            }
        }
        !seek.questions.is_empty()
    }

    /// Ends the second reading of a log that is not in its provider any more: nobody is answered from it.
    pub(super) fn end_seek(&mut self, peers: &mut Peers, seek: SecondReading, reason: &str) {
        self.shelf.close(seek.track.file);
        for question in &seek.questions {
            refuse_question(peers, *question, reason);
        }
        seek.into_worlds().for_each(|world| self.remains.add(&mut self.jobs, world));
    }
}

/// Answers with an old timestep of a live kernel, of which there are no perceptions.
fn answer_from_past(
    peers: &mut Peers,
    statics: &Statics,
    question: Question,
    (step, world): (&Timestep, &[u8]),
    message: &str,
) {
    let head = Head { request: question.echoed, message, result: true, time: question.time };
    let [score, map, config, commands, changes, _] = chosen_sections(question.bits, statics, step);
    answer(peers, question.viewer, head, &[score, map, config, world, commands, changes]);
}

/// Where the search for a timestep has come to.
enum Sought {
    NotYet,
    /// The second reader's world shows it; with its section, if that is wanted.
    There(Timestep, Vec<u8>),
    /// There is no such timestep, or none that can be read.
    Nowhere(String),
}

/// Reads one piece on the way to the timestep of a question, from the beginning where it has been passed: then `passed` is the reading that has.
fn read_on(
    shelf: &mut dyn Shelf,
    seek: &mut SecondReading,
    question: Question,
    passed: &mut Option<SecondReading>,
) -> Sought {
    if i64::from(seek.time) >= question.time {
        let (file, content) = (seek.track.file, seek.track.content);
        match shelf.again(file) {
            Ok(again) => {
                shelf.close(file);
                let begun = SecondReading::new(again, content, core::mem::take(&mut seek.questions));
                *passed = Some(core::mem::replace(seek, begun));
            }
            Err(reason) => return Sought::Nowhere(reason),
        }
    }
    apply_on(shelf, seek, question).unwrap_or_else(|reason| {
        // Whatever is asked next starts from the beginning.
        seek.time = i32::MAX;
        Sought::Nowhere(reason)
    })
}

/// The same, where it has not been passed.
fn apply_on(shelf: &mut dyn Shelf, seek: &mut SecondReading, question: Question) -> Result<Sought, String> {
    if !seek.world.take_in()? {
        return Ok(Sought::NotYet);
    }
    if let Some(making) = &mut seek.making {
        let Some(made) = making.go_on(&mut seek.world)? else { return Ok(Sought::NotYet) };
        let shown = i64::from(made.step.time);
        if shown == question.time && question.bits.has(Bits::WORLD) && made.world.is_none() {
            seek.making = Some(Box::new(Making::and_world(made)));
            return Ok(Sought::NotYet);
        }
        (seek.making, seek.time) = (None, made.step.time);
        return Ok(match shown.cmp(&question.time) {
            Ordering::Less => Sought::NotYet,
            Ordering::Equal => Sought::There(made.step, made.world.unwrap_or_default()),
            Ordering::Greater => Sought::Nowhere("the log has no such timestep".to_owned()),
        });
    }
    match seek.track.read_piece(shelf, &mut seek.world).0 {
        Ok(Found::More) => {}
        Ok(Found::Timestep) => {
            if let Some(raw) = seek.track.next.take() {
                seek.making = Some(Box::new(Making::new(&seek.world, raw)?));
            }
        }
        Ok(Found::Ended(_)) | Err(_) => return Err("the log ends before this timestep".to_owned()),
    }
    Ok(Sought::NotYet)
}

fn answer_question(peers: &mut Peers, statics: &Statics, question: Question, step: &Timestep, world: &[u8]) {
    keep_promise(peers, question.viewer);
    let head = Head { request: question.echoed, message: "", result: true, time: question.time };
    let [score, map, config, commands, changes, perceptions] = chosen_sections(question.bits, statics, step);
    answer(peers, question.viewer, head, &[score, map, config, world, commands, changes, perceptions]);
}

fn refuse_question(peers: &mut Peers, question: Question, reason: &str) {
    keep_promise(peers, question.viewer);
    let head = Head { request: question.echoed, message: reason, result: false, time: question.time };
    answer(peers, question.viewer, head, &[]);
}
