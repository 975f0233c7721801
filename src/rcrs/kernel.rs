//! One viewer's side of a connection to a running kernel.
//!
//! Owns the handshake, the frames and the order of steps. Must not know sockets or time: bytes come in through
//! [`KernelViewer::handle_bytes`], what to write comes out of [`KernelViewer::poll_frame`], what happened out of [`KernelViewer::poll_event`].
//!
//! # Protocol
//! 1. The viewer sends VK_CONNECT with a request id of its choice.
//! 2. The kernel answers KV_CONNECT_OK: a viewer id, the whole current world, its configuration; or a refusal.
//! 3. The viewer sends VK_ACKNOWLEDGE. Until then it gets no step, and the kernel does not start its run.
//! 4. Each step KV_TIMESTEP: for which viewer, the time, the commands, the change set. The first time is 1.
//! 5. SHUTDOWN, then the connection closes; a kernel that is killed just closes it.
//!
//! A frame is four bytes of length, big-endian, and the message (1.x: a run of messages closed by an empty name). The kernel
//! drops half a header it has waited a second for, so **a frame must be written in one piece**, with header.
//!
//! # Traps
//! * A viewer that joins a running simulation loses the steps between its world and its acknowledgement, without a word:
//!   [`Event::Timestep`] says what time was due instead. Changes and deletions of unknown ids are normal then.
//! * A kernel whose run is over still accepts viewers, sends its last world, and never a step.
//! * Minutes may pass before the first step: silence is no fault.

use super::entity::Entity;
use super::message::{ChangeSet, Command, Config, Draft};
use super::urn::{Control, ControlPart};
use super::{Error, legacy, proto};
use crate::limits::{RCRS_FRAME_BYTES_MAX, RCRS_SLICE_BYTES_MAX};

const HEADER_BYTES: usize = 4;

/// Which generation of kernel is spoken to. The viewer speaks first, so it must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Protobuf messages, usually on port 27931.
    Current,
    /// The big-endian encoding of 1.x, usually on port 7000.
    Legacy,
}

/// What the kernel told.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// The kernel took the viewer; an acknowledgement is waiting to be sent.
    Connected {
        /// The kernel's number for this viewer.
        viewer: i32,
        /// Its world now, which need not be that of time 0.
        entities: Vec<Entity>,
        /// Its configuration.
        config: Config,
    },
    /// The kernel does not want the viewer.
    Refused {
        /// Its reason, cut to a line.
        reason: String,
    },
    /// One step of the simulation.
    Timestep {
        /// Its number, from 1.
        time: i32,
        /// The step that was due, if this is another one: steps were lost, or the kernel went back.
        missed_from: Option<i32>,
        /// The commands accepted in it.
        commands: Vec<Command>,
        /// What it changed.
        changes: ChangeSet,
    },
    /// The kernel ends; nothing follows.
    Shutdown,
}

/// What [`KernelViewer::poll_event`] has.
#[derive(Debug, PartialEq)]
pub enum Poll {
    /// Something happened; poll again.
    Event(Event),
    /// Decoding goes on; poll again when other work had its turn.
    Working,
    /// More bytes are needed.
    Idle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Connected(i32),
    Ended,
}

#[derive(Debug)]
enum Decoding {
    /// No whole frame yet, or none begun.
    Waiting,
    Current(proto::Decoder),
    /// Between two messages of a frame.
    LegacyNext {
        at: usize,
    },
    Legacy {
        decoder: legacy::Decoder,
        control: Control,
        end: usize,
    },
}

/// The client machine.
#[derive(Debug)]
pub struct KernelViewer {
    dialect: Dialect,
    request: i32,
    phase: Phase,
    time_last: i32,
    frame_bytes_max: usize,
    header: [u8; HEADER_BYTES],
    header_held: usize,
    /// Bytes of the frame that has begun, once its header is whole.
    due: Option<usize>,
    frame: Vec<u8>,
    decoding: Decoding,
    output: Option<Vec<u8>>,
    failed: Option<Error>,
}

