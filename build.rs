//! Puts the page into the program: each file of `src/web/page` is compressed once, here, and stands in the program only so.
//!
//! Writes `page.rs`, a list for `src/web/mod.rs`, and the compressed files beside it. The version of the page is a number of all its files and
//! that of the program; it takes the place of `{{version}}` in `index.html`.
//!
//! And tells the linker to make the program of a release smaller, where it is one that can.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use miniz_oxide::deflate::compress_to_vec;

/// What an idle server has no need of: commands of the program that are none, and crates for what is not always wanted. Of a module, it is its path in
/// the names that the compiler gives to functions, each part with its length before it.
const SELDOM: &[&str] = &[
    "6instep3cli3ctl",
    "6instep3cli3log",
    "6instep3cli4demo",
    "6instep3cli4view",
    "6instep3cli5bench",
    "6instep5c2sim6schema",
    "6instep6client",
    "4redb",
    "5dryoc",
    "5gimli",
    "9addr2line",
    "9lzma_rust2",
    "12backtrace_rs",
    "14rustc_demangle",
];

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
    link_small(&out)
}

/// Functions of the same instructions become one (nothing here compares where functions are), and what tells a debugger how to leave a function goes:
/// nobody catches a panic, and without names there is nothing to see. A panic still says what it is and where. What a server seldom needs lies together,
/// behind all else: what comes into memory comes by pages, sixteen at a time.
///
/// A ninth of the program less. Not every linker can: a small program of the same target and flags is linked first, and where that fails, or it
/// does not run, or was linked by another than LLD, all stays as it would be.
fn link_small(out: &Path) -> Result<(), Box<dyn Error>> {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let target = env::var("TARGET")?;
    let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
    writeln!(std::io::stdout(), "cargo::rerun-if-env-changed={linker}")?;
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let flags = flags.split('\x1f').filter(|flag| !flag.is_empty()).collect::<Vec<_>>();
    let to_debug = !is("DEBUG", "false") || flags.iter().any(|flag| flag.contains("debuginfo") || *flag == "-g");
    let small = is("PROFILE", "release") && env::var_os("CARGO_FEATURE_DAEMON").is_some();
    if to_debug || !small || !is("CARGO_CFG_TARGET_OS", "linux") {
        return Ok(());
    }
    let script = out.join("small.ld");
    let seldom = SELDOM.iter().map(|path| format!(" *(.text.*{path}*)")).collect::<String>();
    let frames = "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.gcc_except_table*) } } INSERT AFTER .rodata;";
    fs::write(&script, format!("{frames}\nSECTIONS {{ .text.seldom : {{{seldom} }} }} INSERT AFTER .text;\n"))?;
    let script = script.to_str().ok_or("a path that is no text")?;
    let smaller = ["-Wl,--icf=all".to_owned(), "-Wl,--no-eh-frame-hdr".to_owned(), format!("-Wl,-T,{script}")];
    let runs_here = is("HOST", &target);
    // Whoever loads the program has to know the short list of its addresses that move: a static one does it itself, and for another it is enough that this
    // machine's loader can, since a program that is not static is for machines that are no older.
    let short = "-Wl,-z,pack-relative-relocs".to_owned();
    let alone = env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|all| all.split(',').any(|one| one == "crt-static"));
    let inside = (!alone).then(|| unwinder_inside(out)).transpose()?.map(|folder| format!("-L{folder}"));
    let more = inside.into_iter().chain([short]).filter(|_| runs_here).collect::<Vec<_>>();
    // The most that is possible.
    for more in (0..=more.len()).rev().filter_map(|count| more.get(..count)) {
        let arguments = [&smaller[..], more].concat();
        if links(out, &target, &flags, &arguments, runs_here)? {
            for argument in arguments {
                writeln!(std::io::stdout(), "cargo::rustc-link-arg-bins={argument}")?;
            }
            break;
        }
    }
    Ok(())
}

/// A folder in which the linker, asked for the library of the compiler that unwinds stacks, finds that it is to be part of the program: there it is 20 KB,
/// of which hardly any is ever needed; as a library it keeps 84 KB in memory.
fn unwinder_inside(out: &Path) -> Result<String, Box<dyn Error>> {
    let folder = out.join("inside");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("libgcc_s.so"), "INPUT(libgcc_eh.a)\n")?;
    Ok(folder.to_str().ok_or("a path that is no text")?.to_owned())
}

/// Whether LLD links a program for this target with these arguments, and, if this machine can tell, whether it runs.
fn links(
    out: &Path,
    target: &str,
    flags: &[&str],
    arguments: &[String],
    runs_here: bool,
) -> Result<bool, Box<dyn Error>> {
    let (source, program) = (out.join("tried.rs"), out.join("tried"));
    fs::write(&source, "fn main() { std::thread::spawn(|| ()).join().unwrap() }\n")?;
    let mut rustc = Command::new(env::var_os("RUSTC").ok_or("no RUSTC")?);
    rustc.args(["--edition=2024", "-Cpanic=abort", "--target", target, "-o"]).arg(&program).arg(&source);
    rustc.args(flags).args(arguments.iter().map(|argument| format!("-Clink-arg={argument}")));
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut chosen = std::ffi::OsString::from("-Clinker=");
        chosen.push(linker);
        rustc.arg(chosen);
    }
    let quiet = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|end| end.success())
    };
    if !quiet(&mut rustc) || (runs_here && !quiet(&mut Command::new(&program))) {
        return Ok(false);
    }
    let name = b"Linker: LLD";
    Ok(fs::read(&program)?.windows(name.len()).any(|part| part == name))
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
