//! Bad input: every shipped file, broken in every way that a hand, an editor or a disk breaks one. Nothing panics, no
//! control is dropped in silence, and what is wrong is told with its place and with what to try.

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use stepward::{
    registry::{self, Target, folder::Set, lacking::Lacking},
    render::Texts,
    settings::{self, Presence},
    vendors,
};
use stepward_core::{
    attribute::Catalogue,
    diagnostic::{Diagnostic, Severity},
    policy::{Policy, compile::Options},
    trial,
};

/// What a file is, and so who reads it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Settings,
    Policy,
    Test,
    Connector,
    Route,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of ours that people begin with.
fn shipped() -> Vec<(Kind, PathBuf)> {
    let mut files = Vec::new();
    for name in ["deploy/stepward.yaml", "src/cli/init/stepward.yaml", "tests/data/good/everything.stepward.yaml"] {
        files.push((Kind::Settings, root().join(name)));
    }
    for entry in fs::read_dir(root().join("policies")).unwrap() {
        let path = entry.unwrap().path();
        let kind = if path.to_str().unwrap().ends_with(".test.yaml") { Kind::Test } else { Kind::Policy };
        files.push((kind, path));
    }
    for name in ["abuseipdb", "ip-api"] {
        files.push((Kind::Connector, root().join("connectors").join(name).join("connector.yaml")));
    }
    files.push((Kind::Route, root().join("connectors/routes/ip_reputation.yaml")));
    files.sort_by(|a, b| a.1.cmp(&b.1));
    files
}

fn target() -> Target {
    let options = Options {
        methods: registry::METHODS_BUILT.into_iter().collect(),
        upstreams: None,
        approvers: None,
        can_mail: true,
    };
    Target { catalogue: Catalogue::builtin(), options, lacking: Lacking::default() }
}

/// Everything that is found wrong with a text, by whoever reads such files.
struct Reader {
    policies: Vec<Arc<Policy>>,
    catalogue: Catalogue,
    folder: tempfile::TempDir,
}

impl Reader {
    fn new() -> Reader {
        let set = registry::folder::read(&root().join("policies"));
        let policies = registry::load(set, &target(), 1, 0).unwrap_or_else(|it| panic!("{:?}", it.found)).policies;
        Reader { policies, catalogue: Catalogue::builtin(), folder: tempfile::tempdir().unwrap() }
    }

    fn read(&self, kind: Kind, path: &Path, text: &str) -> Vec<Diagnostic> {
        let file: Arc<str> = path.display().to_string().into();
        match kind {
            Kind::Settings => match settings::read(&file, text, Path::new("/nowhere"), Presence::Advised) {
                Ok(loaded) => loaded.found,
                Err(rejected) => rejected.found,
            },
            Kind::Policy => {
                let set = Set { texts: Texts::from([(file, text.into())]), found: Vec::new() };
                match registry::load(set, &target(), 1, 0) {
                    Ok(release) => release.found,
                    Err(refusal) => refusal.found,
                }
            }
            Kind::Test => trial::run(&self.policies, &self.catalogue, &file, text).diagnostics,
            Kind::Connector | Kind::Route => self.connectors(kind, path, text),
        }
    }

    /// Connectors are read from a folder; there is one for each reader.
    fn connectors(&self, kind: Kind, path: &Path, text: &str) -> Vec<Diagnostic> {
        let folder = self.folder.path().join("connectors");
        for name in ["abuseipdb", "ip-api"] {
            let place = folder.join(name);
            fs::create_dir_all(&place).unwrap();
            fs::copy(root().join("connectors").join(name).join("connector.yaml"), place.join("connector.yaml"))
                .unwrap();
        }
        fs::create_dir_all(folder.join("routes")).unwrap();
        let route = "connectors/routes/ip_reputation.yaml";
        fs::copy(root().join(route), self.folder.path().join(route)).unwrap();
        let place = match kind {
            Kind::Route => folder.join("routes/ip_reputation.yaml"),
            _ => folder.join(path.parent().unwrap().file_name().unwrap()).join("connector.yaml"),
        };
        fs::write(place, text).unwrap();
        vendors::load::read(&folder, &self.catalogue).err().unwrap_or_default()
    }
}

