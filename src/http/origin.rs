//! Which web pages may use the server from within a browser: the field `Origin` (RFC 6454), and CORS (fetch.spec.whatwg.org).
//!
//! A browser sends a page's requests to any server that the page names, also to one on localhost, and says from where the page is. Who is no
//! browser sends no origin and is not asked for one; a browser that sends none with a form is known by what it calls itself.

use core::net::Ipv4Addr;

use super::answer::Answer;
use super::head::Head;
use super::media;
use super::method::Method;

/// The origins that are let in, besides pages of this server itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// None.
    #[default]
    Own,
    /// All: any page that anybody on this machine looks at may use the server.
    Any,
    /// These, such as `https://ui.example:8443`.
    These(Vec<String>),
}

impl Origins {
    /// The origins of a list; `*` in it means all.
    ///
    /// # Errors
    /// The first word that is no origin.
    pub fn of<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let mut these = Vec::new();
        for word in list {
            if word == "*" {
                return Ok(Self::Any);
            }
            let origin = word.strip_suffix('/').unwrap_or(word);
            parts(origin).ok_or(word)?;
            these.push(origin.to_owned());
        }
        Ok(if these.is_empty() { Self::Own } else { Self::These(these) })
    }

    /// Judges a request by where it comes from. `host` is the one that it was sent to, as the client knows it: behind proxies what
    /// [`super::forwarded`] says. Changing to WebSocket lets a page do what it likes, so that the request for it counts as no mere look.
    #[must_use]
    pub fn judge<'a>(&self, head: &Head<'a>, host: &str, is_upgrade: bool) -> Access<'a> {
        let Some(origin) = head.field("Origin") else {
            let is_doubtful = *self != Self::Any && is_form_of_browser(head);
            return if is_doubtful { Access::Refused } else { Access::Plain };
        };
        let parts = parts(origin);
        let is_let_in = match self {
            Self::Own => false,
            // Where there is no name there is nobody to let in, nor to keep out.
            Self::Any => return if parts.is_some() { Access::Shared("*") } else { Access::Plain },
            Self::These(these) => these.iter().any(|known| known.eq_ignore_ascii_case(origin)),
        };
        let is_own = parts.is_some_and(|(scheme, authority)| is_same(scheme, authority, host));
        let only_looks = matches!(head.method, Method::Get | Method::Head) && !is_upgrade;
        match (is_let_in, is_own || only_looks) {
            (true, _) => Access::Shared(origin),
            (false, true) => Access::Plain,
            (false, false) => Access::Refused,
        }
    }
}

/// What a request may, by its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access<'a> {
    /// It is answered; if a foreign page has asked, its browser keeps the answer from it.
    Plain,
    /// It is answered, and this origin may read it.
    Shared(&'a str),
    /// It is refused with 403.
    Refused,
}

impl Access<'_> {
    /// Adds to an answer what lets the origin read it, and to that of OPTIONS what lets it ask.
    pub fn tell<'a>(self, head: &Head<'_>, answer: Answer<'a>) -> Answer<'a> {
        let Self::Shared(origin) = self else { return answer };
        let answer = answer.field("Access-Control-Allow-Origin", origin).field("Vary", "Origin");
        if head.method != Method::Options {
            return answer;
        }
        let echo = |answer: Answer<'a>, asked: &str, allowed: &str| match head.field(asked) {
            Some(value) => answer.field(allowed, value),
            None => answer,
        };
        let answer = echo(answer, "Access-Control-Request-Method", "Access-Control-Allow-Methods");
        echo(answer, "Access-Control-Request-Headers", "Access-Control-Allow-Headers")
    }
}

/// Whether a browser goes to where a form leads, which a page needs nobody's leave for: those of before 2020 do not say whose page that is. No page
/// of this server has one. Java's clients send the same types and ask for HTML, and those of PowerShell take a browser's name; neither does both.
fn is_form_of_browser(head: &Head<'_>) -> bool {
    const FORMS: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
    let is_form = |content_type| FORMS.into_iter().any(|form| media::is(content_type, form));
    head.method == Method::Post
        && head.field("Content-Type").is_some_and(is_form)
        && head.field("User-Agent").is_some_and(|name| name.starts_with("Mozilla/"))
        && head.lists("Accept", "text/html")
}

