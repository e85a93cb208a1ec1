//! What lies on a disk or in Redis after a whole journey: nothing that says who somebody is, what they know or what they did.

use std::{fs, path::Path, process::Command};

use stepward::{
    keys::{Keys, Purpose, ring::Ring},
    store::{Counted, Drawer, Kind, StateStore},
};

use crate::{
    moving::{KNOWN, PAY},
    process::BINARY,
    recalled::LOCK,
    redis_server::Server,
    visitor::Visitor,
    world::{LOGIN, Town, World, post_office},
};

/// A body that is parked, and a name and address that are remembered.
const NAME: &str = "ada.lovelace@bank.example";
const ADDRESS: &str = "countess@letters.example";
const PAYEE: &str = "DE02120300000000202051";
const SESSION: &str = "app-session-of-ada-1815";
const MAILED: &str = "
event: mailed
covers: [POST /mailed]
succeeded: response.status == 200
when_unsure: block
otherwise: block
facts:
  payee: { from: body.payee, type: text, pii: true, remember: subject }
steps:
  - require: a letter
    proof: [email_code]
    fresh_for: 5m
  - finish: done
    then: forward
";

/// Everything that must not be found, in every spelling in which it could be.
struct Secrets(Vec<(String, Vec<u8>)>);

impl Secrets {
    fn new() -> Secrets {
        Secrets(Vec::new())
    }

    fn add(&mut self, what: &str, plain: &[u8]) {
        for (spelling, bytes) in [
            ("", plain.to_vec()),
            (" in hexadecimal", data_encoding::HEXLOWER.encode(plain).into_bytes()),
            (" in HEXADECIMAL", data_encoding::HEXUPPER.encode(plain).into_bytes()),
            (" in base64", data_encoding::BASE64_NOPAD.encode(plain).into_bytes()),
            (" in base64url", data_encoding::BASE64URL_NOPAD.encode(plain).into_bytes()),
            (" in base32", data_encoding::BASE32_NOPAD.encode(plain).into_bytes()),
            (" backwards", plain.iter().rev().copied().collect()),
        ] {
            self.0.push((format!("{what}{spelling}"), bytes));
        }
        if let Ok(text) = std::str::from_utf8(plain) {
            self.0.push((format!("{what} in capitals"), text.to_uppercase().into_bytes()));
            self.0.push((format!("{what} in a URL"), text.replace('@', "%40").into_bytes()));
        }
    }

    fn found_in(&self, dump: &[u8]) -> Vec<&str> {
        let holds = |secret: &[u8]| memchr_like(dump, secret);
        self.0.iter().filter(|(_, bytes)| holds(bytes)).map(|(what, _)| what.as_str()).collect()
    }
}

fn memchr_like(dump: &[u8], wanted: &[u8]) -> bool {
    let [first, ..] = wanted else { return false };
    dump.iter().enumerate().filter(|(_, byte)| *byte == first).any(|(at, _)| dump[at..].starts_with(wanted))
}

/// Signs in, proves by app, has a letter sent, is parked, becomes known, is counted and locked out.
async fn journey(town: &Town, mailbox: &crate::mailbox::Mailbox) -> (Secrets, Vec<u8>) {
    let mut secrets = Secrets::new();
    let totp = town.totp(NAME).await;
    town.email(NAME, ADDRESS).await;
    let answer = format!(
        "HTTP/1.1 303 See Other\r\nLocation: /\r\nSet-Cookie: sid={SESSION}; Path=/\r\nContent-Length: 0\r\n\r\n"
    );
    town.app.answers("POST /login", &answer);
    town.wait_ms(25 * 3_600_000);
    let mut ada = town.visitor();
    let signed_in = ada.post("/login", &[("username", NAME), ("password", "right-password-of-hers")]).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.text);
    let asked = ada.post("/pay", &[("payee", PAYEE), ("note", "for-the-difference-engine")]).await;
    let resume = town.prove(&mut ada, &asked, &totp).await;
    assert_eq!(ada.post(&resume, &[]).await.status, 200);
    assert_eq!(ada.get("/known").await.status, 200);
    let asked = ada.post("/mailed", &[("payee", PAYEE)]).await;
    let challenge = asked.location().to_string();
    assert!(challenge.starts_with("/.stepward/c/"), "{} {}", asked.status, asked.text);
    ada.get(&format!("{challenge}?m=email_code")).await;
    let code = mailbox.code(1).await;
    assert_eq!(ada.get("/lock").await.status, 403);
    secrets.add("the subject's name", NAME.as_bytes());
    secrets.add("the address", ADDRESS.as_bytes());
    secrets.add("the payee", PAYEE.as_bytes());
    secrets.add("the body of a parked request", b"for-the-difference-engine");
    secrets.add("the app's session", SESSION.as_bytes());
    secrets.add("the password", b"right-password-of-hers");
    secrets.add("the TOTP secret", &totp);
    secrets.add("the client's address", b"127.0.0.1");
    for (name, value) in &ada.cookies {
        secrets.add(&format!("the cookie {name}"), value.as_bytes());
    }
    (secrets, code.into_bytes())
}

