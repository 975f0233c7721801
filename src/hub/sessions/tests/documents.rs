//! Documents that come into a session: which are taken, and what is said of the others.

use super::*;
use crate::c2sim::kind::Schema;
use crate::hub::sessions::said::Reading;

/// A report of system A, in the namespace of this schema.
fn report(schema: Schema, header: &str, body: &str) -> String {
    format!(
        "<Message xmlns=\"{}\"><C2SIMHeader><ConversationID>c</ConversationID><FromSendingSystem>A</FromSendingSystem>\
         <MessageID>m</MessageID><Protocol>p</Protocol><ProtocolVersion>v</ProtocolVersion>{header}</C2SIMHeader><MessageBody>\
         <DomainMessageBody><ReportBody>{body}</ReportBody></DomainMessageBody></MessageBody></Message>",
        schema.namespace()
    )
}

/// A schema that knows such reports, with one `Name` in them.
fn xsd(schema: Schema) -> String {
    let namespace = schema.namespace();
    let simple = ["ConversationID", "FromSendingSystem", "MessageID", "Protocol", "ProtocolVersion", "Name"]
        .map(|name| format!("<xs:element name=\"{name}\" type=\"xs:string\"/>"))
        .concat();
    let complex = [
        ("Message", "<xs:element ref=\"C2SIMHeader\"/><xs:element ref=\"MessageBody\"/>"),
        (
            "C2SIMHeader",
            "<xs:element ref=\"ConversationID\"/><xs:element ref=\"FromSendingSystem\"/><xs:element ref=\"MessageID\"/>\
             <xs:element ref=\"Protocol\"/><xs:element ref=\"ProtocolVersion\"/>",
        ),
        ("MessageBody", "<xs:element ref=\"DomainMessageBody\"/>"),
        ("DomainMessageBody", "<xs:element ref=\"ReportBody\"/>"),
        ("ReportBody", "<xs:element ref=\"Name\"/>"),
    ]
    .map(|(name, content)| {
        format!(
            "<xs:element name=\"{name}\" type=\"{name}T\"/><xs:complexType name=\"{name}T\"><xs:sequence>{content}\
             </xs:sequence></xs:complexType>"
        )
    })
    .concat();
    format!(
        "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns=\"{namespace}\" \
         targetNamespace=\"{namespace}\">{simple}{complex}</xs:schema>"
    )
}

impl Fixture {
    /// A running session, and what a document that is read in this way comes to there.
    fn take(&mut self, document: &str, reading: Reading<'_>) -> Answer {
        let key = self.sessions.named("default").unwrap();
        self.sessions.table.get_mut(key).unwrap().flow.state = State::Running;
        let author = Author { by: "somebody".into(), system: "A".into(), doer: Doer::default() };
        let Self { lent, sessions } = self;
        let bytes = document.as_bytes();
        match sessions.take_document(&mut lent.peers, &lent.names, key, &author, bytes, reading) {
            Said::Now(mut aftermath) => {
                aftermath.spell_out();
                aftermath.answer
            }
            said @ (Said::Later(_) | Said::Busy(_)) => panic!("{said:?}"),
        }
    }
}

/// The first thing that a refusal says is wrong with a document.
fn first_error(answer: &Answer) -> &str {
    answer.as_ref().err().and_then(|(_, data)| data["details"]["XSD_ERROR_1"].as_str()).unwrap_or_default()
}

#[test]
fn another_namespace_is_named_with_our_own_and_with_what_helps() {
    for with_rules in [false, true] {
        let mut at = Fixture::new();
        if with_rules {
            at.sessions.load_schema(&xsd(Schema::V2_0_0)).unwrap();
        }
        let refused = at.take(&report(Schema::V1_0_2, "", "<Name>x</Name>"), Reading::default());
        assert_eq!(code(&refused), "XSD_VALIDATION_ERROR");
        assert_eq!(
            first_error(&refused),
            format!(
                "Line 1: the namespace is '{}', that of the session's schema 2.0.0 is '{}'; a session made with schema \
                 1.0.2 takes the document",
                Schema::V1_0_2.namespace(),
                Schema::V2_0_0.namespace()
            )
        );
        let strange = report(Schema::V1_0_2, "", "").replace(Schema::V1_0_2.namespace(), "urn:other");
        for any_namespace in [false, true] {
            let refused = at.take(&strange, Reading { any_namespace, ..Reading::default() });
            let said = first_error(&refused);
            assert!(
                said.contains("'urn:other'") && said.ends_with("no session has a schema with the document's"),
                "{said}"
            );
        }
    }
}

#[test]
fn a_document_of_either_namespace_is_taken_where_that_is_wanted_and_judged_by_its_own_schema_only() {
    let mut at = Fixture::new();
    at.sessions.load_schema(&xsd(Schema::V2_0_0)).unwrap();
    let either = Reading { any_namespace: true, ..Reading::default() };
    let wrong = |schema| report(schema, "", "<Wrong/>");
    assert!(at.take(&wrong(Schema::V1_0_2), either).is_ok(), "its content is not the schema's business");
    assert_eq!(code(&at.take(&wrong(Schema::V2_0_0), either)), "XSD_VALIDATION_ERROR");
    assert!(at.take(&report(Schema::V2_0_0, "", "<Name>x</Name>"), either).is_ok());
}

#[test]
fn of_a_document_the_body_alone_is_judged_where_that_is_wanted() {
    let mut at = Fixture::new();
    at.sessions.load_schema(&xsd(Schema::V2_0_0)).unwrap();
    let body_only = Reading { body_only: true, ..Reading::default() };
    let odd_header = report(Schema::V2_0_0, "<Odd>x</Odd>", "<Name>x</Name>");
    assert!(first_error(&at.take(&odd_header, Reading::default())).contains("'Odd'"));
    assert!(at.take(&odd_header, body_only).is_ok());
    let odd_body = report(Schema::V2_0_0, "<Odd>x</Odd>", "<Wrong/>");
    let refused = at.take(&odd_body, body_only);
    assert!(first_error(&refused).contains("'Wrong'"), "{refused:?}");
    assert!(refused.as_ref().is_err_and(|(_, data)| data["details"].as_object().unwrap().len() == 1), "{refused:?}");
    let headless = odd_body.replace("C2SIMHeader", "Header");
    assert_eq!(code(&at.take(&headless, body_only)), "C2SIM_INVALID_HEADER", "what is no message is still none");
}
