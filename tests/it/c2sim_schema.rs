//! Content checked against schemas: what is understood of them, what is refused when loading, and what is said about documents.

use std::fmt::Write as _;

use instep::c2sim::code::Code;
use instep::c2sim::defect::Defect;
use instep::c2sim::invalid::InvalidDocument;
use instep::c2sim::kind::{Kind, Schema};
use instep::c2sim::scan::{scan, scan_with};
use instep::c2sim::schema::Rules;
use instep::limits::{C2SIM_SCHEMA_BYTES_MAX, C2SIM_VIOLATIONS_MAX};

/// A schema around declarations, in the namespace of sessions.
fn xsd(declarations: &str) -> String {
    let namespace = Schema::V2_0_0.namespace();
    format!(
        "<?xml version=\"1.0\"?>\n<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns=\"{namespace}\" \
         targetNamespace=\"{namespace}\" elementFormDefault=\"qualified\">\n{declarations}\n</xs:schema>"
    )
}

/// A little C2SIM: the frame, a header, one report of values.
fn small(report: &str, more: &str) -> String {
    let mut declarations = String::new();
    for (name, content) in [
        ("Message", "<xs:element ref='C2SIMHeader'/><xs:element ref='MessageBody'/>"),
        (
            "C2SIMHeader",
            "<xs:element ref='ConversationID'/><xs:element ref='FromSendingSystem'/><xs:element ref='MessageID'/>\
             <xs:element ref='Protocol'/><xs:element ref='ProtocolVersion'/>",
        ),
        ("MessageBody", "<xs:element ref='DomainMessageBody'/>"),
        ("DomainMessageBody", "<xs:element ref='ReportBody'/>"),
    ] {
        declarations += &format!("<xs:element name='{name}' type='{name}Type'/><xs:complexType name='{name}Type'>");
        declarations += &format!("<xs:sequence>{content}</xs:sequence></xs:complexType>\n");
    }
    for name in ["ConversationID", "FromSendingSystem", "MessageID", "Protocol", "ProtocolVersion"] {
        declarations += &format!("<xs:element name='{name}' type='xs:string'/>");
    }
    declarations += "<xs:element name='ReportBody' type='ReportType'/>";
    xsd(&format!("{declarations}\n<xs:complexType name='ReportType'>{report}</xs:complexType>{more}"))
}

fn document(report: &str) -> String {
    format!(
        "<Message xmlns=\"{}\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xs=\"http://www.w3.org/2001/XMLSchema\"><C2SIMHeader><ConversationID/>\
         <FromSendingSystem>A</FromSendingSystem><MessageID/><Protocol/><ProtocolVersion/></C2SIMHeader><MessageBody>\
         <DomainMessageBody>\n<ReportBody{report}</ReportBody>\n</DomainMessageBody></MessageBody></Message>",
        Schema::V2_0_0.namespace()
    )
}

/// The violations of a report's content (with the rest of its start tag in front).
fn violations(rules: &Rules, report: &str) -> Vec<String> {
    match scan_with(document(report).as_bytes(), Some(rules)) {
        Ok(message) => {
            assert_eq!(message.kind, Kind::Report);
            Vec::new()
        }
        Err(refused) => {
            assert_eq!(refused.code(), Code::XsdValidationError, "{refused}");
            let mut lines = Vec::new();
            refused.write(|key, line| {
                assert_eq!(key, format!("XSD_ERROR_{}", lines.len() + 1));
                assert!(refused.code().detail_keys().contains(&key));
                lines.push(line.to_string());
            });
            assert!(!lines.is_empty());
            lines
        }
    }
}

/// Elements `a`, `b`, `c` that hold nothing.
const LETTERS: &str = "<xs:complexType name='None'/><xs:element name='a' type='None'/><xs:element name='b' type='None'/>\
                       <xs:element name='c' type='None'/>";