impl KernelViewer {
    /// A viewer that wants in. `request` is any number, `name` what the kernel's log will call it, `frame_bytes_max` the
    /// largest frame to take (at most [`RCRS_FRAME_BYTES_MAX`]). The first frame to send is ready at once.
    #[must_use]
    pub fn new(dialect: Dialect, request: i32, name: &str, frame_bytes_max: usize) -> Self {
        Self {
            dialect,
            request,
            phase: Phase::Connecting,
            time_last: 0,
            frame_bytes_max: frame_bytes_max.min(RCRS_FRAME_BYTES_MAX),
            header: [0; HEADER_BYTES],
            header_held: 0,
            due: None,
            frame: Vec::new(),
            decoding: Decoding::Waiting,
            output: Some(connect(dialect, request, name)),
            failed: None,
        }
    }

    /// The next frame to send, header included; write it in one piece.
    pub const fn poll_frame(&mut self) -> Option<Vec<u8>> {
        self.output.take()
    }

    /// The time of the last step, 0 before the first.
    #[must_use]
    pub const fn time(&self) -> i32 {
        self.time_last
    }

    /// Takes bytes up to the end of one frame; says how many. Poll events until [`Poll::Idle`], then hand in the rest.
    /// While a whole frame is not decoded nothing is taken, so the socket holds what comes meanwhile.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a frame over the bound, and whatever error was given before.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.phase == Phase::Ended {
            return Ok(bytes.len());
        }
        let mut taken = 0;
        while self.due.is_none()
            && let Some(&byte) = bytes.get(taken)
        {
            if let Some(place) = self.header.get_mut(self.header_held) {
                *place = byte;
            }
            self.header_held += 1;
            taken += 1;
            if self.header_held == HEADER_BYTES {
                self.begin_frame()?;
            }
        }
        if let Some(due) = self.due {
            let missing = due.saturating_sub(self.frame.len());
            let rest = bytes.get(taken..).unwrap_or_default();
            let part = rest.get(..missing).unwrap_or(rest);
            self.frame.extend_from_slice(part);
            taken += part.len();
        }
        Ok(taken)
    }

    /// What happened, with a bounded amount of work for each call.
    ///
    /// # Errors
    /// A frame that cannot be decoded; the machine is dead then and repeats the error.
    pub fn poll_event(&mut self) -> Result<Poll, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.decode().inspect_err(|&error| self.failed = Some(error))
    }

    fn begin_frame(&mut self) -> Result<(), Error> {
        let length = u32::from_be_bytes(self.header);
        let length = usize::try_from(length).ok().filter(|&length| length <= self.frame_bytes_max);
        let Some(length) = length else {
            let error = Error::TooLarge("a frame of the kernel");
            self.failed = Some(error);
            return Err(error);
        };
        self.due = Some(length);
        self.decoding = match self.dialect {
            Dialect::Current => Decoding::Current(proto::Decoder::message(length)),
            Dialect::Legacy => Decoding::LegacyNext { at: 0 },
        };
        Ok(())
    }

    fn end_frame(&mut self) {
        self.due = None;
        self.header_held = 0;
        self.decoding = Decoding::Waiting;
        // One first frame is far larger than all that follow, so its memory is not kept.
        self.frame = Vec::new();
    }

    fn decode(&mut self) -> Result<Poll, Error> {
        if self.phase == Phase::Ended || self.due != Some(self.frame.len()) {
            return Ok(Poll::Idle);
        }
        match core::mem::replace(&mut self.decoding, Decoding::Waiting) {
            Decoding::Waiting => {
                self.end_frame();
                Ok(Poll::Idle)
            }
            Decoding::Current(mut decoder) => {
                if !decoder.step(&self.frame, RCRS_SLICE_BYTES_MAX)? {
                    self.decoding = Decoding::Current(decoder);
                    return Ok(Poll::Working);
                }
                self.end_frame();
                let (control, draft) = decoder.into_message();
                control.map_or(Ok(Poll::Idle), |control| self.on_message(control, draft))
            }
            Decoding::LegacyNext { at } => {
                let Some(header) = legacy::header(&self.frame, at)? else {
                    self.end_frame();
                    return Ok(Poll::Idle);
                };
                let known = header.control.and_then(|control| {
                    let decoder = legacy::Decoder::message(control, header.start, header.end)?;
                    Some(Decoding::Legacy { decoder, control, end: header.end })
                });
                self.decoding = known.unwrap_or(Decoding::LegacyNext { at: header.end });
                Ok(Poll::Working)
            }
            Decoding::Legacy { mut decoder, control, end } => {
                if !decoder.step(&self.frame, RCRS_SLICE_BYTES_MAX)? {
                    self.decoding = Decoding::Legacy { decoder, control, end };
                    return Ok(Poll::Working);
                }
                self.decoding = Decoding::LegacyNext { at: end };
                match self.on_message(control, decoder.into_draft())? {
                    // A message that means nothing here may have another behind it.
                    Poll::Idle => Ok(Poll::Working),
                    poll @ (Poll::Event(_) | Poll::Working) => Ok(poll),
                }
            }
        }
    }

    /// Judges one message; those for others, or out of place, mean nothing.
    fn on_message(&mut self, control: Control, mut draft: Draft) -> Result<Poll, Error> {
        let for_us = draft.request == Some(self.request);
        if control == Control::Shutdown {
            self.phase = Phase::Ended;
            return Ok(Poll::Event(Event::Shutdown));
        }
        Ok(match self.phase {
            Phase::Connecting if control == Control::KvConnectOk && for_us => {
                let viewer = draft.viewer.unwrap_or_default();
                let entities = draft.world()?;
                self.phase = Phase::Connected(viewer);
                self.output = Some(acknowledge(self.dialect, self.request, viewer));
                let config = draft.config();
                Poll::Event(Event::Connected { viewer, entities, config })
            }
            Phase::Connecting if control == Control::KvConnectError && for_us => {
                self.phase = Phase::Ended;
                Poll::Event(Event::Refused { reason: draft.reason })
            }
            Phase::Connected(viewer) if control == Control::KvTimestep && draft.target == Some(viewer) => {
                let due = self.time_last.saturating_add(1);
                self.time_last = draft.time;
                Poll::Event(Event::Timestep {
                    time: draft.time,
                    missed_from: (draft.time != due).then_some(due),
                    commands: draft.commands,
                    changes: draft.changes,
                })
            }
            Phase::Connecting | Phase::Connected(_) | Phase::Ended => Poll::Idle,
        })
    }
}