/// A broken text, what was done to it, and whether it must not load.
struct Broken {
    how: String,
    text: String,
    must_fail: bool,
}

/// A line that says `key: value` or `key:`, and not in a comment; the key's end and the value's start.
fn key_of(line: &str) -> Option<(usize, usize)> {
    let start = line.find(|it: char| it != ' ' && it != '-')?;
    let end = start + line[start..].find(':')?;
    let plain = line[start..end].bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
    let after = &line[end + 1..];
    (plain && end > start && (after.is_empty() || after.starts_with(' '))).then_some((end, end + 1))
}

/// Keys below these are names that people choose.
const CHOSEN_BELOW: [&str; 17] = [
    "facts",
    "settings",
    "upstreams",
    "secrets",
    "lists",
    "usually",
    "given",
    "attributes",
    "map",
    "inputs",
    "headers",
    "query",
    "proofs",
    "input",
    "body",
    "values",
    "operations",
];

/// The keys that a line stands under, from its indentation.
fn above<'t>(lines: &[&'t str], at: usize) -> Vec<&'t str> {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let mut wanted = indent(lines[at]);
    let mut keys = Vec::new();
    for line in lines[..at].iter().rev().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')) {
        if indent(line) < wanted {
            wanted = indent(line);
            keys.extend(line.trim_start_matches([' ', '-']).split(':').next());
        }
    }
    keys
}

const VALUES: [&str; 22] = [
    "[]",
    "{}",
    "true",
    "~",
    "-1",
    "99999999999999999999",
    "1e309",
    "0x10",
    "\"\\0\"",
    "\"\\u202e\"",
    "!tag x",
    "&a [*a]",
    "*a",
    "|",
    "'",
    "\"",
    "{a: {a: {a: 1}}}",
    "[a, [b]]",
    "NO",
    "2026-01-01",
    "80 ms",
    "${secret.key}",
];

