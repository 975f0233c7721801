//! The token reader alone: what is well-formed, what is not, and what is bounded.

use super::super::letters::readable;
use super::*;
use crate::limits::C2SIM_NAME_BYTES_MAX;

fn check(bytes: &[u8]) -> Result<usize, Defect> {
    let (text, defect) = readable(bytes);
    let mut document = TokenReader::new(text);
    let mut tokens = 0;
    loop {
        match document.next() {
            Ok(Token::EndOfDocument) => return defect.map_or(Ok(tokens), Err),
            Ok(_) => tokens += 1,
            Err(found) => return Err(defect.unwrap_or(found)),
        }
    }
}

#[test]
fn well_formed_documents_are_read_to_their_end() {
    for good in [
        "<a/>",
        "<?xml version='1.0'?><a></a >",
        "<?xml version=\"1.0\" encoding='utf-8' standalone='yes' ?>\n<!-- x --><a b = '1'\n c=\"&lt;&#9;>\"/>\n<?p q?>\n",
        "<p:a xmlns:p='u' p:x='1' x='2'><p:b/></p:a>",
        "<a xml:lang='en'>]] > &amp;&apos;&quot;&gt;&#x41; <![CDATA[<&]]></a>",
        "<\u{e9}l\u{e9}ment/>",
        "\u{feff}<a/>",
    ] {
        assert!(check(good.as_bytes()).is_ok(), "{good}: {:?}", check(good.as_bytes()));
    }
}

#[test]
fn every_way_to_be_malformed_is_found() {
    for (bad, defect) in [
        ("", Defect::Malformed),
        (" \n", Defect::Malformed),
        ("{\"json\": 1}", Defect::OutsideRoot),
        ("<a>", Defect::Malformed),
        ("<a></b>", Defect::Malformed),
        ("</a>", Defect::Malformed),
        ("<a/><b/>", Defect::OutsideRoot),
        ("<a/>x", Defect::OutsideRoot),
        ("<a/>&lt;", Defect::OutsideRoot),
        ("<a/><![CDATA[x]]>", Defect::OutsideRoot),
        ("<!DOCTYPE a><a/>", Defect::Doctype),
        ("<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><a>&e;</a>", Defect::Doctype),
        ("<a>&e;</a>", Defect::UnknownEntity),
        ("<a b='&e;'/>", Defect::UnknownEntity),
        ("<a>&#0;</a>", Defect::UnknownEntity),
        ("<a>&#+65;</a>", Defect::UnknownEntity),
        ("<a>&#xD800;</a>", Defect::UnknownEntity),
        ("<a>& b</a>", Defect::Malformed),
        ("<a>]]></a>", Defect::Malformed),
        ("<a><![cdata[x]]></a>", Defect::Malformed),
        ("<a><!-- -- --></a>", Defect::Malformed),
        ("<a b='1' b='2'/>", Defect::DuplicateAttribute),
        ("<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>", Defect::DuplicateAttribute),
        ("<a b='1'c='2'/>", Defect::Malformed),
        ("<a b/>", Defect::Malformed),
        ("<a b=1/>", Defect::Malformed),
        ("<a b='<'/>", Defect::Malformed),
        ("<p:a/>", Defect::UndeclaredPrefix),
        ("<a p:b='1'/>", Defect::UndeclaredPrefix),
        ("<a><p:b xmlns:p='u'/><p:c/></a>", Defect::UndeclaredPrefix),
        ("<a xmlns:p=''/>", Defect::UndeclaredPrefix),
        ("<a:b:c xmlns:a='u'/>", Defect::Malformed),
        ("<:a/>", Defect::Malformed),
        ("<1a/>", Defect::Malformed),
        ("<a <b/>", Defect::Malformed),
        ("< a/>", Defect::Malformed),
        ("<>", Defect::Malformed),
        ("<a><?xml version='1.0'?></a>", Defect::Malformed),
        (" <?xml version='1.0'?><a/>", Defect::Malformed),
        ("<?xml?><a/>", Defect::Malformed),
        ("<?xml version='2.0'?><a/>", Defect::Malformed),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><a/>", Defect::WrongEncoding),
        ("<?XML version='1.0'?><a/>", Defect::Malformed),
        ("<a>\u{1}</a>", Defect::ForbiddenCharacter),
        ("<a>\0</a>", Defect::ForbiddenCharacter),
        ("<a>\u{ffff}</a>", Defect::ForbiddenCharacter),
    ] {
        assert_eq!(check(bad.as_bytes()), Err(defect), "{bad}");
    }
}

