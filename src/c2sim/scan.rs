//! The pass that recognises a message, and checks its content in the same go: at once, or put aside between any two tokens.
//!
//! Owns the order of things: which defect counts where there are several, and in which line. What an element means to a message is
//! `frame`'s to know, what it means to a schema that of [`super::schema`].

use super::defect::{Defect, Reject};
use super::frame::Scanner;
use super::invalid::InvalidDocument;
use super::letters::{lines, readable};
use super::message::Message;
use super::schema::{Checker, Extent, Rules, Violation};
use super::tokens::{Position, Token, TokenReader};
use crate::limits::C2SIM_MESSAGE_BYTES_MAX;

/// Checks and recognises one document.
///
/// # Errors
/// Everything the module docs of [`crate::c2sim`] list as validated; the first defect is reported.
pub fn scan(bytes: &[u8]) -> Result<Message<'_>, Reject> {
    judge(bytes, None).map(|(message, _)| message)
}

/// The same, and in the same pass checks the content against the rules of a schema. A document that is no message for any other reason
/// is refused for that.
///
/// # Errors
/// As [`scan`], or everything in which the content breaks the rules.
pub fn scan_with<'a>(bytes: &'a [u8], rules: Option<&Rules>) -> Result<Message<'a>, InvalidDocument> {
    match judge(bytes, rules.map(|rules| (rules, Extent::Whole))) {
        Ok((message, violations)) if violations.is_empty() => Ok(message),
        Ok((_, violations)) => Err(InvalidDocument::Content(violations)),
        Err(reject) => Err(InvalidDocument::Rejected(reject)),
    }
}

/// The same, and what of the content is not as the rules say; nothing if the document is as they say.
///
/// # Errors
/// As [`scan`].
pub fn judge<'a>(bytes: &'a [u8], rules: Option<(&Rules, Extent)>) -> Result<(Message<'a>, Vec<Violation>), Reject> {
    if bytes.len() > C2SIM_MESSAGE_BYTES_MAX {
        return Err(TOO_LARGE);
    }
    let (text, unreadable) = readable(bytes);
    let mut pass = Pass::new(rules.map(|(_, extent)| extent));
    let is_over = pass.go_on(text, rules.map(|(rules, _)| rules), usize::MAX);
    debug_assert!(is_over, "nothing stops it");
    pass.finish(text, unreadable)
}

/// What is said of a document that is too large to be looked at.
pub(super) const TOO_LARGE: Reject = Reject { defect: Defect::TooLarge, line: 1, header_seen: false };

/// One pass over a document, as far as it has come. It can be put aside between any two tokens.
#[derive(Debug)]
pub(super) struct Pass {
    at: Position,
    scanner: Scanner,
    checker: Option<Checker>,
    stage: Stage,
}

/// What a pass is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Scanning,
    /// Something is wrong with the frame, in front of any header. The rest is read for its form only, and for a header wherever it stands: first
    /// of all a document has to be one, and a message then to have a header.
    Draining {
        found: Defect,
        at: usize,
        header: bool,
    },
    Over(Result<(), (Defect, usize)>),
}

impl Pass {
    /// A pass that has not begun; with the extent in which rules will judge the document, if there are any.
    pub(super) fn new(judged: Option<Extent>) -> Self {
        let checker = judged.map(Checker::new);
        Self { at: Position::new(), scanner: Scanner::new(), checker, stage: Stage::Scanning }
    }

    /// Goes on for `cost` (see [`Position::cost`]), or to the end; answers whether it is over. The text and the rules must be the same each
    /// time.
    pub(super) fn go_on(&mut self, text: &str, rules: Option<&Rules>, cost: usize) -> bool {
        let mut document = TokenReader::resume(text, core::mem::take(&mut self.at));
        let until = document.position().cost().saturating_add(cost);
        if self.stage == Stage::Scanning {
            self.scan(&mut document, rules, until);
        }
        if matches!(self.stage, Stage::Draining { .. }) {
            self.drain(&mut document, until);
        }
        self.at = document.put_aside();
        matches!(self.stage, Stage::Over(_))
    }

    fn scan(&mut self, document: &mut TokenReader<'_>, rules: Option<&Rules>, until: usize) {
        let mut judging = self.checker.as_mut().zip(rules);
        while document.position().cost() < until {
            // Nearly all of a document means nothing to the frame; the rules look at all of it.
            let depth = if judging.is_some() { usize::MAX } else { self.scanner.passed_over() };
            let read = document.next_outside(depth, until);
            let token = match &read {
                Ok(token) => token,
                Err(found) => return self.fail(document, *found),
            };
            if document.depth() < self.scanner.passed_over()
                && let Err(found) = self.scanner.on_token(document, token)
            {
                return self.fail(document, found);
            }
            if let Some((checker, rules)) = &mut judging {
                checker.on_token(rules, document, token);
            }
            if let Token::EndOfDocument = token {
                self.stage = Stage::Over(Ok(()));
                return;
            }
        }
    }

