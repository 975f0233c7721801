//! Users as a whole: who is who, what rules do not hold, and the answer of [`may`] beside that of a slow twin.

use super::*;

const KEY: &str = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";

fn rule(name: &str, role: Role) -> UserRule {
    UserRule::of(name, role)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn judged(access: Access, rules: &[UserRule]) -> Users {
    Users::judge(access, false, "N1", rules, None).unwrap()
}

fn name_of(users: &Users, login: Option<Login>) -> &str {
    login.and_then(|login| users.get(login.user)).map_or("", |user| &*user.name)
}

#[test]
fn somebody_is_known_by_address_key_or_token() {
    let token = token_of(&[1; 32]);
    let rules = [
        UserRule { key: words(&[KEY]), token: vec![hash_of(&token)], ..rule("laser", Role::Component) },
        UserRule { address: words(&["192.168.7.0/24", "10.0.0.0/8"]), ..rule("wall", Role::Viewer) },
        UserRule { address: words(&["10.1.0.0/16", "::1"]), ..rule("lab", Role::Controller) },
    ];
    let address = |text: &str| text.parse().unwrap();
    for (access, near) in [(Access::Remote, "local"), (Access::All, "")] {
        let users = judged(access, &rules);
        for (text, name) in [
            ("127.0.0.1", near),
            ("::ffff:127.0.0.1", near),
            ("::1", "lab"),
            ("192.168.7.9", "wall"),
            ("::ffff:192.168.7.9", "wall"),
            ("192.168.8.9", ""),
            ("10.1.2.3", "lab"),
            ("10.2.2.3", "wall"),
        ] {
            assert_eq!(name_of(&users, users.by_address(address(text))), name, "{text}");
        }
        assert_eq!(name_of(&users, users.by_key(&Key::parse(KEY).unwrap().0)), "laser");
        assert_eq!(users.by_key(&[0; 32]), None);
        for (name, found) in [(None, "laser"), (Some("laser"), "laser"), (Some("?"), "laser"), (Some("wall"), "")] {
            assert_eq!(name_of(&users, users.by_token(name, &token)), found, "{name:?}");
        }
        assert_eq!(users.by_token(None, &token_of(&[2; 32])), None);
        let takes = |text, is_private| users.takes_tokens_from(Origin { address: address(text), is_private });
        assert!(takes("127.0.0.1", false) && takes("10.0.0.1", true) && !takes("10.0.0.1", false));
    }
    let off = judged(Access::Off, &rules);
    assert_eq!(off.by_address(address("203.0.113.1")).map(|login| login.user), Some(Users::LOCAL));
}

#[test]
fn rules_that_do_not_hold_are_told_by_name() {
    let token = hash_of("x");
    let said = |rules: &[UserRule]| Users::judge(Access::All, false, "N1", rules, None).unwrap_err().to_string();
    let plain = |name| rule(name, Role::Component);
    let keyed = |name| UserRule { key: words(&[KEY]), ..plain(name) };
    let tokened = |name| UserRule { token: vec![token.clone()], ..plain(name) };
    let placed = |name| UserRule { address: words(&["10.0.0.0/8"]), ..plain(name) };
    assert_eq!(said(&[plain("a"), plain("a")]), "a: two users have this name");
    assert_eq!(
        said(&[keyed("a"), keyed("b")]),
        format!("b: key {KEY}: a has it too: make one of them another pair (instep key new)")
    );
    assert_eq!(
        said(&[tokened("a"), tokened("b")]),
        "b: token: a has it too: make one of them another (instep token new)"
    );
    assert_eq!(said(&[placed("a"), placed("b")]), "b: address 10.0.0.0/8: a has it too: let one of them have it");
    assert_eq!(
        said(&[UserRule { names: words(&["a*b"]), ..plain("a") }]),
        "a: names: 'a*b': a star stands only at the end"
    );
    assert!(said(&[UserRule { key: words(&["x"]), ..plain("a") }]).contains("'x' is no public key"));
    assert!(said(&[UserRule { send: words(&["plans"]), ..plain("a") }]).contains("there is no kind 'plans'"));
    assert!(said(&[keyed("local")]).contains("local is whoever comes over loopback"));
    // What is secret is not repeated.
    let secret = token_of(&[3; 32]);
    let wrong = said(&[UserRule { token: vec![secret.clone()], ..plain("a") }]);
    assert!(wrong.contains("is a token itself") && !wrong.contains(&secret), "{wrong}");
    assert!(said(&[plain("")]).starts_with("a user: a name has") && said(&[plain("?")]).starts_with("?: the name ?"));
}

#[test]
fn users_keep_their_numbers_and_are_gone_with_their_rule_or_their_credential() {
    let token = token_of(&[1; 32]);
    let a = || UserRule { token: vec![hash_of(&token)], ..rule("a", Role::Viewer) };
    let b = || UserRule { key: words(&[KEY]), ..rule("b", Role::Component) };
    let first = judged(Access::All, &[a(), b()]);
    let [by_token, by_key] =
        [first.by_token(None, &token).unwrap(), first.by_key(&Key::parse(KEY).unwrap().0).unwrap()];
    let origin = Origin { address: "10.0.0.1".parse().unwrap(), is_private: true };
    let next = |rules: &[UserRule]| Users::judge(Access::All, false, "N1", rules, Some(&first)).unwrap();
    let swapped = next(&[b(), UserRule { role: Role::Admin, ..a() }]);
    assert_eq!([by_token, by_key].map(|login| swapped.again(login, origin, 0.0)), [Some(by_token), Some(by_key)]);
    assert_eq!(swapped.get(by_token.user).map(|user| user.role), Some(Role::Admin));
    assert_eq!(
        swapped.again(by_token, Origin::open(origin.address), 0.0),
        None,
        "nobody may read it on its way any more"
    );
    let less = next(&[b(), rule("a", Role::Viewer)]);
    assert_eq!([by_token, by_key].map(|login| less.again(login, origin, 0.0)), [None, Some(by_key)]);
    let none = next(&[]);
    assert!(none.get(by_key.user).is_none() && none.again(by_key, origin, 0.0).is_none());
    let again = Users::judge(Access::All, false, "N1", &[a(), b()], Some(&none)).unwrap();
    assert_eq!(again.by_token(None, &token), Some(by_token));
}

// ---- The twin ----

/// SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn one_of<'a, T: ?Sized>(state: &mut u64, all: &[&'a T]) -> &'a T {
    all[usize::try_from(random(state)).unwrap() % all.len()]
}