/// Whether a host that a client has named can be this machine's to itself. A page of another server may have its own name point to this machine
/// for a while, and is then no page of another server to its browser; such a name has dots in it and is one that the whole world can look up.
/// `known` are hosts that are ours, with or without ports.
#[must_use]
pub fn is_own_host<'a>(host: &str, known: impl IntoIterator<Item = &'a str>) -> bool {
    let name = name_of(host);
    let is_literal = name.parse::<Ipv4Addr>().is_ok() || name.starts_with('[');
    // What no name server of the world answers.
    let is_here = ["localhost", "local", "internal", "home.arpa"].iter().any(|end| {
        name.len() > end.len()
            && name.get(name.len() - end.len()..).is_some_and(|last| last.eq_ignore_ascii_case(end))
            && name.as_bytes().get(name.len() - end.len() - 1) == Some(&b'.')
    });
    if !name.contains('.') || is_literal || is_here {
        return true;
    }
    // A machine may be called by its first name or by its full one.
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    known.into_iter().map(name_of).any(|known| {
        known.eq_ignore_ascii_case(name) || (!known.contains('.') && !known.is_empty() && first(known) == first(name))
    })
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    let host = host.rsplit_once("://").map_or(host, |(_, host)| host);
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// Scheme and host of an origin; none for `null`, which is the origin of nobody in particular.
fn parts(origin: &str) -> Option<(&str, &str)> {
    let (scheme, authority) = origin.split_once("://")?;
    let is_host =
        |letter: char| letter.is_ascii_graphic() && !matches!(letter, '/' | '?' | '#' | '@' | '\\' | ',' | '*');
    let is_good = !scheme.is_empty() && !authority.is_empty() && authority.chars().all(is_host);
    is_good.then_some((scheme, authority))
}

/// Whether two hosts are the same one, ports included.
fn is_same(scheme: &str, one: &str, other: &str) -> bool {
    let plain = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let without = |host: &str| host.strip_suffix(plain).unwrap_or(host).to_ascii_lowercase();
    without(one) == without(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::answer::Date;
    use crate::http::head::Terms;

    fn ask(method: &str, origin: &str) -> String {
        format!(
            "{method} / HTTP/1.1\r\nHost: h:7777\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: PUT\r\n\
             Access-Control-Request-Headers: clientid\r\n\r\n"
        )
    }

    #[test]
    fn pages_of_others_may_look_and_no_more() {
        let judge = |method, origin, is_upgrade| {
            let text = ask(method, origin);
            let head = Head::parse(text.as_bytes()).unwrap();
            Origins::Own.judge(&head, head.target.host, is_upgrade) == Access::Plain
        };
        for (origin, is_own) in [
            ("http://h:7777", true),
            ("HTTP://H:7777", true),
            ("http://h", false),
            ("http://h:3000", false),
            ("https://evil.example", false),
            ("null", false),
            ("", false),
            ("http://h:7777/", false),
        ] {
            assert!(judge("GET", origin, false) && judge("HEAD", origin, false), "{origin}");
            for (method, is_upgrade) in
                [("POST", false), ("PUT", false), ("DELETE", false), ("OPTIONS", false), ("GET", true)]
            {
                assert_eq!(judge(method, origin, is_upgrade), is_own, "{method} {origin}");
            }
        }
    }

    #[test]
    fn a_form_that_does_not_say_whose_it_is_is_nobodys() {
        const FORM: &str = "application/x-www-form-urlencoded";
        let judge = |origins: &Origins, method: &str, [content_type, agent, accept]: [&str; 3]| {
            let fields = format!("Content-Type: {content_type}\r\nUser-Agent: {agent}\r\nAccept: {accept}\r\n");
            let text = format!("{method} /rpc HTTP/1.1\r\nHost: h:7777\r\n{fields}\r\n");
            let head = Head::parse(text.as_bytes()).unwrap();
            match origins.judge(&head, "h:7777", false) {
                Access::Refused => Access::Refused,
                Access::Plain | Access::Shared(_) => Access::Plain,
            }
        };
        let (browser, page) = ("Mozilla/5.0 (X11; Linux) Firefox/60.0", "text/html,application/xml;q=0.9,*/*;q=0.8");
        for form in [FORM, "multipart/form-data; boundary=b", "text/plain;charset=utf-8"] {
            assert_eq!(judge(&Origins::Own, "POST", [form, browser, page]), Access::Refused, "{form}");
        }
        for (method, said) in [
            ("POST", [FORM, "curl/8.5.0", "*/*"]),
            ("POST", [FORM, "Java/17.0.2", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"]),
            ("POST", [FORM, "Mozilla/5.0 (Windows NT; en-US) WindowsPowerShell/5.1", "*/*"]),
            ("POST", ["application/json", browser, page]),
            ("GET", [FORM, browser, page]),
        ] {
            assert_eq!(judge(&Origins::Own, method, said), Access::Plain, "{said:?}");
        }
        assert_eq!(judge(&Origins::Any, "POST", [FORM, browser, page]), Access::Plain, "all pages may");
    }

    #[test]
    fn a_port_that_the_scheme_says_may_be_left_out() {
        for (scheme, one, other, same) in [
            ("http", "h", "h:80", true),
            ("https", "H:443", "h", true),
            ("https", "h:80", "h", false),
            ("http", "[::1]", "[::1]:80", true),
            ("http", "h", "g", false),
        ] {
            assert_eq!(is_same(scheme, one, other), same, "{scheme} {one} {other}");
        }
    }

    #[test]
    fn those_who_are_let_in_are_told_so() {
        let these = Origins::of(["https://ui.example/", "http://b:1"]).unwrap();
        let told = |origins: &Origins, method, origin| {
            let text = ask(method, origin);
            let head = Head::parse(text.as_bytes()).unwrap();
            let access = origins.judge(&head, "h:7777", false);
            let mut out = Vec::new();
            access
                .tell(&head, Answer::begin(&mut out, 200, Terms { keeps_alive: true, ..Terms::LAST }, &Date::of(0)))
                .bare();
            (
                access == Access::Refused,
                String::from_utf8(out)
                    .unwrap()
                    .split_off("HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n".len()),
            )
        };
        let shared = |origin: &str| format!("Access-Control-Allow-Origin: {origin}\r\nVary: Origin\r\n");
        let preflight = "Access-Control-Allow-Methods: PUT\r\nAccess-Control-Allow-Headers: clientid\r\n";
        let ui = "https://ui.example";
        assert_eq!(told(&these, "POST", ui), (false, shared(ui) + "\r\n"));
        assert_eq!(told(&these, "OPTIONS", ui), (false, shared(ui) + preflight + "\r\n"));
        assert_eq!(told(&these, "POST", "https://evil.example"), (true, "\r\n".to_owned()));
        assert_eq!(told(&Origins::Any, "OPTIONS", "https://evil.example"), (false, shared("*") + preflight + "\r\n"));
        assert_eq!(told(&Origins::Any, "POST", "null"), (false, "\r\n".to_owned()));
    }

    #[test]
    fn a_list_is_of_origins_or_all() {
        assert_eq!(Origins::of([]), Ok(Origins::Own));
        assert_eq!(Origins::of(["http://a", "*"]), Ok(Origins::Any));
        for wrong in ["ui.example", "http://", "http://a/b", "null", "http://*.a"] {
            assert_eq!(Origins::of([wrong]), Err(wrong));
        }
    }

    #[test]
    fn a_name_of_the_world_is_not_ours_unless_it_is() {
        for (host, is_own) in [
            ("", true),
            ("127.0.0.1:12312", true),
            ("[::1]:12312", true),
            ("localhost:12312", true),
            ("lab", true),
            ("lab.local:80", true),
            ("a.localhost", true),
            ("evil.example:12312", false),
            ("127.0.0.1.evil.example", false),
            ("local", true),
            ("evillocal.com", false),
            ("lab-pc.uni.example:12312", true),
            ("sim.example", true),
            ("SIM.example:1", true),
            ("x.sim.example", false),
            ("ui.example", true),
        ] {
            let known = ["lab-pc", "sim.example:7777", "https://ui.example:8443"];
            assert_eq!(is_own_host(host, known), is_own, "{host}");
        }
        assert!(!is_own_host("evil.example", [""]));
    }
}
