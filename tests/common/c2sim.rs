//! C2SIM documents for tests, made on the spot.

use instep::c2sim::kind::Schema;

/// A whole message around a body.
pub(crate) fn message(sender: &str, body: &str) -> String {
    let namespace = Schema::V2_0_0.namespace();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Message xmlns=\"{namespace}\"><C2SIMHeader>\
         <ConversationID>11111111-2222-4333-8444-555555555555</ConversationID>\
         <FromSendingSystem>{sender}</FromSendingSystem><MessageID>aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee</MessageID>\
         <Protocol>SISO-STD-C2SIM</Protocol><ProtocolVersion>1.0.2</ProtocolVersion></C2SIMHeader>\
         <MessageBody>{body}</MessageBody></Message>"
    )
}

/// A system message of that kind.
pub(crate) fn system(sender: &str, element: &str) -> String {
    message(sender, &format!("<SystemMessageBody><{element}/></SystemMessageBody>"))
}

/// An order or a report, padded with `bytes` of text.
pub(crate) fn domain(sender: &str, element: &str, bytes: usize) -> String {
    let text = "x".repeat(bytes);
    message(sender, &format!("<DomainMessageBody><{element}><Name>{text}</Name></{element}></DomainMessageBody>"))
}

/// An initialization that names these systems.
pub(crate) fn initialization(sender: &str, systems: &[&str]) -> String {
    let lists: String = systems
        .iter()
        .map(|system| {
            format!(
                "<SystemEntityList><ActorReference>00000000-0000-4000-8000-000000000001</ActorReference>\
                 <SystemName>{system}</SystemName></SystemEntityList>"
            )
        })
        .collect();
    let body = format!(
        "<C2SIMInitializationBody><ObjectDefinitions/><ScenarioSetting><Name>{sender}</Name></ScenarioSetting>{lists}</C2SIMInitializationBody>"
    );
    message(sender, &body)
}

/// SetSimulationRealtimeMultiple.
pub(crate) fn multiple(sender: &str, factor: &str) -> String {
    message(
        sender,
        &format!(
            "<SystemMessageBody><SetSimulationRealtimeMultiple><SimulationRealtimeMultiple>{factor}</SimulationRealtimeMultiple>\
             </SetSimulationRealtimeMultiple></SystemMessageBody>"
        ),
    )
}
