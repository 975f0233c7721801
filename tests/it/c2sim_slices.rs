//! Documents judged in slices: whatever the size of these, the same comes of it; and each does a bounded amount of work.

use std::sync::Arc;

use instep::c2sim::kind::Schema;
use instep::c2sim::scan::scan;
use instep::c2sim::schema::Rules;
use instep::limits::C2SIM_PIECE_BYTES;

use crate::common::c2sim::message;
use crate::fuzz::bodies::c2sim::{SCHEMA, check_slices};

fn report(content: &str) -> String {
    message(
        "A",
        &format!("<DomainMessageBody><ReportBody><FromSender>x</FromSender>{content}</ReportBody></DomainMessageBody>"),
    )
}

fn check(document: &str) {
    let rules = Arc::new(Rules::load(SCHEMA).unwrap());
    for cost in [1, 2, 33, 1000, 6000] {
        check_slices(document.as_bytes(), &rules, cost);
    }
}

#[test]
fn text_of_any_length_is_the_same_however_it_comes() {
    for piece in [C2SIM_PIECE_BYTES - 2, C2SIM_PIECE_BYTES - 1, C2SIM_PIECE_BYTES, 3 * C2SIM_PIECE_BYTES] {
        for end in ["]]&gt;", "]]>", "\r\n", "\r", "\n\r\n", "\u{e9}", "\u{20ac}\u{1f600}", "<!-- x -->", "&amp;", "]"]
        {
            let long = format!("<FromSender>{}{end}{}</FromSender>", "x".repeat(piece), "y".repeat(40));
            check(&message("A", &format!("<DomainMessageBody><ReportBody>{long}</ReportBody></DomainMessageBody>")));
            check(&report(&format!("<!--{}{end}{}-->", "c".repeat(piece), "c".repeat(C2SIM_PIECE_BYTES))));
            check(&report(&format!("<![CDATA[{}{end}{}]]>", " ".repeat(piece), " ".repeat(C2SIM_PIECE_BYTES))));
            check(&report(&format!("<?pi {}{end}{}?>", "p".repeat(piece), "p".repeat(C2SIM_PIECE_BYTES))));
        }
    }
}

#[test]
fn what_is_wrong_is_found_in_whatever_slice_it_lies() {
    let many = "<Report><Kind>LOSS</Kind></Report>".repeat(500);
    for wrong in
        ["\u{1}", "<a></b>", "<p:a/>", "&none;", "<Kind>WRONG</Kind>", "]]>", "<!-- -- -->", "<!DOCTYPE a>", ""]
    {
        check(&report(&format!("{many}{wrong}{many}")));
    }
    check(&format!("\u{feff}{}", report(&many)));
    check(&report(&many).replace("C2SIMHeader", "Header"));
    check(&format!("{} ", "<a/>".repeat(4000)));
    let rules = Arc::new(Rules::load(SCHEMA).unwrap());
    let mut bytes = report(&format!("{many}<FromSender>\u{20ac}</FromSender>")).into_bytes();
    let at = bytes.windows(3).position(|at| at == "\u{20ac}".as_bytes()).unwrap();
    bytes.remove(at + 2);
    for cost in [1, 5, 1000] {
        check_slices(&bytes, &rules, cost);
        check_slices(&bytes[..at + 1], &rules, cost);
    }
}

#[test]
fn many_prefixes_references_and_attributes_are_the_same_however_they_come() {
    let bound: String = (0..60).map(|n| format!(" xmlns:p{n}='urn:{n}'")).collect();
    let used: String = (0..600).map(|n| format!("<p{}:a p{}:b='1' c='&#65;'/>", n % 60, (n + 7) % 60)).collect();
    check(&report(&format!("<Kind{bound}>{used}</Kind>")));
    check(&message(
        "A",
        &format!(
            "<DomainMessageBody><ReportBody><FromSender>{}</FromSender></ReportBody></DomainMessageBody>",
            "&#65;".repeat(3000)
        ),
    ));
    let entities: String = (0..300)
        .map(|n| {
            format!(
                "<Entity><ActorEntity><Unit><UUID>00000000-0000-4000-8000-{n:012x}</UUID></Unit></ActorEntity></Entity>"
            )
        })
        .collect();
    let body = format!(
        "<C2SIMInitializationBody><ObjectDefinitions{bound}>{entities}</ObjectDefinitions><?x y?><ScenarioSetting/>\
         <SystemEntityList><SystemName> A&amp;B </SystemName></SystemEntityList></C2SIMInitializationBody>"
    );
    check(&message("A", &body));
    assert!(scan(message("A", &body).as_bytes()).is_ok_and(|found| found.schema == Some(Schema::V2_0_0)));
}