fn some_of(state: &mut u64, all: &[&str]) -> Vec<String> {
    let mut chosen: Vec<String> = (0..random(state) % 3).map(|_| one_of(state, all).to_owned()).collect();
    chosen.dedup();
    chosen
}

/// Whether a list of the file has a name, letter by letter.
fn has(list: &[String], default: &[String], full: bool, name: &str) -> bool {
    let list = if list.is_empty() { default } else { list };
    list.iter().any(|word| {
        let word = if full && !word.contains('.') && word != "*" { format!("N1.{word}") } else { word.clone() };
        let (mut letters, mut named) = (word.chars(), name.chars());
        loop {
            match (letters.next(), named.next()) {
                (Some('*'), _) | (None, None) => return true,
                (a, b) if a == b => {}
                _ => return false,
            }
        }
    })
}

/// The rules as they are written for people: role by role, then list by list.
fn twin(rule: &UserRule, action: Action, target: Target<'_>) -> bool {
    let roles: &[&str] = match action {
        Action::Look | Action::Subscribe => &["viewer", "component", "controller", "node", "admin"],
        Action::SignIn | Action::Send | Action::Publish => &["component", "controller", "admin"],
        Action::Join | Action::Document => &["component", "controller", "node", "admin"],
        Action::Trigger | Action::Control | Action::MakeSession => &["controller", "admin"],
        Action::BeNode => &["node", "admin"],
        Action::Administer => &["admin"],
    };
    if rule.role.word() == "admin" {
        return true;
    }
    if !roles.contains(&rule.role.word()) {
        return false;
    }
    let (own, all) = ([rule.name.clone()], words(&["*"]));
    match target {
        Target::Nothing => true,
        Target::Name(name) => {
            let name = core::str::from_utf8(name).unwrap();
            if action == Action::SignIn {
                return has(&rule.names, &[own[0].clone(), "ctl-*".to_owned()], true, name);
            }
            action != Action::Send || has(&rule.to, &all, true, name)
        }
        Target::Namespace(name) => {
            action != Action::BeNode || has(&rule.names, &own, false, core::str::from_utf8(name).unwrap())
        }
        Target::Topic(topic) => {
            let topic = core::str::from_utf8(topic).unwrap();
            if action == Action::Publish {
                return has(&rule.publish, &all, false, topic);
            }
            action != Action::Subscribe || has(&rule.subscribe, &all, false, topic)
        }
        Target::Session(session) => has(&rule.sessions, &all, false, session),
        Target::Document { session, kind } => {
            has(&rule.sessions, &all, false, session) && has(&rule.send, &all, false, kind)
        }
    }
}

#[test]
fn every_answer_is_that_of_the_slow_twin() {
    const NAMES: [&str; 8] = ["laser", "laser_*", "*", "N1.las*", "N2.laser", "N2.*", "N2", "boss"];
    const FULL: [&str; 7] = ["N1.ctl-17", "N1.laser", "N1.laser_2", "N2.laser", "N1.boss", "N2.", "N1.N2"];
    const SESSIONS: [&str; 4] = ["drill", "drill*", "dr*", "default"];
    let (mut state, mut granted) = (7, 0);
    for _ in 0..20_000 {
        let role = Role::ALL[usize::try_from(random(&mut state)).unwrap() % Role::ALL.len()];
        let mut rule = rule(one_of(&mut state, &["laser", "N2", "x"]), role);
        rule.names = some_of(&mut state, &NAMES);
        rule.to = some_of(&mut state, &NAMES);
        rule.sessions = some_of(&mut state, &SESSIONS);
        rule.send = some_of(&mut state, &UserRule::KINDS);
        rule.publish = some_of(&mut state, &NAMES);
        rule.subscribe = some_of(&mut state, &["*", "N1.*", "N1.las*"]);
        let users = judged(Access::All, core::slice::from_ref(&rule));
        let (id, user) = users.named(&rule.name).unwrap();
        let [full, session, kind] = [
            one_of(&mut state, &FULL),
            one_of(&mut state, &["drill", "drill2", "default"]),
            one_of(&mut state, &UserRule::KINDS),
        ];
        let namespace = one_of(&mut state, &["N1", "N2", "N22"]);
        let targets = [
            Target::Nothing,
            Target::Name(full.as_bytes()),
            Target::Namespace(namespace.as_bytes()),
            Target::Topic(full.as_bytes()),
            Target::Session(session),
            Target::Document { session, kind },
        ];
        for action in Action::ALL {
            for target in targets {
                let expected = twin(&rule, action, target);
                assert_eq!(may(user, action, target), expected, "{rule:?} {action:?} {target:?}");
                assert_eq!(users.lacks(Some(id), action, target).is_none(), expected);
                assert!(!why(user, action, target).is_empty());
                granted += u32::from(expected);
            }
        }
    }
    assert!((100_000..1_200_000).contains(&granted), "{granted} of a million and more");
}