fn world(state: &str, mail: std::net::SocketAddr) -> World {
    let world = World::new().policy(LOGIN).policy(PAY).policy(LOCK).policy(KNOWN).policy(MAILED);
    world.mail(mail).settings(state)
}

#[tokio::test]
async fn the_embedded_file_shows_no_secret_and_nobody() {
    let mailbox = post_office().await;
    let town = world("state: { store: embedded, path: state, wait: 60s }", mailbox.address).start().await;
    let (secrets, code) = journey(&town, &mailbox).await;
    let Town { gateway, folder, .. } = town;
    gateway.stop(std::time::Duration::from_millis(200)).await;
    let dump = fs::read(folder.path().join("state/state.redb")).unwrap();
    assert_eq!(secrets.found_in(&dump), Vec::<&str>::new());
    // Six digits are somewhere in any file of this size by chance; beside what a code lies with they would be no chance.
    let in_clear = [&b"\"digits\":\""[..], &code].concat();
    assert!(!memchr_like(&dump, &in_clear));
}

#[tokio::test]
async fn redis_shows_no_secret_and_nobody() {
    let server = Server::start().await;
    let mailbox = post_office().await;
    let state = format!(
        "state: {{ store: redis, url: {{ file: \"{}\" }}, path: state, wait: 60s }}",
        server.url_file().display()
    );
    let town = world(&state, mailbox.address).start().await;
    let (secrets, code) = journey(&town, &mailbox).await;
    let mut dump = Vec::new();
    let mut seen = 0;
    let redis::Value::Array(keys) = server.ask(&["KEYS", "*"]).await else { panic!("no keys") };
    for key in keys {
        let redis::Value::BulkString(key) = key else { panic!("no name") };
        let key = String::from_utf8(key).unwrap();
        dump.extend(key.as_bytes());
        dump.push(b'\n');
        let redis::Value::SimpleString(kind) = server.ask(&["TYPE", &key]).await else { panic!("no kind") };
        let read: &[&str] = match &*kind {
            "string" => &["GET"],
            "hash" => &["HGETALL"],
            "zset" => &["ZRANGE", "0", "-1", "WITHSCORES"],
            "stream" => &["XRANGE", "-", "+"],
            other => panic!("{key} is of a kind that nobody looked at: {other}"),
        };
        let words: Vec<&str> = [read[0], &key].into_iter().chain(read[1..].iter().copied()).collect();
        flatten(&server.ask(&words).await, &mut dump);
        seen += 1;
    }
    assert!(seen > 8, "{seen} keys");
    assert_eq!(secrets.found_in(&dump), Vec::<&str>::new());
    assert!(!memchr_like(&dump, &[&b"\"digits\":\""[..], &code].concat()));
}

fn flatten(value: &redis::Value, into: &mut Vec<u8>) {
    match value {
        redis::Value::BulkString(bytes) => into.extend(bytes),
        redis::Value::Array(all) => all.iter().for_each(|it| flatten(it, into)),
        redis::Value::Map(all) => all.iter().for_each(|(key, it)| {
            flatten(key, into);
            flatten(it, into);
        }),
        other => into.extend(format!("{other:?}").into_bytes()),
    }
    into.push(b'\n');
}

