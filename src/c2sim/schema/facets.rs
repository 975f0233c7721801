//! The values of simple types: what the built-in types take, and what restrictions demand of it.

use core::cmp::Ordering;
use core::fmt;
use std::sync::Arc;

use super::super::letters::is_space;
use super::pattern::Pattern;
use crate::limits::C2SIM_VALUE_BYTES_MAX;

/// The built-in types of XML Schema that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BuiltIn {
    String,
    Boolean,
    Double,
    Decimal,
    Integer,
    NonNegativeInteger,
    PositiveInteger,
    Byte,
    Short,
    Int,
    Long,
    UnsignedByte,
    UnsignedShort,
    UnsignedInt,
    UnsignedLong,
}

use BuiltIn::{
    Boolean, Byte, Decimal, Double, Int, Integer, Long, NonNegativeInteger, PositiveInteger, Short, String as Text,
    UnsignedByte, UnsignedInt, UnsignedLong, UnsignedShort,
};

impl BuiltIn {
    pub(super) const ALL: [Self; 15] = [
        Text,
        Boolean,
        Double,
        Decimal,
        Integer,
        NonNegativeInteger,
        PositiveInteger,
        Byte,
        Short,
        Int,
        Long,
        UnsignedByte,
        UnsignedShort,
        UnsignedInt,
        UnsignedLong,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Text => "string",
            Boolean => "boolean",
            Double => "double",
            Decimal => "decimal",
            Integer => "integer",
            NonNegativeInteger => "nonNegativeInteger",
            PositiveInteger => "positiveInteger",
            Byte => "byte",
            Short => "short",
            Int => "int",
            Long => "long",
            UnsignedByte => "unsignedByte",
            UnsignedShort => "unsignedShort",
            UnsignedInt => "unsignedInt",
            UnsignedLong => "unsignedLong",
        }
    }

    /// The least and the greatest value, where there is one.
    const fn range(self) -> (Option<&'static str>, Option<&'static str>) {
        match self {
            Text | Boolean | Double | Decimal | Integer => (None, None),
            NonNegativeInteger => (Some("0"), None),
            PositiveInteger => (Some("1"), None),
            Byte => (Some("-128"), Some("127")),
            Short => (Some("-32768"), Some("32767")),
            Int => (Some("-2147483648"), Some("2147483647")),
            Long => (Some("-9223372036854775808"), Some("9223372036854775807")),
            UnsignedByte => (Some("0"), Some("255")),
            UnsignedShort => (Some("0"), Some("65535")),
            UnsignedInt => (Some("0"), Some("4294967295")),
            UnsignedLong => (Some("0"), Some("18446744073709551615")),
        }
    }

    /// Whether values have an order that bounds can speak of.
    pub(super) const fn is_ordered(self) -> bool {
        !matches!(self, Text | Boolean)
    }

    /// Whether `value` (white space around it gone) is one of the type's.
    pub(super) fn takes(self, value: &str) -> bool {
        match self {
            Text => true,
            Boolean => matches!(value, "true" | "false" | "1" | "0"),
            Double => double(value).is_some(),
            Decimal => is_decimal(value),
            Integer | NonNegativeInteger | PositiveInteger | Byte | Short | Int | Long | UnsignedByte
            | UnsignedShort | UnsignedInt | UnsignedLong => {
                let (least, greatest) = self.range();
                !value.contains('.')
                    && is_decimal(value)
                    && least.is_none_or(|least| compare_decimals(value, least).is_ge())
                    && greatest.is_none_or(|greatest| compare_decimals(value, greatest).is_le())
            }
        }
    }

    fn compare(self, value: &str, bound: &str) -> Option<Ordering> {
        if self == Double { double(value)?.partial_cmp(&double(bound)?) } else { Some(compare_decimals(value, bound)) }
    }
}

/// A bound of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    MinInclusive,
    MaxInclusive,
    MinExclusive,
}

impl Bound {
    const fn admits(self, order: Ordering) -> bool {
        match self {
            Self::MinInclusive => order.is_ge(),
            Self::MaxInclusive => order.is_le(),
            Self::MinExclusive => order.is_gt(),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::MinInclusive => "is below",
            Self::MaxInclusive => "is above",
            Self::MinExclusive => "is not above",
        }
    }
}

/// One demand on a value.
#[derive(Clone, Debug)]
pub(super) enum Facet {
    /// It is one of these, which are sorted.
    Enumeration(Arc<[Box<str>]>),
    /// It matches one of these.
    Patterns(Arc<[Pattern]>),
    Bound(Bound, Box<str>),
}

/// A simple type.
#[derive(Clone, Debug)]
pub(super) struct Simple {
    pub(super) base: BuiltIn,
    /// Those of all restrictions from the built-in type on.
    pub(super) facets: Vec<Facet>,
    /// The number of the type it restricts.
    pub(super) parent: Option<usize>,
}