#[test]
fn other_encodings_are_refused() {
    let utf16: Vec<u8> = "\u{feff}<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(check(&utf16), Err(Defect::NotUtf8));
    assert_eq!(check(b"<a>\xe9</a>"), Err(Defect::NotUtf8));
    // Overlong encodings and surrogates are no UTF-8 either.
    assert_eq!(check(b"<a>\xc0\xbc</a>"), Err(Defect::NotUtf8));
    assert_eq!(check(b"<a>\xed\xa0\x80</a>"), Err(Defect::NotUtf8));
}

#[test]
fn every_bound_is_kept() {
    let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
    assert!(check(nested(C2SIM_DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(check(nested(C2SIM_DEPTH_MAX + 1).as_bytes()), Err(Defect::TooDeep));
    assert_eq!(check(nested(20_000).as_bytes()), Err(Defect::TooDeep));
    let many = |n: usize| format!("<a>{}</a>", "<b/>".repeat(n));
    assert!(check(many(C2SIM_ELEMENTS_MAX - 1).as_bytes()).is_ok());
    assert_eq!(check(many(C2SIM_ELEMENTS_MAX).as_bytes()), Err(Defect::TooManyElements));
    let named = |n: usize| format!("<{}/>", "n".repeat(n));
    assert!(check(named(C2SIM_NAME_BYTES_MAX).as_bytes()).is_ok());
    assert_eq!(check(named(C2SIM_NAME_BYTES_MAX + 1).as_bytes()), Err(Defect::NameTooLong));
    let dressed = |n: usize| {
        let attributes: String = (0..n).map(|n| format!(" a{n}=''")).collect();
        format!("<a{attributes}/>")
    };
    assert!(check(dressed(C2SIM_ATTRIBUTES_MAX).as_bytes()).is_ok());
    assert_eq!(check(dressed(C2SIM_ATTRIBUTES_MAX + 1).as_bytes()), Err(Defect::TooManyAttributes));
    let bound = |n: usize| {
        let open: String = (0..n).map(|n| format!("<a xmlns:p{n}='u' xmlns:q{n}='u'>")).collect();
        open + &"</a>".repeat(n)
    };
    assert!(check(bound(C2SIM_NAMESPACES_MAX / 2).as_bytes()).is_ok());
    assert_eq!(check(bound(C2SIM_NAMESPACES_MAX / 2 + 1).as_bytes()), Err(Defect::TooManyNamespaces));
}

#[test]
fn what_is_passed_over_is_read_as_if_it_were_not() {
    let long = format!("<a><b>{}</b></a>", "x".repeat(200));
    let deep = format!("<a>{}</a>", "<b>".repeat(C2SIM_DEPTH_MAX));
    let many = format!("<a><b>{}</b></a>", "<c></c>".repeat(C2SIM_ELEMENTS_MAX));
    let name = "n".repeat(C2SIM_NAME_BYTES_MAX + 1);
    let documents = [
        "<a><b><c>1</c>\n<d><e>2.5</e></d></b><f>x</f></a>",
        "<a><b><c>1</c>\n<d xmlns='u' e='1'><e>2.5</e></d><e/></b><f>x</f></a>",
        "<a><p:b xmlns:p='u'><c><p:d>1</p:d></c></p:b><b></b></a>",
        "<a><b>a&amp;b<!-- c --><![CDATA[<d>]]><?e?>]]</b></a>",
        "<a><b><c></c ><\u{e9}>\u{e9}</\u{e9}></b></a>",
        "<a><b><c>1</d></b></a>",
        "<a><b><c>1</c></b></c>",
        "<a><b><c>]]></c></b></a>",
        "<a><b><c>1",
        "<a><b><c",
        "<a><b></b></a><b>",
        "<a><b><9></9></b></a>",
        "<a><b></></b></a>",
        &long,
        &deep,
        &many,
        &format!("<a><{name}></{name}></a>"),
    ];
    for text in documents {
        for depth in 1..5 {
            let (mut all, mut outside) = (TokenReader::new(text), TokenReader::new(text));
            let last = loop {
                let wanted = loop {
                    let read = all.next();
                    if all.depth() < depth || read.is_err() {
                        break read;
                    }
                };
                let read = outside.next_outside(depth, usize::MAX);
                assert_eq!(format!("{read:?}"), format!("{wanted:?}"), "{depth}");
                assert_eq!((outside.range(), outside.depth()), (all.range(), all.depth()), "{read:?}");
                assert_eq!(outside.position().cost(), all.position().cost(), "{read:?}");
                if matches!(read, Err(_) | Ok(Token::EndOfDocument)) {
                    break format!("{read:?}");
                }
            };
            // However little of it is read at a time, it comes to the same.
            let mut pieces = TokenReader::new(text);
            let end = loop {
                let read = pieces.next_outside(depth, pieces.position().cost() + 1);
                if matches!(read, Err(_) | Ok(Token::EndOfDocument)) {
                    break format!("{read:?}");
                }
            };
            assert_eq!((end, pieces.range()), (last, all.range()), "{depth}");
        }
    }
}
