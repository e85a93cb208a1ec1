//! Identity documents and pushes, by vendors on loopback that answer as they are told.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::StatusCode;

use crate::{
    visitor::{Seen, Visitor},
    world::{App, LOGIN, Town, World},
};

mod documents;
mod embed;
mod inbound;
mod nodes;
mod push;

/// What webhooks are signed with.
const KEY: &str = "made-up";

/// A payment that asks for a proof by these methods.
fn pay(methods: &str) -> String {
    format!(
        "event: pay\ncovers: [POST /pay]\nsucceeded: response.status == 200\nfailed: response.status == 402\npark_for: 10m\nwhen_unsure: block\notherwise: block\nsteps:\n  - require: a proof\n    proof: {methods}\n    fresh_for: 1h\n    attempts: 2\n    on_fail: {{ lock_out: subject, for: 15m }}\n  - finish: pay\n    then: forward\n"
    )
}

/// A vendor of identity documents: redirects, is asked, and sends webhooks.
fn checker(id: &str, vendor: &App) -> String {
    format!(
        r#"
connector: {id}
capability: idv
network: internal
data: {{ sends: [user_ref, return_url] }}
secrets: {{ hook: {{}} }}
inputs: {{ user_ref: {{ required: true }}, return_url: {{ required: true }} }}
operations:
  start:
    kind: start
    good_for: 1h
    request: {{ method: POST, url: "http://{0}/start", json: {{ who: "${{input.user_ref}}", back: "${{input.return_url}}" }} }}
    timeout: 2s
    response: {{ keep_state: {{ reference: body.id }}, redirect: body.url }}
  ask:
    kind: poll
    request: {{ method: GET, url: "http://{0}/state/${{state.reference}}" }}
    timeout: 1s
    response: &said
      outcome: [{{ when: body.status == 'processing', then: pending }}]
      map: {{ idv.status: body.status, idv.reference: body.id }}
      required: [idv.status]
  hook:
    kind: inbound
    receive:
      verify: {{ type: hmac, header: X-Sig, field: v1, key: "${{secret.hook}}", string_to_sign: "${{req.timestamp}}.${{req.body}}", timestamp: {{ field: t }} }}
      event: body.event
      reference: body.id
    response:
      outcome: [{{ when: body.status == 'processing', then: pending }}]
      map: {{ idv.status: body.status, idv.reference: body.id }}
      required: [idv.status]
"#,
        vendor.address
    )
    .replace(" &said", "")
}

/// A town in which `a` and `b`, as far as there are vendors, look at documents; `a` begins `vs-1`.
fn world(methods: &str, vendors: &[&App]) -> World {
    let settings = "connectors: connectors\nsecrets: { a.hook: { file: hook }, b.hook: { file: hook } }";
    let mut world = World::new().policy(LOGIN).policy(&pay(methods)).settings(settings).file("hook", KEY);
    let mut route = String::from("capability: idv\nbreaker: { failures: 2 }\nconnectors:\n");
    for (id, vendor) in ["a", "b"].into_iter().zip(vendors) {
        begins(vendor, "vs-1");
        stands(vendor, "vs-1", "processing");
        world = world.file(&format!("connectors/{id}/connector.yaml"), &checker(id, vendor));
        route += &format!("  - {{ connector: {id} }}\n");
    }
    world.file("connectors/routes/idv.yaml", &route)
}

async fn town(methods: &str, vendors: &[&App]) -> Town {
    world(methods, vendors).start().await
}

/// What this vendor begins from now on.
fn begins(vendor: &App, reference: &str) {
    let url = format!("http://{}/check/{reference}", vendor.address);
    vendor.says("POST /start", 200, &format!(r#"{{"id": "{reference}", "url": "{url}"}}"#));
}

/// How it stands, by this vendor's word.
fn stands(vendor: &App, reference: &str, status: &str) {
    let says = format!(r#"{{"id": "{reference}", "status": "{status}"}}"#);
    vendor.says(&format!("GET /state/{reference}"), 200, &says);
}

/// Somebody signed in, and the challenge that a payment leads to.
async fn challenged(town: &Town, name: &str) -> (Visitor, String) {
    let mut visitor = town.visitor();
    town.sign_in(&mut visitor, name).await;
    let challenge = pays(&mut visitor).await;
    (visitor, challenge)
}

async fn pays(visitor: &mut Visitor) -> String {
    let asked = visitor.post("/pay", &[("amount", "900")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    asked.location().to_string()
}

async fn begin(visitor: &mut Visitor, challenge: &str) -> Seen {
    visitor.post(challenge, &[("method", "id_document")]).await
}

/// Looks until the page leads on, or shows this; time passes.
async fn look(town: &Town, visitor: &mut Visitor, challenge: &str) -> Seen {
    town.wait_ms(2500);
    visitor.get(challenge).await
}

/// The page once it says this.
async fn look_until(town: &Town, visitor: &mut Visitor, challenge: &str, is_it: impl Fn(&Seen) -> bool) -> Seen {
    for _ in 0..200 {
        let seen = look(town, visitor, challenge).await;
        if is_it(&seen) {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never came");
}

fn leads_on(seen: &Seen) -> bool {
    seen.location().ends_with("/continue")
}

/// Goes on after a proof: the parked request is sent.
async fn go_on(visitor: &mut Visitor, passed: &Seen) -> Seen {
    let page = visitor.get(passed.location()).await;
    visitor.post(&page.after("action=\""), &[]).await
}

fn sign(key: &str, text: &str) -> String {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap().chain_update(text).finalize();
    data_encoding::HEXLOWER.encode(&mac.into_bytes())
}

/// A webhook as the vendor signs it, sent at this moment.
fn signature(key: &str, sent_ms: i64, body: &str) -> String {
    let sent = sent_ms / 1000;
    format!("t={sent},v1={}", sign(key, &format!("{sent}.{body}")))
}

/// Sends a webhook to a node; its status.
async fn send(town: &Town, connector: &str, signature: &str, body: &str) -> StatusCode {
    let url = format!("http://{}/.stepward/inbound/{connector}", town.address());
    let request =
        town.visitor().client().post(url).header("x-sig", signature).header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await.unwrap();
    let status = answer.status();
    assert!(answer.headers().get("set-cookie").is_none(), "a vendor gets no session");
    assert_eq!(answer.text().await.unwrap(), "", "nor any word");
    status
}

/// A good webhook of `a`.
async fn tell(town: &Town, event: &str, reference: &str, status: &str) -> StatusCode {
    let body = format!(r#"{{"event": "{event}", "id": "{reference}", "status": "{status}"}}"#);
    send(town, "a", &signature(KEY, now_ms(town), &body), &body).await
}

fn now_ms(town: &Town) -> i64 {
    town.gateway.journeys.parts().clock.now_ms()
}