fn mutations(text: &str) -> Vec<Broken> {
    let lines: Vec<&str> = text.lines().collect();
    let mut all = Vec::new();
    let mut add = |how: String, text: String, must_fail: bool| all.push(Broken { how, text, must_fail });
    let with = |at: usize, line: &str| {
        let mut lines: Vec<&str> = lines.clone();
        lines[at] = line;
        lines.join("\n") + "\n"
    };
    for (at, line) in lines.iter().enumerate() {
        let number = at + 1;
        let Some((end, value)) = key_of(line) else { continue };
        let under = above(&lines, at);
        let chosen = under.iter().any(|key| CHOSEN_BELOW.contains(key));
        let mut dropped = lines.clone();
        dropped.remove(at);
        add(format!("line {number} dropped"), dropped.join("\n") + "\n", false);
        let is_scalar = !line[value..].trim().is_empty() && !line.trim_start().starts_with('-');
        if is_scalar && !line.contains(['[', '{', '|', '>']) {
            let mut doubled = lines.clone();
            doubled.insert(at, line);
            add(format!("line {number} doubled"), doubled.join("\n") + "\n", true);
        }
        let typo = format!("{}x{}", &line[..end], &line[end..]);
        add(format!("line {number} with a typo: {}", typo.trim()), with(at, &typo), !chosen);
        // The rest on every third line: each of them costs a whole compilation.
        if at % 3 != 0 {
            continue;
        }
        let capital = format!("{}{}", line[..end].to_uppercase(), &line[end..]);
        add(format!("line {number} in capitals"), with(at, &capital), !chosen);
        let odd = VALUES[(at * 7) % VALUES.len()];
        add(format!("line {number} with {odd}"), with(at, &format!("{}: {odd}", &line[..end])), false);
        let other = VALUES[(at * 11 + 5) % VALUES.len()];
        add(format!("line {number} with {other}"), with(at, &format!("{}: {other}", &line[..end])), false);
        add(format!("line {number} with a tab"), with(at, &format!("\t{}", line.trim_start())), false);
        let cut: usize = lines[..at].iter().map(|it| it.len() + 1).sum::<usize>() + end;
        add(format!("cut in line {number}"), text.get(..cut).unwrap_or_default().to_string(), false);
    }
    let (open, close) = ("[".repeat(5_000), "]".repeat(5_000));
    add("byte order mark".into(), format!("\u{feff}{text}"), false);
    add("carriage returns".into(), text.replace('\n', "\r\n"), false);
    add("old Mac line ends".into(), text.replace('\n', "\r"), false);
    add("tabs".into(), text.replace("  ", "\t"), false);
    add("empty".into(), String::new(), false);
    add("blank".into(), " \n\n  \n".into(), false);
    add("only a comment".into(), "# nothing\n".into(), false);
    add("twice".into(), format!("{text}\n---\n{text}"), true);
    add("as a list".into(), "- a\n- b\n".into(), true);
    add("as a text".into(), "hello\n".into(), true);
    add("as a number".into(), "42\n".into(), true);
    add("nested deeply".into(), format!("{text}\nzz: {open}{close}\n"), true);
    add("nested deeply in the value of a first key".into(), format!("event: {open}{close}\n"), true);
    add("open brackets".into(), format!("{text}\nzz: {open}\n"), true);
    add("aliases that grow".into(), format!("{text}\nza: &a [x,x]\nzb: &b [*a,*a]\nzc: [*b,*b]\n"), true);
    add("zero bytes".into(), text.replacen(':', ":\0", 3), false);
    add("control characters".into(), text.replacen(": ", ": \u{1b}[2J\u{7}", 2), false);
    add("direction marks".into(), text.replacen(": ", ": \u{202e}", 2), false);
    add("a line of a mebibyte".into(), format!("{text}\nzz: {}\n", "y".repeat(1 << 20)), true);
    add("a comment of a mebibyte".into(), format!("{text}\n# {}\n", "y".repeat(1 << 20)), false);
    add("other quotes".into(), text.replace(['\'', '"'], "\u{2019}"), false);
    add("no-break spaces".into(), text.replacen(": ", ":\u{a0}", 4), false);
    add("JSON".into(), "{\"event\": 1, \"event\": 2}".into(), true);
    add("merge key".into(), format!("{text}\n<<: {{ a: b }}\n"), true);
    all
}

/// What is wrong with a finding itself.
fn fault_of(finding: &Diagnostic, path: &Path, text: &str) -> Option<String> {
    let span = &finding.span;
    // What a broken connector means for its route is told at the route.
    let elsewhere = !path.ends_with(&*finding.file);
    let place =
        elsewhere || text.get(span.clone()).is_some() || (span.start >= text.len() && span.start <= text.len() + 1);
    let at_least = finding.message.len() >= 8 && !finding.code.is_empty();
    match (place, at_least) {
        (false, _) => Some(format!("points nowhere: {span:?} of {}", text.len())),
        (_, false) => Some("says nothing".into()),
        (true, true) => None,
    }
}

#[test]
fn thousands_of_broken_files_are_told_and_none_is_read_over() {
    let reader = Reader::new();
    let (mut tried, mut refused, mut without_help, mut faults) = (0, 0, 0, Vec::new());
    for (kind, path) in shipped() {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let before = reader.read(kind, &path, &text);
        assert!(before.iter().all(|it| it.severity != Severity::Error), "{name} as shipped: {before:?}");
        for broken in mutations(&text) {
            tried += 1;
            let began = Instant::now();
            let read = panic::catch_unwind(AssertUnwindSafe(|| reader.read(kind, &path, &broken.text)));
            let mut fault = |why: String| faults.push(format!("{name}, {}: {why}", broken.how));
            let Ok(found) = read else {
                fault("panicked".into());
                continue;
            };
            if began.elapsed() > Duration::from_secs(5) {
                fault(format!("took {:?}", began.elapsed()));
            }
            let errors: Vec<_> = found.iter().filter(|it| it.severity == Severity::Error).collect();
            refused += usize::from(!errors.is_empty());
            if broken.must_fail && errors.is_empty() {
                fault(format!("was read over ({} findings)", found.len()));
            }
            for finding in &found {
                if let Some(why) = fault_of(finding, &path, &broken.text) {
                    fault(format!("{} {:?} {why}", finding.code, finding.message));
                }
            }
            without_help += errors.iter().filter(|it| it.help.is_none()).count();
        }
    }
    eprintln!("{tried} broken files, {refused} refused, {without_help} errors without advice");
    faults.truncate(40);
    assert!(faults.is_empty(), "{} of {tried}:\n{}", faults.len(), faults.join("\n"));
    assert!(tried > 1_000 && refused * 2 > tried, "{refused} of {tried} refused");
}

