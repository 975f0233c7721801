//! The attributes of a tag, and those of an XML declaration.

use super::defect::Defect;
use super::letters::{check_name, is_space, resolve};

/// The attributes of a tag (or of an XML declaration), raw, in order.
#[derive(Clone, Debug)]
pub(super) struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Attributes<'a> {
    /// Those of a tag, all that stands behind its name.
    pub(super) const fn new(raw: &'a str) -> Self {
        Self { rest: raw }
    }

    fn parse(&mut self) -> Result<Option<(&'a str, &'a str)>, Defect> {
        let trimmed = self.rest.trim_start_matches(is_space);
        if trimmed.is_empty() {
            return Ok(None);
        }
        // White space parts every attribute from what stands before it.
        if trimmed.len() == self.rest.len() {
            return Err(Defect::Malformed);
        }
        let (name, value) = trimmed.split_once('=').ok_or(Defect::Malformed)?;
        let name = name.trim_end_matches(is_space);
        check_name(name)?;
        let value = value.trim_start_matches(is_space);
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''));
        let quote = quote.ok_or(Defect::Malformed)?;
        let (value, rest) = value.get(1..).and_then(|value| value.split_once(quote)).ok_or(Defect::Malformed)?;
        check_value(value)?;
        self.rest = rest;
        Ok(Some((name, value)))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(&'a str, &'a str), Defect>;

    fn next(&mut self) -> Option<Self::Item> {
        let taken = self.parse();
        if taken.is_err() {
            self.rest = "";
        }
        taken.transpose()
    }
}

/// An attribute's value as it is meant: references resolved, white space as blanks.
pub(super) fn attribute_value(raw: &str) -> String {
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    loop {
        let (text, reference) = rest.split_once('&').unwrap_or((rest, ""));
        value.extend(text.chars().map(|letter| if is_space(letter) { ' ' } else { letter }));
        let Some((name, after)) = reference.split_once(';') else {
            return value;
        };
        value.extend(resolve(name));
        rest = after;
    }
}

fn check_value(value: &str) -> Result<(), Defect> {
    if value.contains('<') {
        return Err(Defect::Malformed);
    }
    let mut rest = value;
    while let Some((_, reference)) = rest.split_once('&') {
        let (name, after) = reference.split_once(';').ok_or(Defect::Malformed)?;
        resolve(name).ok_or(Defect::UnknownEntity)?;
        rest = after;
    }
    Ok(())
}

/// Checks `<?xml version="1.x" encoding="UTF-8" standalone="…"?>`; the last two may be missing.
pub(super) fn check_declaration(raw: &str) -> Result<(), Defect> {
    let inner = raw.strip_prefix("<?xml").and_then(|raw| raw.strip_suffix("?>"));
    let mut attributes = Attributes::new(inner.ok_or(Defect::Malformed)?);
    let Some(("version", version)) = attributes.parse()? else {
        return Err(Defect::Malformed);
    };
    let minor = version.strip_prefix("1.").ok_or(Defect::Malformed)?;
    if minor.is_empty() || !minor.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Defect::Malformed);
    }
    let mut next = attributes.parse()?;
    if let Some(("encoding", encoding)) = next {
        if !encoding.eq_ignore_ascii_case("UTF-8") {
            return Err(Defect::WrongEncoding);
        }
        next = attributes.parse()?;
    }
    if let Some(("standalone", "yes" | "no")) = next {
        next = attributes.parse()?;
    }
    if next.is_none() { Ok(()) } else { Err(Defect::Malformed) }
}