/// What a real viewer sends as its version; no kernel looks at it.
const VERSION: i32 = 1;

fn connect(dialect: Dialect, request: i32, name: &str) -> Vec<u8> {
    framed(match dialect {
        Dialect::Current => proto::Encoder::new(Control::VkConnect)
            .with_number(ControlPart::RequestId, request)
            .with_number(ControlPart::Version, VERSION)
            .with_text(ControlPart::Name, name)
            .into_bytes(),
        Dialect::Legacy => {
            let mut content = numbers([request, VERSION]);
            legacy::put_sized(&mut content, name.as_bytes());
            legacy::encode(Control::VkConnect, &content)
        }
    })
}

fn acknowledge(dialect: Dialect, request: i32, viewer: i32) -> Vec<u8> {
    framed(match dialect {
        Dialect::Current => proto::Encoder::new(Control::VkAcknowledge)
            .with_number(ControlPart::RequestId, request)
            .with_number(ControlPart::ViewerId, viewer)
            .into_bytes(),
        Dialect::Legacy => legacy::encode(Control::VkAcknowledge, &numbers([request, viewer])),
    })
}

fn numbers(numbers: [i32; 2]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn framed(message: Vec<u8>) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_BYTES + message.len());
    legacy::put_sized(&mut frame, &message);
    frame
}