#[tokio::test]
async fn what_lies_in_one_place_does_not_open_in_another() {
    let town = World::new().policy(LOGIN).policy(PAY).start().await;
    town.totp("ada").await;
    let parts = town.gateway.journeys.parts();
    let [ada, bob] = ["ada", "bob"].map(|name| parts.sessions.account("default", name));
    let [hers] = &parts.store.enrolments(ada, Drawer::Authenticators).await.unwrap()[..] else { panic!("one app") };
    let keys = Keys::of(Ring::load(&town.folder.path().join("state/keys.yaml")).unwrap());
    let owner = |account: [u8; 16], id: [u8; 16]| [account, id].concat();
    let opens = |purpose, tenant, owner: &[u8]| keys.open(purpose, tenant, owner, &hers.sealed).is_ok();
    assert!(opens(Purpose::Authenticator, "default", &owner(ada, hers.id)));
    assert!(!opens(Purpose::Authenticator, "other", &owner(ada, hers.id)), "another tenant");
    assert!(!opens(Purpose::Authenticator, "default", &owner(bob, hers.id)), "another subject");
    assert!(!opens(Purpose::Authenticator, "default", &owner(ada, [1; 16])), "another entry of hers");
    assert!(!opens(Purpose::Contact, "default", &owner(ada, hers.id)), "another purpose");
    // Whoever can write to the store gives Bob Ada's secret: it proves nothing for him.
    parts.store.enrol(bob, Drawer::Authenticators, hers.id, hers.sealed.clone()).await.unwrap();
    let secret: Vec<u8> = {
        let plain = keys.open(Purpose::Authenticator, "default", &owner(ada, hers.id), &hers.sealed).unwrap().plain;
        let kept: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        serde_json::from_value(kept["Totp"]["secret"].clone()).unwrap()
    };
    let mut visitor = town.visitor();
    town.sign_in(&mut visitor, "bob").await;
    let asked = visitor.post("/pay", &[]).await;
    if asked.location().starts_with("/.stepward/c/") {
        let challenge = asked.location().to_string();
        visitor.get(&challenge).await;
        visitor.post(&challenge, &[("method", "totp"), ("code", &town.code(&secret))]).await;
    }
    assert_ne!(visitor.post("/pay", &[]).await.status, 200);
    let who = Counted { kind: Kind::Account, id: ada };
    assert_ne!(who.id, parts.sessions.account("other", "ada"), "nor has she the same name in another tenant");
}

fn stepward(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let came = Command::new(BINARY).args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (came.status.code().unwrap(), text(&came.stdout), text(&came.stderr))
}

/// Asks for a code and gives the right one.
async fn proves(town: &Town, secret: &[u8]) -> Visitor {
    let mut visitor = town.visitor();
    town.sign_in(&mut visitor, "ada").await;
    let asked = visitor.post("/pay", &[]).await;
    town.prove(&mut visitor, &asked, secret).await;
    assert_eq!(visitor.post("/pay", &[]).await.status, 200);
    visitor
}

#[tokio::test]
async fn a_key_is_readable_before_it_is_current_and_goes_when_nothing_needs_it() {
    const STATE: &str = "state: { store: embedded, path: state, wait: 60s }";
    let town = World::new().policy(LOGIN).policy(PAY).settings(STATE).start().await;
    let secret = town.totp("ada").await;
    let mut ada = proves(&town, &secret).await;
    let town = town
        .elsewhere(STATE, async |folder, _| {
            assert_eq!(stepward(folder, &["keys", "promote"]).0, 5, "there is none to promote");
            assert_eq!(stepward(folder, &["keys", "prepare"]).0, 0);
            let (code, listed, told) = stepward(folder, &["keys", "list"]);
            assert_eq!(code, 0, "{told}");
            let states: Vec<_> =
                listed.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>()).collect();
            assert_eq!(states, [["1", "current"], ["2", "readable"]]);
        })
        .await;
    ada.goes_to(town.address());
    assert_eq!(ada.post("/pay", &[]).await.status, 200, "prepared, and nothing has changed");
    let town = town
        .elsewhere(STATE, async |folder, _| {
            assert_eq!(stepward(folder, &["keys", "promote"]).0, 0);
            let (code, _, told) = stepward(folder, &["keys", "retire", "1"]);
            assert_eq!(code, 5, "{told}");
            assert!(told.contains("start it with the current one first"), "{told}");
        })
        .await;
    ada.goes_to(town.address());
    assert_eq!(ada.post("/pay", &[]).await.status, 200, "what the old key sealed still opens");
    let running = stepward(town.folder.path(), &["keys", "retire", "1"]);
    assert_eq!(running.0, 5, "{}", running.2);
    let town = town
        .elsewhere(STATE, async |folder, _| {
            let (code, _, told) = stepward(folder, &["keys", "retire", "1"]);
            assert_eq!(code, 5, "{told}");
            assert!(told.contains("is needed by 1 authenticators, 1 devices"), "{told}");
            let (code, _, told) = stepward(folder, &["keys", "reseal"]);
            assert_eq!(code, 0, "{told}");
            let (code, _, told) = stepward(folder, &["keys", "retire", "1", "--lose"]);
            assert_eq!(code, 0, "{told}");
            assert!(!told.contains("authenticators"), "only sessions were left to lose: {told}");
            assert!(told.contains("key 1 is gone"), "{told}");
            assert_eq!(stepward(folder, &["keys", "retire", "2"]).0, 5, "the current one stays");
        })
        .await;
    proves(&town, &secret).await;
}
