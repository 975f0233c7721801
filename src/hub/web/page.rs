//! What is read rather than asked: the files of the page.

use crate::web::File;

use super::connection::Asked;
use super::reply::Reply;

/// What a page may load: itself. Nobody may put it into a frame.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The first file of the page.
const INDEX: &str = "index.html";

/// The page.
pub(in crate::hub) fn home(asked: &Asked) -> Reply {
    if !asked.prefix.is_empty() {
        return home_below(&asked.prefix);
    }
    File::find(INDEX)
        .map_or_else(|| Reply::bare(404), |index| file(asked, index).with("Content-Security-Policy", POLICY))
}

/// There is no such page.
pub(in crate::hub) fn nowhere(asked: &Asked) -> Reply {
    let home = escaped(&asked.prefix);
    let text =
        format!("<!DOCTYPE html>\n<title>not found</title>\n<p>There is no such page. <a href=\"{home}/\">Home</a>\n");
    Reply::of(404, "text/html; charset=utf-8", text.into())
}

/// A path as it stands in an attribute.
fn escaped(path: &str) -> String {
    path.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

/// The page below a path: it may have been asked for without the slash behind that, so its files are named from the root on.
fn home_below(prefix: &str) -> Reply {
    let prefix = escaped(prefix);
    let index = File::find(INDEX).map(File::plain).unwrap_or_default();
    let index = String::from_utf8_lossy(&index).replace("=\"page/", &format!("=\"{prefix}/page/"));
    Reply::of(200, "text/html; charset=utf-8", index.into())
        .with("Cache-Control", "no-cache")
        .with("Content-Security-Policy", POLICY)
}

/// A file of the page. It is asked for anew each time, and sent if it is another one than the browser has.
pub(in crate::hub) fn file(asked: &Asked, file: &'static File) -> Reply {
    let is_known =
        asked.has.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == file.tag);
    let reply = match is_known {
        true => Reply::bare(304),
        false if asked.takes_gzip => Reply::of(200, file.media_type, file.gzip.into()).with("Content-Encoding", "gzip"),
        false => Reply::of(200, file.media_type, file.plain()),
    };
    reply
        .with("ETag", file.tag)
        .with("Cache-Control", "no-cache")
        .with("Vary", "Accept-Encoding")
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
}

/// The description of the interface of sessions.
pub(in crate::hub) fn openapi() -> Reply {
    let text = include_str!("openapi.yaml");
    Reply::of(200, "application/yaml", text.into()).with("Content-Disposition", "inline; filename=\"openapi.yaml\"")
}