    /// This is wrong with the document, with its last token.
    fn fail(&mut self, document: &TokenReader<'_>, found: Defect) {
        let at = document.range().start;
        let shape = matches!(found, Defect::WrongRoot | Defect::NoNamespace | Defect::OutOfPlace | Defect::NoBody);
        self.stage = if shape && !self.scanner.header_found() {
            Stage::Draining { found, at, header: false }
        } else {
            Stage::Over(Err((found, at)))
        };
    }

    fn drain(&mut self, document: &mut TokenReader<'_>, until: usize) {
        let Stage::Draining { mut found, at, mut header } = self.stage else { return };
        while document.position().cost() < until {
            match document.next() {
                Ok(Token::Start(tag)) => header |= tag.local == "C2SIMHeader",
                Ok(Token::EndOfDocument) => {
                    if !header && found != Defect::WrongRoot {
                        found = Defect::NoHeader;
                    }
                    self.stage = Stage::Over(Err((found, at)));
                    return;
                }
                Ok(Token::End | Token::Text(_) | Token::CData(_) | Token::Character(_) | Token::Aside) => {}
                Err(behind) => {
                    self.stage = Stage::Over(Err((behind, document.range().start)));
                    return;
                }
            }
        }
        self.stage = Stage::Draining { found, at, header };
    }

    /// Whether the document is a message, and one that is wanted on one line or has instructions in it, which are not relayed.
    pub(super) fn is_to_be_written(&self, is_line_wanted: bool) -> bool {
        self.stage == Stage::Over(Ok(())) && (is_line_wanted || self.at.has_instructions())
    }

    /// What the pass has come to: the message, and what of its content is not as the rules say. `unreadable` is what is wrong behind the
    /// text: an unreadable byte is the defect, wherever what stands in front of it was cut off.
    pub(super) fn finish(
        self,
        text: &str,
        unreadable: Option<Defect>,
    ) -> Result<(Message<'_>, Vec<Violation>), Reject> {
        let outcome = match self.stage {
            Stage::Over(outcome) => outcome,
            Stage::Scanning | Stage::Draining { .. } => Err((Defect::Malformed, self.at.start())),
        };
        let outcome = unreadable.map_or(outcome, |defect| Err((defect, text.len())));
        outcome.map_err(|(defect, at)| {
            let before = text.as_bytes().get(..at).unwrap_or_default();
            let line = lines(before) + 1;
            Reject { defect, line, header_seen: self.scanner.header_seen() }
        })?;
        let message = self.scanner.finish(text, self.at.has_instructions());
        Ok((message, self.checker.map(Checker::finish).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a message with this report comes to, and in which line, a few tokens at a time.
    fn by_slices(document: &str, cost: usize) -> Result<(), (Defect, usize)> {
        let mut pass = Pass::new(None);
        while !pass.go_on(document, None, cost) {}
        pass.finish(document, None).map(drop).map_err(|reject| (reject.defect, reject.line))
    }

    #[test]
    fn what_means_nothing_to_the_frame_is_held_to_its_form_all_the_same() {
        for (report, outcome) in [
            (
                "\n<a b='1'>\n<C2SIMHeader/>x<b/>&amp;<![CDATA[<]]><MessageBody>y</MessageBody></a>\n<!-- c --><?p q?>",
                None,
            ),
            ("\n<a>\n<b></a>", Some((Defect::Malformed, 3))),
            ("\n<a b='1' b='2'/>", Some((Defect::DuplicateAttribute, 2))),
            ("<a/>\n<p:a/>", Some((Defect::UndeclaredPrefix, 2))),
            ("<p:a xmlns:p='u'/>\n\n<p:a/>", Some((Defect::UndeclaredPrefix, 3))),
            ("<a>\n&e;</a>", Some((Defect::UnknownEntity, 2))),
            ("<a>]]></a>", Some((Defect::Malformed, 1))),
            ("<a></a></ReportBody><OrderBody>", Some((Defect::SeveralBodies, 1))),
            ("</ReportBody>\nx<ReportBody>", Some((Defect::OutOfPlace, 1))),
            (
                "</ReportBody></DomainMessageBody>\n<a/><DomainMessageBody><ReportBody>",
                Some((Defect::SeveralBodies, 2)),
            ),
        ] {
            let document = format!(
                "<Message xmlns='u'><C2SIMHeader><ConversationID>c</ConversationID><FromSendingSystem>s</FromSendingSystem>\
                 <MessageID>m</MessageID><Protocol>p</Protocol><ProtocolVersion>v</ProtocolVersion></C2SIMHeader><MessageBody>\
                 <DomainMessageBody><ReportBody>{report}</ReportBody></DomainMessageBody></MessageBody></Message>"
            );
            for cost in [1, 2, 3, 7, usize::MAX] {
                assert_eq!(by_slices(&document, cost).err(), outcome, "{report} by {cost}");
            }
        }
    }
}