/// Runs `stepward check` on a path: exit code, and all it said.
fn check(path: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepward"));
    let came = command.arg("check").arg(path).current_dir(path.parent().unwrap()).output().unwrap();
    let said = [came.stdout, came.stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
    (came.status.code(), said)
}

/// Does something to a folder of files.
type Spoil = dyn Fn(&Path);

#[test]
fn whatever_lies_where_a_file_should_be_is_told_by_its_name() {
    let policy = fs::read(root().join("policies/sign-up.yaml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| {
        let place = folder.path().join(name);
        fs::create_dir_all(&place).unwrap();
        place
    };
    let cases: Vec<(&str, Box<Spoil>)> = vec![
        ("a folder", Box::new(|path| fs::create_dir(path).unwrap())),
        ("a link to itself", Box::new(|path| std::os::unix::fs::symlink(path, path).unwrap())),
        ("a link to nothing", Box::new(|path| std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap())),
        ("bad UTF-8", Box::new(|path| fs::write(path, b"event: \xff\xfe\n").unwrap())),
        ("UTF-16", Box::new(|path| fs::write(path, b"\xff\xfee\0v\0e\0n\0t\0:\0").unwrap())),
        ("a picture", Box::new(|path| fs::write(path, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap())),
        ("nothing in it", Box::new(|path| fs::write(path, b"").unwrap())),
    ];
    for (what, make) in &cases {
        for (folder_name, file, good) in [("policies", "bad.yaml", true), ("settings", "stepward.yaml", false)] {
            let place = at(&format!("{}-{folder_name}", what.replace(' ', "-")));
            if good {
                fs::write(place.join("good.yaml"), &policy).unwrap();
            }
            make(&place.join(file));
            let shown = if good { place.clone() } else { place.join(file) };
            let (code, said) = check(&shown);
            // A folder is looked at as one of policies, and there are none in it: nothing is lost by it.
            if what == &"a folder" {
                assert_eq!(code, Some(i32::from(!good)), "{said}");
                continue;
            }
            assert!([Some(1), Some(3)].contains(&code), "{what} as {file}: {code:?} {said}");
            assert!(said.contains(file) && !said.contains("panicked"), "{what} as {file}: {said}");
        }
    }
    let deep = at("circle");
    fs::write(deep.join("good.yaml"), &policy).unwrap();
    std::os::unix::fs::symlink(&deep, deep.join("again")).unwrap();
    let (code, said) = check(&deep);
    assert!(code == Some(1) && said.contains("deeper"), "a circle of links: {code:?} {said}");
    let (code, said) = check(&folder.path().join("nowhere.yaml"));
    assert!(code == Some(3) && said.contains("nowhere.yaml"), "{code:?} {said}");
}

#[test]
fn what_is_wrong_in_a_file_of_tests_is_told_by_check_too() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["sign-up.yaml", "sign-up.test.yaml"] {
        fs::copy(root().join("policies").join(name), folder.path().join(name)).unwrap();
    }
    assert_eq!(check(folder.path()).0, Some(0));
    let tests = folder.path().join("sign-up.test.yaml");
    let text = fs::read_to_string(&tests).unwrap();
    fs::write(&tests, text.replacen("cases:", "casess:", 1)).unwrap();
    for path in [folder.path(), &*tests] {
        let (code, said) = check(path);
        assert!(code == Some(1) && said.contains("casess") && said.contains("sign-up.test.yaml:"), "{code:?} {said}");
    }
}