#[test]
fn a_sequence_says_what_comes_and_what_is_missing() {
    let model = "<xs:sequence><xs:element ref='a'/><xs:element ref='b' minOccurs='0' maxOccurs='2'/><xs:group ref='G'/></xs:sequence>";
    let group = "<xs:group name='G'><xs:choice><xs:element ref='c' maxOccurs='unbounded'/><xs:sequence minOccurs='0'>\
                 <xs:element ref='a'/><xs:element ref='b'/></xs:sequence></xs:choice></xs:group>";
    let rules = Rules::load(&small(model, &format!("{LETTERS}{group}"))).unwrap();
    assert_eq!((rules.namespace(), rules.schema()), (Schema::V2_0_0.namespace(), Some(Schema::V2_0_0)));
    for yes in
        ["><a/>", "><a/><b/><b/><c/><c/><c/>", ">\n<a></a><!-- x --><a/>\n<b/>", " xsi:schemaLocation='a b'><a/>"]
    {
        assert_eq!(violations(&rules, yes), [""; 0], "{yes}");
    }
    assert_eq!(violations(&rules, "><b/>"), ["Line 2: element 'b' has no place here in ReportBody; expected a"]);
    assert_eq!(
        violations(&rules, ">\n<a/><b/><b/><b/>"),
        ["Line 3: element 'b' has no place here in ReportBody; expected a, c"]
    );
    assert_eq!(violations(&rules, "><a/><a/>"), ["Line 2: ReportBody is not complete; expected b"]);
    assert_eq!(violations(&rules, "><a/><c/><x y='1'><z/></x>").len(), 1);
    assert_eq!(violations(&rules, ">word<![CDATA[s]]><a/>"), ["Line 2: ReportBody may not hold text"]);
    assert_eq!(violations(&rules, "><a> </a>"), ["Line 2: a may not hold text"]);
    assert_eq!(violations(&rules, "><a/><q:b xmlns:q='urn:other'/>").len(), 1);
    assert_eq!(violations(&rules, " xml:lang='en'><a/>"), ["Line 2: attribute 'xml:lang' is not allowed"]);
    assert_eq!(violations(&rules, "><a><b/></a>"), ["Line 2: a may not hold the element 'b'"]);
}

#[test]
fn values_are_held_against_every_restriction_on_the_way() {
    let types = "<xs:simpleType name='Code'><xs:restriction base='xs:string'><xs:enumeration value='ON'/><xs:enumeration value='O&lt;F'/>\
                 </xs:restriction></xs:simpleType>\
                 <xs:simpleType name='Angle'><xs:annotation><xs:documentation>any <b xmlns='urn:x'>text</b></xs:documentation></xs:annotation>\
                 <xs:restriction base='xs:double'><xs:minInclusive value='-90.0'/><xs:maxInclusive value='90.0'/></xs:restriction></xs:simpleType>\
                 <xs:simpleType name='Up'><xs:restriction base='Angle'><xs:minExclusive value='0'/></xs:restriction></xs:simpleType>\
                 <xs:simpleType name='Id'><xs:restriction base='xs:string'><xs:pattern value='[0-9a-f]{2}\\-x?'/></xs:restriction></xs:simpleType>\
                 <xs:element name='code' type='Code'/><xs:element name='up' type='Up'/><xs:element name='angle' type='Angle'/>\
                 <xs:element name='id' type='Id'/><xs:element name='flag' type='xs:boolean'/>";
    let model = "<xs:choice><xs:element ref='code'/><xs:element ref='up'/><xs:element ref='angle'/><xs:element ref='id'/><xs:element ref='flag'/></xs:choice>";
    let rules = Rules::load(&small(model, types)).unwrap();
    for yes in [
        "<code>ON</code>",
        "<code>O&lt;F</code>",
        "<code><![CDATA[O<F]]></code>",
        "<code>O<!-- -->N</code>",
        "<up> 1e1\r\n</up>",
        "<angle>-90</angle>",
        "<id>0f-x</id>",
        "<flag> true </flag>",
        "<angle xsi:type='Up'>1</angle>",
        "<up xsi:type=' Up '>1</up>",
    ] {
        assert_eq!(violations(&rules, &format!(">{yes}")), [""; 0], "{yes}");
    }
    for (no, text) in [
        ("<code>OFF</code>", "code: 'OFF' is not in the code list"),
        ("<code> ON</code>", "code: ' ON' is not in the code list"),
        ("<up>0</up>", "up: '0' is not above 0"),
        ("<up>91</up>", "up: '91' is above 90.0"),
        ("<angle>NaN</angle>", "angle: 'NaN' is below -90.0"),
        ("<angle>north</angle>", "angle: 'north' is no double"),
        ("<id>0f-xx</id>", "id: '0f-xx' does not match the pattern '[0-9a-f]{2}\\-x?'"),
        ("<flag>yes</flag>", "flag: 'yes' is no boolean"),
        ("<flag xsi:nil='false'>1</flag>", "'flag' is not nillable"),
        ("<flag unit='m'>1</flag>", "attribute 'unit' is not allowed"),
        ("<angle xsi:type='Up'>-1</angle>", "angle: '-1' is not above 0"),
        ("<up xsi:type='Angle'>1</up>", "xsi:type 'Angle' does not fit here"),
        ("<up xsi:type='xs:double'>1</up>", "xsi:type 'xs:double' does not fit here"),
        ("<up xsi:type='Nothing'>1</up>", "xsi:type 'Nothing' does not fit here"),
    ] {
        assert_eq!(violations(&rules, &format!(">{no}")), [format!("Line 2: {text}")], "{no}");
    }
}

