//! Whether somebody may call a method, said before anybody calls it.

use crate::auth::{Action, Key, Target, User, UserRule, Users, may, why};

use super::methods::{At, Method};

/// Whether a user of the node `namespace` may do something, and the line that decides. The user is named by his name or by a public key; what is
/// to be done by the name of a method, by `send`, `publish` or `subscribe`, or by a kind of document; with what, by a name, a namespace or a session.
///
/// # Errors
/// What is not known, in words.
pub fn judge(users: &Users, namespace: &str, [who, what, target]: [&str; 3]) -> Result<(bool, String), String> {
    let user = find(users, who)?;
    let action = action_of(what).ok_or_else(|| {
        format!("there is no action '{what}': a method, send, publish, subscribe, {}", UserRule::KINDS.join(", "))
    })?;
    let full_name = if target.contains('.') { target.to_owned() } else { format!("{namespace}.{target}") };
    let target = match action {
        None => {
            return Ok((true, format!("{}: {what} is nobody's right", user.name)));
        }
        Some(_) if target.is_empty() => Target::Nothing,
        Some(Action::SignIn | Action::Send) => Target::Name(full_name.as_bytes()),
        Some(Action::BeNode) => Target::Namespace(target.as_bytes()),
        Some(Action::Document) => Target::Document { session: target, kind: what },
        Some(Action::Publish | Action::Subscribe) => Target::Topic(target.as_bytes()),
        Some(Action::Look | Action::Join | Action::Trigger | Action::MakeSession) => Target::Session(target),
        Some(Action::Control | Action::Administer) => Target::Nothing,
    };
    let action = action.unwrap_or(Action::Look);
    Ok((may(user, action, target), format!("{}: {}", user.name, why(user, action, target))))
}

fn find<'u>(users: &'u Users, who: &str) -> Result<&'u User, String> {
    if let Some((_, user)) = users.named(who) {
        return Ok(user);
    }
    let key = Key::parse(who).and_then(|key| users.by_key(&key.0));
    let user = key.and_then(|login| users.get(login.user));
    user.ok_or_else(|| format!("there is no user '{who}', and none with that key"))
}

/// What somebody must be permitted to do what is called so; nothing, for what anybody may.
fn action_of(what: &str) -> Option<Option<Action>> {
    if what == "send" {
        return Some(Some(Action::Send));
    }
    if let Some(action) = [("publish", Action::Publish), ("subscribe", Action::Subscribe)]
        .into_iter()
        .find_map(|(word, action)| (word == what).then_some(action))
    {
        return Some(Some(action));
    }
    if UserRule::KINDS.contains(&what) {
        return Some(Some(Action::Document));
    }
    let method = Method::find(At::Coordinator, what).or_else(|| Method::find(At::Session, what))?;
    Some(method.right.action())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Access, Role};

    #[test]
    fn the_answer_names_the_line_that_decides() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let rules = [
            UserRule { names: words(&["laser*"]), ..UserRule::of("laser", Role::Component) },
            UserRule { sessions: words(&["drill*"]), ..UserRule::of("chief", Role::Controller) },
        ];
        let users = Users::judge(Access::Remote, false, "N1", &rules, None).unwrap();
        let said = |words: [&str; 3]| judge(&users, "N1", words);
        let yes = |line: &str| Ok((true, line.to_owned()));
        let no = |line: &str| Ok((false, line.to_owned()));
        assert_eq!(said(["laser", "sign_in", "laser_2"]), yes("laser: role = component may that, names has N1.laser*"));
        assert_eq!(said(["laser", "sign_in", "boss"]), no("laser: names = N1.laser* has no N1.boss"));
        assert_eq!(said(["laser", "shut_down", ""]), no("laser: role = component, and it needs admin"));
        assert_eq!(
            said(["chief", "start_scenario", "drill7"]),
            yes("chief: role = controller may that, sessions has drill*")
        );
        assert_eq!(said(["chief", "start_scenario", "war"]), no("chief: sessions = drill* has no war"));
        assert_eq!(
            said(["chief", "orders", "drill"]),
            yes("chief: role = controller may that, sessions has drill*, send has *")
        );
        assert_eq!(said(["local", "shut_down", ""]), yes("local: role = admin may everything"));
        assert_eq!(said(["laser", "pong", ""]), yes("laser: pong is nobody's right"));
        assert!(said(["nobody", "pong", ""]).is_err() && said(["laser", "dance", ""]).is_err());
    }
}