impl Simple {
    /// Checks a value, all references resolved and line ends read as newlines.
    pub(super) fn check<'a>(&'a self, value: &'a str) -> Result<(), Fault<'a>> {
        if self.base == Text && self.facets.is_empty() {
            return Ok(());
        }
        if value.len() > C2SIM_VALUE_BYTES_MAX {
            return Err(Fault::Long(value));
        }
        let value = if self.base == Text { value } else { value.trim_matches(is_space) };
        if !self.base.takes(value) {
            return Err(Fault::Type(value, self.base));
        }
        for facet in &self.facets {
            match facet {
                Facet::Enumeration(all) if all.binary_search_by(|one| (**one).cmp(value)).is_err() => {
                    return Err(Fault::Enumeration(value));
                }
                Facet::Patterns(all) if !all.iter().any(|pattern| pattern.matches(value)) => {
                    return Err(Fault::Pattern(value, all.first().map_or("", Pattern::text)));
                }
                // What cannot be compared, as no number, is within no bound.
                Facet::Bound(bound, of) if !self.base.compare(value, of).is_some_and(|order| bound.admits(order)) => {
                    return Err(Fault::Bound(value, *bound, of));
                }
                Facet::Enumeration(_) | Facet::Patterns(_) | Facet::Bound(..) => {}
            }
        }
        Ok(())
    }
}

/// Why a value is none of its type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault<'a> {
    Long(&'a str),
    Type(&'a str, BuiltIn),
    Enumeration(&'a str),
    Pattern(&'a str, &'a str),
    Bound(&'a str, Bound, &'a str),
}

/// How many characters of a value or a pattern a report quotes.
const QUOTED: usize = 64;

/// A text shortened for a report.
pub(in super::super) struct Quoted<'a>(pub(in super::super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(QUOTED) {
            Some((at, _)) => write!(f, "'{}...'", self.0.get(..at).unwrap_or_default()),
            None => write!(f, "'{}'", self.0),
        }
    }
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long(value) => write!(f, "{} is too long to be checked", Quoted(value)),
            Self::Type(value, base) => write!(f, "{} is no {}", Quoted(value), base.name()),
            Self::Enumeration(value) => write!(f, "{} is not in the code list", Quoted(value)),
            Self::Pattern(value, pattern) => {
                write!(f, "{} does not match the pattern {}", Quoted(value), Quoted(pattern))
            }
            Self::Bound(value, bound, of) => write!(f, "{} {} {of}", Quoted(value), bound.words()),
        }
    }
}

/// Digits with an optional sign and point, and at least one digit.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    plain(whole) && plain(part) && !(whole.is_empty() && part.is_empty())
}

fn double(text: &str) -> Option<f64> {
    match text {
        "INF" => return Some(f64::INFINITY),
        "-INF" => return Some(f64::NEG_INFINITY),
        "NaN" => return Some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let whole = is_decimal(exponent) && !exponent.contains('.');
    if whole && is_decimal(mantissa) { text.parse().ok() } else { None }
}

/// Compares two decimals exactly, however long.
fn compare_decimals(one: &str, other: &str) -> Ordering {
    let (one, other) = (parts(one), parts(other));
    match (one.0, other.0) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, false) => magnitude(one, other),
        (true, true) => magnitude(other, one),
    }
}

fn magnitude(one: (bool, &str, &str), other: (bool, &str, &str)) -> Ordering {
    one.1.len().cmp(&other.1.len()).then_with(|| one.1.cmp(other.1)).then_with(|| one.2.cmp(other.2))
}

/// Whether it is below zero, the digits in front of the point without leading zeros, those behind it without trailing ones.
fn parts(text: &str) -> (bool, &str, &str) {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    (text.starts_with('-') && !(whole.is_empty() && part.is_empty()), whole, part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_types_take_their_values_only() {
        for (of, yes, no) in [
            (Boolean, &["true", "0"][..], &["TRUE", "yes", ""][..]),
            (
                Double,
                &["1", "-1.5e-3", ".5", "5.", "INF", "-INF", "NaN", "1E+4"],
                &["", ".", "1e", "+INF", "inf", "1e1.5", "0x1", "1_0"],
            ),
            (Decimal, &["+1.50", "-0", ".5", "123456789012345678901234567890"], &["1e5", "", "+", "--1", "INF"]),
            (Integer, &["-99999999999999999999", "007"], &["1.0", "1."]),
            (NonNegativeInteger, &["0", "-0", "00"], &["-1"]),
            (PositiveInteger, &["1"], &["0"]),
            (Byte, &["127", "-128", "+0000127"], &["128", "-129"]),
            (UnsignedLong, &["18446744073709551615"], &["18446744073709551616", "-1"]),
        ] {
            assert!(yes.iter().all(|value| of.takes(value)), "{of:?}");
            no.iter().for_each(|value| assert!(!of.takes(value), "{of:?} {value}"));
        }
        assert!(BuiltIn::ALL.iter().zip(0_usize..).all(|(of, at)| *of as usize == at));
    }

    #[test]
    fn decimals_compare_exactly() {
        for (one, other, order) in [
            ("0.0", "-0", Ordering::Equal),
            ("100", "99.9999999999999999999999999", Ordering::Greater),
            ("100.00000000000000000000000001", "100", Ordering::Greater),
            ("-2", "-10", Ordering::Greater),
            ("-1", "1", Ordering::Less),
            ("0.05", "0.5", Ordering::Less),
        ] {
            assert_eq!(compare_decimals(one, other), order, "{one} {other}");
        }
    }
}
