//! Puts the page into the program: each file of `src/web/page` is compressed once, here, and stands in the program only so.
//!
//! Writes `page.rs`, a list for `src/web/mod.rs`, and the compressed files beside it. The version of the page is a number of all its files and
//! that of the program; it takes the place of `{{version}}` in `index.html`.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use miniz_oxide::deflate::compress_to_vec;

/// The hardest that there is: it is done once.
const LEVEL: u8 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("src/web/page");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    std::io::stdout().write_all(b"cargo::rerun-if-changed=src/web/page\ncargo::rerun-if-changed=build.rs\n")?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a name that is no text")?.to_owned();
        files.push((name, fs::read(&path)?));
    }
    files.sort();
    let of_program = env::var("CARGO_PKG_VERSION")?;
    let hash = files.iter().fold(fnv(0xcbf2_9ce4_8422_2325, of_program.as_bytes()), |hash, (name, bytes)| {
        fnv(fnv(hash, name.as_bytes()), bytes)
    });
    let version = format!("{of_program}-{hash:016x}");
    files.push(("version".to_owned(), version.clone().into_bytes()));
    let mut list =
        format!("/// The version of the page.\npub const VERSION: &str = {version:?};\n\nconst FILES: &[File] = &[\n");
    for (name, mut bytes) in files {
        if name == "index.html" {
            bytes = String::from_utf8(bytes)?.replace("{{version}}", &version).into_bytes();
        }
        let media_type = match name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("version") => "text/plain; charset=utf-8",
            _ => return Err(format!("{name}: which media type?").into()),
        };
        let packed = gzip(&bytes)?;
        let path = out.join(format!("{name}.gz"));
        fs::write(&path, &packed)?;
        let tag = format!("\"{:016x}\"", fnv(0xcbf2_9ce4_8422_2325, &bytes));
        let place = path.to_str().ok_or("a path that is no text")?;
        writeln!(
            list,
            "    File {{ name: {name:?}, media_type: {media_type:?}, tag: {tag:?}, gzip: include_bytes!({place:?}) }},"
        )?;
    }
    list.push_str("];\n");
    fs::write(out.join("page.rs"), list)?;
    Ok(())
}

/// A file as gzip has it (RFC 1952), without name and time.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    out.extend(compress_to_vec(bytes, LEVEL));
    out.extend(crc(bytes).to_le_bytes());
    out.extend(u32::try_from(bytes.len())?.to_le_bytes());
    Ok(out)
}

/// The sum that gzip has at its end.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
    })
}

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
