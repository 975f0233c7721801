//! Mistakes that newcomers make, as they type them, and what they are told: one line that names the mistake and, where there is one, the next
//! step, with the right exit code. Nobody is asked for it: no server runs.

use crate::common::program::program;

/// What is typed behind `instep`, the exit code, and how the line begins.
const MISTAKES: &[(&str, i32, &str)] = &[
    ("ctll", 2, "there is no command 'ctll', did you mean ctl? (try: instep --help)"),
    ("crl nodes", 2, "there is no command 'crl', did you mean ctl? (try: instep --help)"),
    ("sever", 2, "there is no command 'sever' (try: instep --help)"),
    ("server", 2, "there is no command 'server', did you mean serve? (try: instep --help)"),
    ("--prot 1", 2, "--prot: there is no such flag, did you mean --port? (try: instep serve --help)"),
    ("--port x", 2, "--port: 'x' is not a whole number"),
    ("--port", 2, "missing argument for option '--port'"),
    ("--port 99999", 2, "--port: 99999 is too large"),
    ("-p -1", 2, "--port: '-1' is not a whole number"),
    ("-z", 2, "-z: there is no such flag (try: instep serve --help)"),
    ("--namspace N1", 2, "--namspace: there is no such flag, did you mean --namespace? (try: instep serve --help)"),
    ("--namespace a.b", 2, "namespace: printable ASCII without '.', 1 to 255 bytes, is wanted"),
    ("--name-space N1", 2, "--name-space: there is no such flag, did you mean --namespace? (try: instep serve --help)"),
    (
        "--coordinator a",
        2,
        "--coordinator: there is no such flag, did you mean --coordinators? (try: instep serve --help)",
    ),
    ("--coordinators not so good", 2, "'so' is not a flag (try: instep serve --help)"),
    ("--bind here", 2, "bind: 'here' is not an address like 127.0.0.1:12300"),
    ("--ring-bytes-max 64X", 2, "--ring-bytes-max: '64X' is not a number of bytes like 65536, 64k or 16M"),
    ("--ring-bytes-max 1", 2, "ring_bytes_max: 1 is not between 4096 and 1073741824"),
    ("--memory-max 1k", 2, "memory_max: at least 1572864 is needed for message_bytes_max"),
    ("--memory-max lots", 2, "--memory-max: 'lots' is not a number of bytes like 65536, 64k or 16M"),
    ("--message-bytes-max 5T", 2, "--message-bytes-max: '5T' is not a number of bytes like 65536, 64k or 16M"),
    ("--slow-ms 5y", 2, "--slow-ms: '5y' is not a time like 1500, 1500ms or 15s"),
    ("--stall-ms 20s --slow-ms 10s", 2, "stall_ms: must not be larger than slow_ms"),
    ("--expiration-s 0", 2, "expiration_s: 0 is not between 1 and 86400"),
    ("--expiration-s 1500ms", 2, "--expiration-s: 1500ms is too large, or no whole number of its unit"),
    ("--expiration-s ten", 2, "--expiration-s: 'ten' is not a time like 15, 15s or 2m"),
    ("--member-idle-s 1w", 2, "--member-idle-s: '1w' is not a time like 15, 15s or 2m"),
    ("--log-level loud", 2, "--log-level: 'loud' is not a log level: off, error, warn, info, debug or trace"),
    ("--loglevel info", 2, "--loglevel: there is no such flag, did you mean --log-level? (try: instep serve --help)"),
    ("--log-levle info", 2, "--log-levle: there is no such flag, did you mean --log-level? (try: instep serve --help)"),
    ("--auth yes", 2, "--auth: 'yes' is neither off nor remote nor all"),
    ("--auth on", 2, "--auth: 'on' is neither off nor remote nor all"),
    ("--config /nowhere.toml", 2, "--config /nowhere.toml: no such file or directory"),
    ("--config", 2, "missing argument for option '--config'"),
    ("--state-dri x", 2, "--state-dri: there is no such flag, did you mean --state-dir? (try: instep serve --help)"),
    ("--remote-admin=maybe", 2, "--remote-admin: 'maybe' is neither true nor false"),
    ("--check extra", 2, "'extra' is not a flag (try: instep serve --help)"),
    ("serve foo", 2, "'foo' is not a flag (try: instep serve --help)"),
    ("serve --help-me", 2, "--help-me: there is no such flag (try: instep serve --help)"),
    ("help me", 2, "help: there is nothing about 'me' (try: instep --help)"),
    ("help setings", 2, "help: there is nothing about 'setings', did you mean settings? (try: instep --help)"),
    ("help conection", 2, "help: there is nothing about 'conection' (try: instep --help)"),
    ("nodes", 2, "there is no command 'nodes', but instep ctl nodes (try: instep --help)"),
    ("components", 2, "there is no command 'components', but instep ctl components (try: instep --help)"),
    ("providers", 2, "there is no command 'providers', but instep ctl providers (try: instep --help)"),
    ("open file.log", 2, "there is no command 'open', but instep ctl open (try: instep --help)"),
    ("start_scenario default", 2, "there is no command 'start_scenario' (try: instep --help)"),
    ("shutdown", 2, "there is no command 'shutdown', but instep ctl shutdown (try: instep --help)"),
    ("status", 2, "there is no command 'status', but instep ctl status (try: instep --help)"),
    ("session list", 2, "there is no command 'session', but instep ctl session (try: instep --help)"),
    ("ctl node", 2, "ctl has no command 'node', did you mean nodes? (try: instep ctl --help)"),
    ("ctl nods", 2, "ctl has no command 'nods', did you mean nodes? (try: instep ctl --help)"),
    ("ctl component", 2, "ctl has no command 'component', did you mean components? (try: instep ctl --help)"),
    ("ctl list", 2, "ctl has no command 'list' (try: instep ctl --help)"),
    ("ctl nodes N1", 2, "nodes: 'N1' is one word too many (usage: instep ctl nodes)"),
    ("ctl pign", 2, "ctl has no command 'pign', did you mean ping? (try: instep ctl --help)"),
    ("ctl ping --cuont 3", 2, "ping: there is no flag --cuont, did you mean --count? (try: instep ctl ping --help)"),
    ("ctl ping -n 0", 2, "-n '0': a whole number of at least 1 is wanted"),
    ("ctl ping -n three", 2, "-n 'three': a whole number of at least 1 is wanted"),
    ("ctl ping a b", 2, "ping: 'b' is one word too many (usage: instep ctl ping [NAME] [-n N])"),
    ("ctl call", 2, "call: NAME is missing (usage: instep ctl call NAME METHOD [JSON|K=V...])"),
    ("ctl call N1.x", 2, "call: METHOD is missing (usage: instep ctl call NAME METHOD [JSON|K=V...])"),
    ("ctl call N1.x m 3", 2, "call: '3' is neither a JSON array nor a JSON object, nor a pair like level=1.5"),
    ("ctl call N1.x m {", 2, "call: '{' is neither a JSON array nor a JSON object, nor a pair like level=1.5"),
    ("ctl call N1.x m a=1 b", 2, "call: 'b' is one word too many: one JSON document, or pairs like level=1.5"),
    ("ctl call N1.x m [1] [2]", 2, "call: '[2]' is one word too many: one JSON document, or pairs like level=1.5"),
    ("ctl log-level", 2, "log-level: LEVEL is missing (usage: instep ctl log-level LEVEL [NAME])"),
    ("ctl log-level loud", 2, "log-level: 'loud' is none of debug, info, warning, error, critical"),
    ("ctl loglevel info", 2, "ctl has no command 'loglevel', did you mean log-level? (try: instep ctl --help)"),
    ("ctl -a", 2, "missing argument for option '-a'"),
    (
        "ctl -a lab:x nodes",
        2,
        "--address 'lab:x': a host and port like 127.0.0.1:12300 is wanted, a port alone, or the page's",
    ),
    (
        "ctl -a https://lab nodes",
        2,
        "--address 'https://lab': a host and port like 127.0.0.1:12300 is wanted, a port alone, or the",
    ),
    (
        "ctl -a lab:99999 nodes",
        2,
        "--address 'lab:99999': a host and port like 127.0.0.1:12300 is wanted, a port alone, or the",
    ),
    (
        "ctl --adress lab nodes",
        2,
        "ctl: there is no flag --adress, did you mean --address? before a command (try: instep ctl",
    ),
    ("ctl -t soon nodes", 2, "--timeout 'soon': a number of seconds from 0.001 to 86400 is wanted"),
    ("ctl -t 0 nodes", 2, "--timeout '0': a number of seconds from 0.001 to 86400 is wanted"),
    (
        "ctl --timout 3 nodes",
        2,
        "ctl: there is no flag --timout, did you mean --timeout? before a command (try: instep ctl",
    ),
    (
        "ctl --jsn nodes",
        2,
        "ctl: there is no flag --jsn, did you mean --json? before a command (try: instep ctl --help)",
    ),
    ("ctl nodes --jsno", 2, "nodes: there is no flag --jsno, did you mean --json? (try: instep ctl nodes --help)"),
    ("ctl --all counters", 2, "ctl: there is no flag --all before a command (try: instep ctl --help)"),
    ("ctl counter", 2, "ctl has no command 'counter', did you mean counters? (try: instep ctl --help)"),
    ("ctl counters --every", 2, "counters: there is no flag --every (try: instep ctl counters --help)"),
    ("ctl open", 2, "open: FILE|HOST is missing (usage: instep ctl open FILE|HOST [PORT] [--keep])"),
    ("ctl open a b c", 2, "open: 'c' is one word too many (usage: instep ctl open FILE|HOST [PORT] [--keep])"),
    ("ctl open lab 99999", 2, "open: '99999' is not a port from 1 to 65535"),
    ("ctl open run.log --keep", 2, "open: --keep is for a kernel, HOST PORT"),
    ("ctl close", 2, "close: ID is missing (usage: instep ctl close ID [ID...])"),
    ("ctl close one", 2, "'one' is not an id, which is a whole number"),
    ("ctl connect 1", 2, "connect: PROVIDER is missing (usage: instep ctl connect VIEWER PROVIDER)"),
    ("ctl connect one 1", 2, "'one' is not an id, which is a whole number"),
    ("ctl connect a b", 2, "'a' is not an id, which is a whole number"),
    ("ctl play", 2, "play: ID is missing (usage: instep ctl play ID [--speed X] [--seek T])"),
    ("ctl play 1 --speed fast", 2, "play: --speed 'fast': a number is wanted"),
    ("ctl play 1 --sped 2", 2, "play: there is no flag --sped, did you mean --speed? (try: instep ctl play --help)"),
    ("ctl viewers x", 2, "'x' is not an id, which is a whole number"),
    (
        "ctl connections --by size",
        2,
        "--by 'size': there are waiting_bytes, held_ms, drops, messages_in, messages_out, bytes_in,",
    ),
    ("ctl connections --by", 2, "missing argument for option '--by'"),
    ("ctl conections", 2, "ctl has no command 'conections', did you mean connections? (try: instep ctl --help)"),
    (
        "ctl top --by nothing",
        2,
        "--by 'nothing': there are waiting_bytes, held_ms, drops, messages_in, messages_out, bytes_in,",
    ),
    ("ctl session begin", 2, "ctl session has no command 'begin' (try: instep ctl session --help)"),
    (
        "ctl session strat default",
        2,
        "ctl session has no command 'strat', did you mean start? (try: instep ctl session --help)",
    ),
    ("ctl session start", 2, "session start: NAME is missing (usage: instep ctl session start NAME [--at TIME])"),
    (
        "ctl session start default --at soon",
        2,
        "--at 'soon': a moment like +5s, +2m, 12:00 (UTC, the next one) or 1764158400000 (ms since 1970)",
    ),
    (
        "ctl session start default --at 25:00",
        2,
        "--at '25:00': a moment like +5s, +2m, 12:00 (UTC, the next one) or 1764158400000 (ms since",
    ),
    (
        "ctl session start default --at 1000",
        2,
        "--at '1000': that moment, 1970-01-01T00:00:01Z, has passed; milliseconds since 1970 are wanted",
    ),
    (
        "ctl session start default --at +5y",
        2,
        "--at '+5y': a moment like +5s, +2m, 12:00 (UTC, the next one) or 1764158400000 (ms since 1970)",
    ),
    (
        "ctl session start a/b",
        2,
        "'a/b' is not a session: NAME or NODE.NAME, with 1 to 64 letters, digits, '.', '_', '~' or '-'",
    ),
    ("ctl session info", 2, "session info: NAME is missing (usage: instep ctl session info NAME)"),
    ("ctl session create", 2, "session create: NAME is missing (usage: instep ctl session create NAME [options])"),
    ("ctl session create a --provider x", 2, "--provider 'x': the id of a provider is wanted"),
    (
        "ctl session create a b",
        2,
        "session create: 'b' is one word too many (usage: instep ctl session create NAME [options])",
    ),
    ("ctl session send default", 2, "session send: FILE is missing (usage: instep ctl session send NAME FILE)"),
    ("ctl session send default /nowhere.xml", 1, "/nowhere.xml: no such file or directory"),
    ("ctl session watch default --after x", 2, "--after 'x': the number of an event is wanted"),
    ("ctl session watch default -n 0", 2, "-n '0': a whole number of at least 1 is wanted"),
    (
        "ctl session watch default --form xml",
        2,
        "session watch: there is no flag --form (try: instep ctl session watch --help)",
    ),
    (
        "ctl session delete default --forse",
        2,
        "session delete: there is no flag --forse, did you mean --force? (try: instep ctl session delete",
    ),
    ("ctl sesion list", 2, "ctl has no command 'sesion', did you mean session? (try: instep ctl --help)"),
    ("ctl --control x:y providers", 2, "--control 'x:y': a host and port like 127.0.0.1:12310 is wanted"),
    ("ctl --token-file /nowhere nodes", 2, "--token-file /nowhere: no such file or directory"),
    (
        "ctl --key /nowhere nodes",
        2,
        "--key: the Coordinator's public key is wanted beside it (--server-key KEY|FILE; there: instep",
    ),
    ("view --sound", 2, "view: there is no flag --sound (try: instep view --help)"),
    ("view --worlds a.log", 2, "view: there is no flag --worlds, did you mean --world? (try: instep view --help)"),
    ("view a b c", 2, "view: 'b' is one word too many (try: instep view --help)"),
    ("view --time x a.log", 2, "--time 'x': a whole number of at least 1 is wanted"),
    ("view --steps 0 a.log", 2, "--steps '0': a whole number of at least 1 is wanted"),
    ("view --provider x", 2, "--provider 'x': a whole number of at least 1 is wanted"),
    ("view lab:x", 2, "view: 'lab:x': a host and port like 127.0.0.1:12311 is wanted"),
    ("view -a lab lab2:12311", 2, "view: --address names the Coordinator, HOST:PORT the viewer port; one is enough"),
    ("log", 2, "log: FILE is missing (usage: instep log [options] FILE)"),
    ("log a b", 2, "log: 'b' is one word too many (try: instep log --help)"),
    ("log --scors a.log", 2, "log: there is no flag --scors, did you mean --scores? (try: instep log --help)"),
    ("log --time x a.log", 2, "--time 'x': the number of a timestep is wanted"),
    ("log -e x a.log", 2, "--entity 'x': an id is wanted"),
    ("log /nowhere.log", 1, "/nowhere.log: no such file or directory"),
    ("log /", 1, "/: is not a file"),
    ("bench", 2, "bench: throughput, latency, session or c2sim? (try: instep bench --help)"),
    (
        "bench troughput",
        2,
        "bench: there is no 'troughput', did you mean throughput? (throughput, latency, session, c2sim;",
    ),
    (
        "bench throughput --pair 3",
        2,
        "bench: there is no flag --pair, did you mean --pairs? (try: instep bench --help)",
    ),
    ("bench throughput --pairs 0", 2, "--pairs: '0' is not a number from 1 to 4096"),
    ("bench throughput --payload big", 2, "--payload: 'big' is not a number from 0 to 16777216"),
    ("bench latency --seconds 0", 2, "--seconds: '0' is not a number from 0.05 to 86400"),
    ("bench latency --seconds -1", 2, "--seconds: '-1' is not a number from 0.05 to 86400"),
    ("bench session --members x", 2, "--members: 'x' is not a number from 1 to 4095"),
    ("key", 2, "key: what and which file? (usage: instep key new FILE, instep key show FILE)"),
    ("key make x", 2, "key: what and which file? (usage: instep key new FILE, instep key show FILE)"),
    ("key new", 2, "key: what and which file? (usage: instep key new FILE, instep key show FILE)"),
    ("key show /nowhere", 1, "/nowhere: no such file or directory"),
    ("token", 2, "token: a user is wanted (usage: instep token new USER)"),
    ("token make x", 2, "token: there is no 'make' (usage: instep token new USER)"),
    ("token new", 2, "token: a user is wanted (usage: instep token new USER)"),
    ("may", 2, "may: USER ACTION [TARGET] are wanted (try: instep may --help)"),
    ("may somebody", 2, "may: USER ACTION [TARGET] are wanted (try: instep may --help)"),
    ("may somebody start_scenario default --user x", 2, "may: there is no flag --user (try: instep may --help)"),
    ("demo --pages", 2, "demo: invalid option '--pages' (try: instep demo --help)"),
    ("demo now", 2, "demo: unexpected argument \"now\" (try: instep demo --help)"),
    ("man instep", 2, "man: 'instep' is one word too many (usage: instep man)"),
    ("completions", 2, "completions: bash, zsh or fish? (usage: instep completions bash|zsh|fish)"),
    ("completions bsh", 2, "completions: there is none for 'bsh', did you mean zsh? (usage: instep completions"),
    (
        "completions powershell",
        2,
        "completions: there is none for 'powershell' (usage: instep completions bash|zsh|fish)",
    ),
];

#[test]
fn every_mistake_is_answered_by_one_line_that_names_it() {
    let mut wrong = Vec::new();
    for (words, code, wanted) in MISTAKES {
        let ran = program().args(words.split(' ')).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        let line = said.strip_prefix("instep: ").unwrap_or_default().trim_end();
        let is_one_line = said.lines().count() == 1 && ran.stdout.is_empty();
        if ran.status.code() != Some(*code) || !line.starts_with(wanted) || !is_one_line {
            wrong.push(format!("{words}: {:?} {said}", ran.status.code()));
        }
    }
    assert!(wrong.is_empty() && MISTAKES.len() >= 100, "{}", wrong.join("\n"));
}

#[test]
fn a_mistake_is_a_document_where_documents_are_wanted() {
    for words in [&["ctl", "--json", "nods"][..], &["log", "--json"], &["bench", "throughput", "--json", "--pair"]] {
        let ran = program().args(words).output().unwrap();
        assert_eq!(ran.status.code(), Some(2), "{words:?}");
        let document: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        let message = document["error"]["message"].as_str().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stderr), format!("instep: {message}\n"));
        assert_eq!(document["error"]["usage"], true);
    }
}