#[test]
fn a_document_that_is_no_message_is_refused_for_that_first() {
    let rules = Rules::load(&small("<xs:sequence><xs:element ref='a'/></xs:sequence>", LETTERS)).unwrap();
    let wrong = document("><b/>");
    let cut = &wrong.as_bytes()[..wrong.len() - 2];
    match scan_with(cut, Some(&rules)) {
        Err(InvalidDocument::Rejected(reject)) => assert_eq!(reject.code(), Code::XsdValidationFailure),
        other => panic!("{other:?}"),
    }
    assert!(scan(wrong.as_bytes()).is_ok() && scan_with(wrong.as_bytes(), None).is_ok());
    let other = wrong.replace(Schema::V2_0_0.namespace(), "urn:other");
    let refused = scan_with(other.as_bytes(), Some(&rules)).unwrap_err();
    assert_eq!(refused.to_string(), "Line 1: the schema has no root element 'Message'");
    let refused = scan_with(b"<Message", Some(&rules)).unwrap_err();
    assert!(matches!(&refused, InvalidDocument::Rejected(reject) if reject.defect == Defect::Malformed));
}

#[test]
fn violations_are_listed_up_to_a_bound_and_shortened() {
    let model = "<xs:sequence><xs:element ref='n' maxOccurs='unbounded'/></xs:sequence>";
    let rules = Rules::load(&small(model, "<xs:element name='n' type='xs:byte'/>")).unwrap();
    let lines = violations(&rules, &format!(">{}", "\n<n>200</n>".repeat(1000)));
    assert_eq!(lines.len(), C2SIM_VIOLATIONS_MAX);
    assert_eq!(lines.last().unwrap(), "Line 22: n: '200' is no byte");
    let long = violations(&rules, &format!("><n>{}</n>", "\u{e9}".repeat(100_000)));
    assert!(long[0].len() < 300);
    let name = violations(&rules, &format!("><{0}/>", "x".repeat(200)));
    assert!(name[0].len() < 300);
}

#[test]
fn schemas_outside_the_subset_are_refused_with_their_line() {
    for (declaration, text) in [
        ("<xs:import/>", "import in schema is outside the supported part of XML Schema"),
        (
            "<xs:element name='x' type='xs:string' nillable='true'/>",
            "attribute nillable of element is outside the supported part of XML Schema",
        ),
        ("<xs:element name='x' type='xs:dateTime'/>", "there is no type dateTime"),
        ("<xs:element name='x' type='Missing'/>", "there is no type Missing"),
        ("<xs:element name='x'/>", "element refers to nothing"),
        ("<xs:element type='xs:string'/>", "element has no name"),
        (
            "<xs:complexType name='T'><xs:all/></xs:complexType>",
            "all in complexType is outside the supported part of XML Schema",
        ),
        (
            "<xs:complexType name='T' mixed='true'/>",
            "attribute mixed of complexType is outside the supported part of XML Schema",
        ),
        (
            "<xs:complexType name='T'><xs:sequence><xs:any/></xs:sequence></xs:complexType>",
            "any in sequence is outside the supported part of XML Schema",
        ),
        ("<xs:complexType name='T'><xs:sequence/><xs:choice/></xs:complexType>", "complexType has more than one part"),
        (
            "<xs:complexType name='T'><xs:sequence><xs:element ref='x'/></xs:sequence></xs:complexType>",
            "there is no element x",
        ),
        ("<xs:complexType name='T'><xs:group ref='G'/></xs:complexType>", "there is no group G"),
        (
            "<xs:complexType name='T'><xs:sequence minOccurs='2'/></xs:complexType><xs:simpleType name='T'/>",
            "T is declared twice",
        ),
        ("<xs:complexType name='T'><xs:choice minOccurs='2'/></xs:complexType>", "maxOccurs is below minOccurs"),
        ("<xs:complexType name='T'><xs:choice minOccurs='-1'/></xs:complexType>", "minOccurs is no number in range"),
        (
            "<xs:simpleType name='T'><xs:restriction base='T'/></xs:simpleType>",
            "restrictions are too deep, or of themselves",
        ),
        (
            "<xs:simpleType name='T'><xs:union/></xs:simpleType>",
            "union in simpleType is outside the supported part of XML Schema",
        ),
        (
            "<xs:simpleType name='T'><xs:restriction base='xs:string'><xs:maxLength value='1'/></xs:restriction></xs:simpleType>",
            "maxLength in restriction is outside the supported part of XML Schema",
        ),
        (
            "<xs:simpleType name='T'><xs:restriction base='xs:string'><xs:pattern value='\\d'/></xs:restriction></xs:simpleType>",
            "the pattern has an escape outside the supported ones",
        ),
        (
            "<xs:simpleType name='T'><xs:restriction base='xs:string'><xs:minInclusive value='1'/></xs:restriction></xs:simpleType>",
            "minInclusive is no bound for the type",
        ),
        (
            "<xs:simpleType name='T'><xs:restriction base='xs:byte'><xs:enumeration value='1'/></xs:restriction></xs:simpleType>",
            "a code list of other things than strings is outside the supported part",
        ),
        ("text", "text has no place here"),
        ("<other/>", "other is no element of XML Schema"),
    ] {
        let error = Rules::load(&xsd(declaration)).unwrap_err();
        assert_eq!(
            (error.text.as_str(), error.line),
            (text, if text.starts_with("text") { 2 } else { 3 }),
            "{declaration}"
        );
    }
    for text in ["", "<a/>", "<!DOCTYPE a><a/>", "\u{1}", "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'/>"] {
        assert!(Rules::load(text).is_err(), "{text}");
    }
    assert_eq!(Rules::load(&" ".repeat(C2SIM_SCHEMA_BYTES_MAX + 1)).unwrap_err().text, "the schema is too large");
}

