//! Who may hand in which kind of document, where users are asked who they are.

use crate::auth::{Action, Target, UserId};
use crate::c2sim::kind::{Category, Kind};
use crate::hub::call::Refused;
use crate::hub::peers::Peers;

/// What a document of this kind does, and which kind it is in the words of users.
fn action_of(kind: Kind) -> (Action, &'static str) {
    let is_said_of_oneself = matches!(
        kind,
        Kind::InitializationComplete
            | Kind::PlaybackRealtimeMultipleReport
            | Kind::PlaybackStatusReport
            | Kind::RecordingStatusReport
            | Kind::SimulationRealtimeMultipleReport
    );
    match (kind, kind.category()) {
        (Kind::Order, _) => (Action::Document, "orders"),
        (Kind::Report, _) => (Action::Document, "reports"),
        (_, Category::C2simInitialization | Category::ObjectInitialization) => (Action::Document, "initialization"),
        // What commands the simulation is as good as a trigger, if it is none.
        (_, Category::SystemMessage) if !is_said_of_oneself => (Action::Trigger, ""),
        (
            _,
            Category::SystemMessage | Category::DomainMessage | Category::SystemAcknowledgement | Category::Unknown,
        ) => (Action::Document, "other"),
    }
}

/// Whether a user may hand a document of this kind in to a session.
pub(super) fn is_permitted(peers: &mut Peers, user: Option<UserId>, session: &str, kind: Kind) -> Result<(), Refused> {
    if peers.users.is_off() {
        return Ok(());
    }
    let (action, word) = action_of(kind);
    let is_document = action == Action::Document;
    let target = if is_document { Target::Document { session, kind: word } } else { Target::Session(session) };
    match peers.users.lacks(user, action, target) {
        None => Ok(()),
        Some(needs) => Err(peers.forbid_user(user, None, &format!("send {}", kind.name()), needs, target)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_the_words_of_users_and_commands_are_triggers() {
        for (kind, expected) in [
            (Kind::Order, (Action::Document, "orders")),
            (Kind::Report, (Action::Document, "reports")),
            (Kind::ObjectInitialization, (Action::Document, "initialization")),
            (Kind::C2simInitialization, (Action::Document, "initialization")),
            (Kind::OtherDomain, (Action::Document, "other")),
            (Kind::InitializationComplete, (Action::Document, "other")),
            (Kind::PlaybackStatusReport, (Action::Document, "other")),
            (Kind::StartScenario, (Action::Trigger, "")),
            (Kind::MagicMove, (Action::Trigger, "")),
            (Kind::CheckpointRestore, (Action::Trigger, "")),
        ] {
            assert_eq!(action_of(kind), expected, "{kind:?}");
        }
    }
}
