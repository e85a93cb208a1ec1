//! The `stepward` command from the outside: exit codes, shapes of output, and a whole life of `stepward run`.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

mod connector;

fn stepward() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepward"));
    for name in ["STEPWARD_CONFIG", "STEPWARD_ADMIN", "STEPWARD_LOG", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    stepward().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn exit_codes_are_a_contract() {
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    for (arguments, code) in [
        (&["version"][..], 0),
        (&["check", "policies"], 0),
        (&["check", "tests/data/bad/typos.stepward.yaml"], 1),
        (&["check", "--deny", "warnings", "tests/data/good/design.stepward.yaml"], 1),
        (&["test", empty], 1),
        (&["nonsense"], 2),
        (&["explain"], 2),
        (&["run", "-c", "nowhere/stepward.yaml"], 3),
        (&["check", "nowhere"], 3),
        (&["reload", "--admin", "http://127.0.0.1:1", "--token-file", "/dev/null"], 3),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn findings_for_people_go_to_stderr_and_for_scripts_to_stdout() {
    let bad = "tests/data/bad/typos.stepward.yaml";
    let people = run(&["check", bad]);
    let told = text(&people.stderr);
    assert!(people.stdout.is_empty());
    for part in [
        "error[key.unknown]: unknown key `upstrem`",
        "--> tests/data/bad/typos.stepward.yaml:9:5",
        "did you mean `upstream`?",
    ] {
        assert!(told.contains(part), "{part} is missing from:\n{told}");
    }
    assert!(!told.contains('\u{1b}'), "no colour into a pipe");
    let scripts = run(&["check", "--format", "json", bad]);
    let report: Value = serde_json::from_slice(&scripts.stdout).unwrap();
    assert_eq!((&report["schema"], &report["errors"]), (&"stepward.check/1".into(), &7.into()));
    let sarif: Value = serde_json::from_slice(&run(&["check", "--format", "sarif", bad]).stdout).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert!(text(&run(&["check", "--format", "github", bad]).stdout).starts_with("::error file=tests/data/bad/typos"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child =
        stepward().args(["schema", "config"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn what_init_writes_passes_its_own_checks_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let within = |arguments: &[&str]| stepward().current_dir(folder.path()).args(arguments).output().unwrap();
    assert_eq!(within(&["init"]).status.code(), Some(0));
    let check = within(&["check", "--deny", "warnings", "--format", "json"]);
    let report: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(check.status.code(), Some(0), "{report:#}");
    assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{report:#}");
    let policy = fs::read_to_string(folder.path().join("policies/login.yaml")).unwrap();
    assert!(policy.lines().any(|line| line.starts_with("mode: shadow")), "nobody is stopped unseen: {policy}");
    let test = within(&["test"]);
    assert_eq!(test.status.code(), Some(0), "{}{}", text(&test.stdout), text(&test.stderr));
    fs::write(folder.path().join("stepward.yaml"), "mine").unwrap();
    assert_eq!(within(&["init"]).status.code(), Some(5));
    assert_eq!(fs::read_to_string(folder.path().join("stepward.yaml")).unwrap(), "mine");
}

#[test]
fn the_tests_of_shipped_policies_pass_in_every_shape() {
    let people = run(&["test", "policies"]);
    assert_eq!(people.status.code(), Some(0), "{}", text(&people.stdout));
    let report: Value = serde_json::from_slice(&run(&["test", "policies", "-f", "json"]).stdout).unwrap();
    assert_eq!(report["schema"], "stepward.test/1");
    assert!(text(&run(&["test", "policies", "-f", "junit"]).stdout).contains("failures=\"0\""));
}

#[test]
fn a_case_that_fails_says_where_it_stands_in_every_shape() {
    let folder = tempfile::tempdir().unwrap();
    let policy = "event: pay\ncovers: [POST /pay]\nwhen_unsure: block\notherwise: forward\n";
    fs::write(folder.path().join("pay.yaml"), policy).unwrap();
    let cases = "tests: pay\ncases:\n  - it: lets everybody through\n    expect: forward\n  - it: blocks everybody\n    expect: block\n";
    fs::write(folder.path().join("pay.test.yaml"), cases).unwrap();
    let told = |format: &str| {
        let output = stepward().current_dir(folder.path()).args(["test", ".", "-f", format]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{format}");
        text(&output.stdout)
    };
    assert!(told("human").contains("FAIL  blocks everybody\n        at ./pay.test.yaml:5:5\n"), "{}", told("human"));
    assert!(told("junit").contains("./pay.test.yaml:5:5"), "{}", told("junit"));
    assert!(told("github").contains("file=./pay.test.yaml,line=5"), "{}", told("github"));
    let json: Value = serde_json::from_str(&told("json")).unwrap();
    assert_eq!(json["files"][0]["cases"][1]["line"], 5, "{json:#}");
    let sarif: Value = serde_json::from_str(&told("sarif")).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!((results.len(), &results[0]["ruleId"]), (1, &"test.failed".into()), "{sarif:#}");
}

#[test]
fn explain_names_the_rule_that_decided() {
    let curl = "curl https://bank.example/transfer -d amount=120 -d payee=DE1";
    let known = ["subject.kind=human", "device.is_known=true", "payee.is_known=true", "ip.is_listed=false"];
    let mut arguments = vec!["explain", "-p", "policies", "--curl", curl];
    known.iter().for_each(|it| arguments.extend(["--given", it]));
    let told = text(&run(&arguments).stdout);
    assert!(told.contains("forward") && told.contains("everyday payment"), "{told}");
    arguments.extend(["-f", "json"]);
    let told: Value = serde_json::from_slice(&run(&arguments).stdout).unwrap();
    assert_eq!(told["explanation"]["decision"]["rule"], "everyday payment");
}

/// An app that answers 200 to everything but `wrong`, which is 401.
fn app() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer_all(stream));
        }
    });
    address
}

fn answer_all(stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap_or(0) > 0 && !line.ends_with("\r\n\r\n") {
            let last = line.lines().last().unwrap().to_ascii_lowercase();
            if let Some(value) = last.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        if line.is_empty() {
            return;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let status = if text(&body).contains("wrong") { "401 Unauthorized" } else { "200 OK" };
        if write!(writer, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

/// A process that serves, with the addresses it has told.
struct Serving {
    child: Child,
    said: mpsc::Receiver<String>,
    heard: Vec<String>,
}

impl Serving {
    fn start(arguments: &[&str], folder: &Path) -> Serving {
        let mut command = stepward();
        command.args(arguments).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (say, said) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(say.send(line))));
        Serving { child, said, heard: Vec::new() }
    }

    /// What follows `prefix` in the first line that has it.
    fn told(&mut self, prefix: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(rest) = self.heard.iter().find_map(|line| line.strip_prefix(prefix)) {
                return rest.trim().to_string();
            }
            let line = self.said.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            assert!(line.is_ok(), "`{prefix}` was not said; what was: {:#?}", self.heard);
            self.heard.push(line.unwrap());
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn stopped(mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it did not stop");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have stopped already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body of one request.
fn http(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request.push_str(&format!("Host: {address}\r\n"));
    }
    headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    write!(stream, "{request}\r\n{body}").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = text(&answer);
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").map_or("", |it| it.1).to_string())
}

const POLICY: &str = "event: admin area\ncovers:\n  - ANY /admin/**\nwhen_unsure: block\notherwise: block\nsteps:\n  - finish: closed\n    then: block\n";

/// A folder with settings that listen on ports of the system's choice.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "listen: [{{ address: 127.0.0.1:0 }}]\nupstreams: {{ app: {{ url: \"http://{}\" }} }}\nroutes: [{{ upstream: app }}]\nstate: {{ path: data, wait: 60s }}\nadmin: {{ address: 127.0.0.1:0 }}\nhealth: {{ address: 127.0.0.1:0 }}\ndecision_log: {{ file: decisions.jsonl }}\naccess_log: {{ file: access.jsonl }}\nlimits: {{ drain: 2s }}\n",
        app()
    );
    fs::write(folder.path().join("stepward.yaml"), settings).unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/admin.yaml"), POLICY).unwrap();
    folder
}

#[test]
fn a_whole_life_of_run() {
    let folder = folder();
    let mut serving = Serving::start(&["run"], folder.path());
    let (data, admin, health) = (serving.told("listening on "), serving.told("admin on "), serving.told("health on "));
    let token = fs::read_to_string(folder.path().join("data/admin-token")).unwrap();
    let bearer = format!("Bearer {}", token.split_whitespace().next().unwrap());
    let auth = ("Authorization", bearer.as_str());

    assert_eq!(http(&data, "GET", "/", &[], "").0, 200, "what is no event is forwarded");
    assert_eq!(http(&data, "GET", "/admin/users", &[], "").0, 403, "the event is decided");
    assert_eq!(http(&health, "GET", "/livez", &[("Host", "any.example")], "").0, 200, "health answers any host");
    let (ready, verbose) = http(&health, "GET", "/readyz?verbose", &[], "");
    assert_eq!(ready, 200, "{verbose}");
    let (_, metrics) = http(&health, "GET", "/metrics", &[], "");
    assert!(metrics.contains("outcome=\"block\""), "{metrics}");

    for (headers, status, why) in [
        (&[][..], 401, "no token"),
        (&[("Authorization", "Bearer sw_guess")], 401, "a wrong token"),
        (&[auth, ("Host", "rebind.example")], 421, "a name that is not ours"),
        (&[auth, ("Origin", "https://evil.example")], 403, "a page of another site"),
        (&[auth, ("Sec-Fetch-Site", "cross-site")], 403, "another site"),
        (&[auth], 200, "the token"),
    ] {
        assert_eq!(http(&admin, "GET", "/api/v1/policies", headers, "").0, status, "{why}");
    }

    let decisions = || http(&admin, "GET", "/api/v1/decisions?outcome=block", &[auth], "").1;
    let begun = Instant::now();
    while !decisions().contains("\"event\":\"admin area\"") {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", decisions());
        thread::sleep(Duration::from_millis(50));
    }
    let json = ("Content-Type", "application/json");
    let question = "{\"url\":\"https://x.example/admin/users\"}";
    let (status, told) = http(&admin, "POST", "/api/v1/evaluate", &[auth, json], question);
    assert_eq!(status, 200, "{told}");
    assert!(told.contains("\"outcome\":\"block\""), "{told}");
    assert!(http(&admin, "POST", "/api/v1/explain", &[auth, json], question).1.contains("\"explanation\""));

    reloading(&folder, &serving, &data, &admin, &health, auth);

    serving.signal("-TERM");
    assert_eq!(serving.stopped(), Some(0), "SIGTERM drains and ends well");
    let log = fs::read_to_string(folder.path().join("decisions.jsonl")).unwrap();
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()) && log.contains("\"admin area\""));
    let access = fs::read_to_string(folder.path().join("access.jsonl")).unwrap();
    assert!(access.contains("/admin/users") && !access.contains("sw_"), "{access}");
}

/// A bad set keeps the last good one at work and is told everywhere; a good one is put to work.
fn reloading(folder: &tempfile::TempDir, serving: &Serving, data: &str, admin: &str, health: &str, auth: (&str, &str)) {
    let policy = folder.path().join("policies/admin.yaml");
    fs::write(&policy, POLICY.replace("then: block", "then: blokc")).unwrap();
    let (status, told) = http(admin, "POST", "/api/v1/reload", &[auth], "");
    assert_eq!(status, 409, "{told}");
    assert!(told.contains("\"line\":8"), "{told}");
    assert_eq!(http(data, "GET", "/admin/users", &[], "").0, 403, "the last good set is at work");
    let (status, verbose) = http(health, "GET", "/readyz?verbose", &[], "");
    assert_eq!(status, 200, "a bad file must not turn traffic away");
    assert!(verbose.contains("admin.yaml:8:"), "{verbose}");
    assert!(http(health, "GET", "/metrics", &[], "").1.contains("stepward_policy_reload_failed_total 1"));

    fs::write(&policy, POLICY.replace("then: block", "then: forward")).unwrap();
    serving.signal("-HUP");
    let begun = Instant::now();
    while http(data, "GET", "/admin/users", &[], "").0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20), "SIGHUP did not put the mended set to work");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn commands_reach_a_running_stepward() {
    let folder = folder();
    let mut serving = Serving::start(&["run"], folder.path());
    let admin = format!("http://{}", serving.told("admin on "));
    let ask = |arguments: &[&str]| {
        let output =
            stepward().current_dir(folder.path()).env("STEPWARD_ADMIN", &admin).args(arguments).output().unwrap();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    assert_eq!(ask(&["reload"]), (Some(0), "release 1, 1 policies\n".into()));
    let (code, told) = ask(&["session", "show", "--subject", "ada"]);
    assert!(code == Some(0) && told.contains("authenticators: 0\n"), "{told}");
    for command in [
        &["session", "show", "--subject", "ada"][..],
        &["session", "invite", "--subject", "ada"],
        &["session", "revoke", "--subject", "ada"],
        &["session", "unlock", "--subject", "ada"],
        &["enrolment", "list", "--subject", "ada"],
        &["enrolment", "reset", "--subject", "ada"],
        &["reload"],
        &["doctor"],
        &["version"],
        &["keys", "list"],
        &["keys", "prepare"],
        &["state", "backup", "saved"],
    ] {
        let mut asked = stepward();
        asked.current_dir(folder.path()).env("STEPWARD_ADMIN", &admin).args(command).args(["--format", "json"]);
        let output = asked.output().unwrap();
        let (told, talk) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{command:?}: {told}{talk}");
        assert!(serde_json::from_str::<serde_json::Value>(&told).is_ok_and(|it| it.is_object()), "{command:?}: {told}");
    }
    assert_eq!(ask(&["session", "revoke", "--subject", "ada"]).0, Some(0));
    assert_eq!(ask(&["session", "unlock", "--ip", "192.0.2.7"]).0, Some(0));
    let (code, told) = ask(&["keys", "export"]);
    assert!(code == Some(0) && told.contains("\"OKP\""), "{told}");
    fs::write(folder.path().join("policies/admin.yaml"), "event: x\n").unwrap();
    let (code, told) = ask(&["reload"]);
    assert!(code == Some(5) && told.contains("admin.yaml"), "{code:?} {told}");
    let (code, told) = ask(&["doctor"]);
    assert!(code == Some(1) && told.contains("FAIL  policies"), "{told}");
    serving.signal("-INT");
    assert_eq!(serving.stopped(), Some(0));
    assert_eq!(ask(&["reload"]).0, Some(4), "nobody is there any more");
}

#[test]
fn proxy_protects_without_a_file_and_writes_none() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = format!("http://{}", app());
    let arguments = ["proxy", "--upstream", &upstream, "--listen", "127.0.0.1:0", "--protect", "login=POST /login"];
    let mut serving = Serving::start(&arguments, folder.path());
    let data = serving.told("listening on ");
    assert_eq!(http(&data, "GET", "/", &[], "").0, 200);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let login = || http(&data, "POST", "/login", &form, "user=ada&password=wrong").0;
    assert_eq!(login(), 401, "the app's own answer");
    let refused = (0..40).map(|_| login()).filter(|status| matches!(status, 403 | 429)).count();
    assert!(refused >= 5, "whoever hammers is stopped, only {refused} of 40 were");
    assert_eq!(http(&data, "GET", "/", &[], "").0, 200, "what is not protected is not touched");
    serving.signal("-TERM");
    assert_eq!(serving.stopped(), Some(0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it wrote a file");
}