#[test]
fn hostile_schemas_are_refused_within_bounds() {
    let model = |model: &str| Rules::load(&xsd(&format!("{LETTERS}<xs:complexType name='T'>{model}</xs:complexType>")));
    // A group in itself, and groups that grow eightfold fourteen times over.
    let own = "<xs:group name='G'><xs:sequence><xs:group ref='G'/></xs:sequence></xs:group><xs:complexType name='T'><xs:group ref='G'/></xs:complexType>";
    assert!(Rules::load(&xsd(own)).unwrap_err().text.contains("inside themselves"));
    let mut doubling = String::from(
        "<xs:group name='G0'><xs:sequence/></xs:group><xs:complexType name='T'><xs:group ref='G14'/></xs:complexType>",
    );
    for n in 0..14 {
        let inner = format!("<xs:group ref='G{n}'/>").repeat(8);
        write!(doubling, "<xs:group name='G{}'><xs:sequence>{inner}</xs:sequence></xs:group>", n + 1).unwrap();
    }
    assert_eq!(Rules::load(&xsd(&doubling)).unwrap_err().text, "the schema is too involved");
    for occurs in ["maxOccurs='4000000000'", "minOccurs='100000' maxOccurs='unbounded'", "maxOccurs='99999'"] {
        let error = model(&format!("<xs:sequence><xs:element ref='a' {occurs}/></xs:sequence>")).unwrap_err();
        assert_eq!(error.text, "the content model is too involved");
    }
    assert!(model("<xs:sequence><xs:element ref='a' maxOccurs='99999999999'/></xs:sequence>").is_err());
    let deep = format!("{}{}", "<xs:sequence>".repeat(60), "</xs:sequence>".repeat(60));
    assert!(model(&deep).is_err());
    let star = "<xs:choice minOccurs='0' maxOccurs='unbounded'><xs:element ref='a'/><xs:element ref='b'/></xs:choice>";
    let either = "<xs:choice minOccurs='20' maxOccurs='20'><xs:element ref='a'/><xs:element ref='b'/></xs:choice>";
    assert!(model(&format!("<xs:sequence>{star}<xs:element ref='a'/>{either}</xs:sequence>")).is_err());
}

#[test]
fn an_ambiguous_model_is_followed_as_the_language_it_describes() {
    let model = "<xs:sequence><xs:element ref='a' minOccurs='0' maxOccurs='unbounded'/><xs:choice><xs:element ref='a'/>\
                 <xs:sequence><xs:element ref='a'/><xs:element ref='b'/></xs:sequence></xs:choice></xs:sequence>";
    let rules = Rules::load(&small(model, LETTERS)).unwrap();
    for (content, valid) in
        [("<a/>", true), ("<a/><a/><a/><b/>", true), ("<b/>", false), ("", false), ("<a/><b/><b/>", false)]
    {
        assert_eq!(violations(&rules, &format!(">{content}")).is_empty(), valid, "{content}");
    }
}

#[test]
fn a_document_as_deep_as_allowed_is_checked_to_its_depth() {
    let model = "<xs:sequence><xs:element ref='ReportBody' minOccurs='0'/></xs:sequence>";
    let rules = Rules::load(&small(model, "")).unwrap();
    let nested = |inner: &str| format!(">{}{inner}{}", "<ReportBody>".repeat(50), "</ReportBody>".repeat(50));
    assert_eq!(violations(&rules, &nested("")), [""; 0]);
    assert_eq!(violations(&rules, &nested("x")), ["Line 2: ReportBody may not hold text"]);
}
