//! Passing over what nobody looks at: elements without attributes and their texts, one after the other, without a token for each.

use super::super::letters::{ascii_name, first_mark};
use super::super::span::Span;
use super::{COST_BINDINGS, COST_BYTES, Inside, SHORT_BYTES, TokenReader};
use crate::limits::{C2SIM_DEPTH_MAX, C2SIM_ELEMENTS_MAX, C2SIM_NAME_BYTES_MAX};
use crate::store::name::same;

impl TokenReader<'_> {
    /// Passes over what lies at least so deep, until the document has cost so much, for as long as it is made of start tags that are a name and
    /// nothing else, end tags that are what was opened, and short texts. All else, and the last of them, is left to be read: it comes to the
    /// same as reading each of them.
    pub(super) fn pass_over_plain(&mut self, depth: usize, until: usize) {
        let (text, at) = (self.text, &mut self.at);
        if at.inside != Inside::Nothing {
            return;
        }
        let per_element = 1 + at.bindings.len() / COST_BINDINGS;
        // Nobody passed over declares anything here, so only elements that did already take bindings with them.
        let declared = at.bindings.last().map_or(0, |binding| binding.depth).max(depth);
        let mut end = at.range.end;
        while at.cost < until {
            let rest = text.as_bytes().get(end..).unwrap_or_default();
            let len = match rest {
                [b'<', b'/', rest @ ..] => {
                    let Some(opened) = at.open.last().filter(|_| at.depth > declared) else { break };
                    let opened = opened.bytes_of(text);
                    let Some((name, [b'>', ..])) = rest.split_at_checked(opened.len()) else { break };
                    if !same(name, opened) {
                        break;
                    }
                    at.open.pop();
                    at.depth -= 1;
                    at.cost += 1;
                    name.len() + 3
                }
                [b'<', rest @ ..] => {
                    let named = ascii_name(rest);
                    let is_one = (1..=C2SIM_NAME_BYTES_MAX).contains(&named) && rest.get(named) == Some(&b'>');
                    if !is_one || at.depth >= C2SIM_DEPTH_MAX || at.elements >= C2SIM_ELEMENTS_MAX {
                        break;
                    }
                    at.open.push(Span::between(end + 1, end + 1 + named));
                    at.depth += 1;
                    at.elements += 1;
                    at.cost += per_element;
                    named + 2
                }
                rest => {
                    let begins = rest.get(..SHORT_BYTES).unwrap_or(rest);
                    match first_mark(begins) {
                        Some(n) if n > 0 && begins.get(n) == Some(&b'<') => {
                            at.cost += 1;
                            n
                        }
                        _ => break,
                    }
                }
            };
            at.cost += len / COST_BYTES;
            end += len;
        }
        at.range.end = end;
    }
}
