//! Which Coordinator is asked: what stands behind `-a` or `--context`, in `INSTEP_ADDRESS` or `INSTEP_CONTEXT`, the context in use, or the one
//! of this machine.

use instep::leco::{DEFAULT_PORT, address};

use super::context::{self, Context, Contexts, NONE};
use super::failure::Failure;

/// The variable that says it where no flag does.
pub(super) const VARIABLE: &str = "INSTEP_ADDRESS";

/// Where an address came from that a context has.
const CONTEXTS_ADDRESS: &str = "the context's address";

/// The page is so much higher than the Coordinator, where nobody says otherwise.
const PAGE_OFFSET: u16 = 12;

/// `host:port` of a Coordinator from what a person writes: a port alone is one of this machine, and the address of a page is that of the
/// Coordinator behind it. `source` is the flag or variable that it came from.
pub(super) fn meant(source: &str, text: &str) -> Result<String, Failure> {
    let wanted = || {
        Failure::usage(format!(
            "{source} '{text}': a host and port like 127.0.0.1:12300 is wanted, a port alone, or the page's http://..."
        ))
    };
    let bare = text.trim();
    if let Some(page) = bare.strip_prefix("http://") {
        let page = page.split('/').next().unwrap_or_default();
        let found = address::with_port_or(page, DEFAULT_PORT + PAGE_OFFSET).ok_or_else(wanted)?;
        let (host, port) = address::host_and_port(&found).ok_or_else(wanted)?;
        return port
            .checked_sub(PAGE_OFFSET)
            .filter(|port| *port > 0)
            .map(|port| address::join(host, port))
            .ok_or_else(wanted);
    }
    let port = bare.strip_prefix(':').unwrap_or(bare);
    if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
        return address::with_port(&format!("127.0.0.1:{port}")).ok_or_else(wanted);
    }
    address::with_port(bare).ok_or_else(wanted)
}

/// The Coordinator that a flag or variable names, by its address or by the name of a context. The last one that is named is the one that holds.
pub(super) fn named(source: &str, text: &str) -> Result<String, Failure> {
    context::choose(None);
    match listed(text)? {
        Some(context) => chosen(context),
        None => meant(source, text),
    }
}

/// The address alone of a Coordinator that is named so: the one whose keys and token are shown stays the one that was chosen.
pub(super) fn address_of(source: &str, text: &str) -> Result<String, Failure> {
    match listed(text)? {
        Some(context) => meant(CONTEXTS_ADDRESS, &context.address),
        None => meant(source, text),
    }
}

/// The context of this name, if it is one.
fn listed(text: &str) -> Result<Option<Context>, Failure> {
    if context::is_name(text) { Ok(Contexts::load()?.all.remove(text)) } else { Ok(None) }
}

/// The Coordinator of a context.
pub(super) fn of_context(source: &str, name: &str) -> Result<String, Failure> {
    context::choose(None);
    if name == NONE { Ok(here()) } else { chosen(Contexts::load()?.find(source, name)?) }
}

/// The Coordinator that is asked where no flag says which.
pub(super) fn usual() -> Result<String, Failure> {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    if let Some(text) = variable(VARIABLE) {
        return named(VARIABLE, &text);
    }
    if let Some(name) = variable(context::VARIABLE) {
        return of_context(context::VARIABLE, &name);
    }
    let contexts = Contexts::load()?;
    contexts.used.as_ref().map_or_else(|| Ok(here()), |used| chosen(contexts.find("the context in use,", used)?))
}

/// The Coordinator of this machine.
pub(super) fn here() -> String {
    address::join("127.0.0.1", DEFAULT_PORT)
}

/// Where the page, and all of HTTP, is of a Coordinator.
pub(super) fn page(coordinator: &str) -> Result<String, Failure> {
    let parts = address::host_and_port(coordinator);
    let page = parts.and_then(|(host, port)| Some(address::join(host, port.checked_add(PAGE_OFFSET)?)));
    page.ok_or_else(|| Failure::usage(format!("'{coordinator}': there is no port of HTTP above it")))
}

fn chosen(context: Context) -> Result<String, Failure> {
    let address = meant(CONTEXTS_ADDRESS, &context.address)?;
    context::choose(Some(context));
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_as_people_write_it() {
        for (text, wanted) in [
            ("lab", "lab:12300"),
            ("lab:7", "lab:7"),
            ("12400", "127.0.0.1:12400"),
            (":12400", "127.0.0.1:12400"),
            ("tcp://lab:12400", "lab:12400"),
            ("http://127.0.0.1:12312/", "127.0.0.1:12300"),
            ("http://lab/#map/1", "lab:12300"),
            ("http://[::1]:12412", "[::1]:12400"),
            ("fe80::1%eth0", "[fe80::1%eth0]:12300"),
        ] {
            assert_eq!(meant("-a", text).map_err(|failure| failure.text).as_deref(), Ok(wanted), "{text}");
        }
        for text in ["", ":", "0", "99999", "https://lab", "http://", "http://lab:12", "lab:x", "a b"] {
            let said = meant("--address", text).unwrap_err();
            assert!(said.text.starts_with(&format!("--address '{text}': a host and port")), "{}", said.text);
        }
    }
}
