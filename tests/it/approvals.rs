//! Approval by another person, as people and programs meet it: who asks waits, who may approves by passkey, once.

use std::net::TcpListener;

use http::StatusCode;
use serde_json::Value;

use crate::{
    passkeys::{
        self,
        authenticator::{Authenticator, How},
    },
    visitor::{Seen, Visitor},
    world::{LOGIN, Town, World},
};

mod bounds;
mod chromium;
mod journey;
mod nodes;
mod refusals;

/// A transfer that a colleague has to approve.
const TRANSFER: &str = "
event: transfer money
covers: [POST /transfer]
facts:
  payee: { from: body.payee, type: text }
  amount: { from: body.amount, type: number }
succeeded: response.status == 200
failed: response.status == 402
when_unsure: block
otherwise: block
steps:
  - require: approval by a colleague
    proof: [approval]
    approvers: payments
    bind_to: [event.payee, event.amount]
    fresh_for: 15m
    attempts: 2
    on_fail: { lock_out: session, for: 15m }
  - finish: pay
    then: forward
";

/// The same event, for another group.
const BOARD: &str = "
event: close account
covers: [POST /close]
succeeded: response.status == 200
failed: response.status == 402
when_unsure: block
otherwise: block
steps:
  - require: approval by the board
    proof: [approval]
    approvers: board
    fresh_for: 15m
  - finish: close
    then: forward
";

/// A gateway at a name that passkeys are good for.
struct Bank {
    town: Town,
    port: u16,
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Settings with these groups of approvers.
fn approvals(ports: &[u16], groups: &str) -> String {
    let origins: Vec<String> = ports.iter().map(|port| format!("\"http://localhost:{port}\"")).collect();
    format!(
        "passkeys: {{ rp_id: localhost, origins: [{}] }}\napprovals: {{ waits: 15m, groups: {groups} }}",
        origins.join(", ")
    )
}

/// A world with these groups and policies that listens at the first of these ports, not started.
fn world(ports: &[u16], groups: &str) -> World {
    World::new()
        .listen(&format!("[{{ address: \"127.0.0.1:{}\" }}]", ports[0]))
        .settings(&approvals(ports, groups))
        .policy(LOGIN)
        .policy(TRANSFER)
        .policy(BOARD)
}

impl Bank {
    /// Carol and Dave approve payments, and so may Ada, but never her own; the board is Erin.
    async fn open() -> Bank {
        Bank::with(|world| world).await
    }

    async fn with(more: impl FnOnce(World) -> World) -> Bank {
        let port = free_port();
        let world = more(world(&[port], "{ payments: [carol, dave, ada], board: [erin, carol] }"));
        Bank { town: world.start().await, port }
    }

    fn how(&self) -> How {
        How { origin: format!("http://localhost:{}", self.port), rp_id: "localhost".into(), ..How::right() }
    }

    /// A browser of somebody who is signed in.
    async fn person(&self, name: &str) -> Visitor {
        let mut visitor = self.town.visitor();
        visitor.is_at(&format!("http://localhost:{}", self.port));
        self.town.sign_in(&mut visitor, name).await;
        visitor
    }

    /// The same, with a passkey.
    async fn approver(&self, name: &str) -> (Visitor, Authenticator) {
        let mut visitor = self.person(name).await;
        let authenticator = self.add_passkey(&mut visitor, name).await;
        (visitor, authenticator)
    }

    async fn add_passkey(&self, visitor: &mut Visitor, name: &str) -> Authenticator {
        let parts = self.town.gateway.journeys.parts();
        let invitation = parts.challenges.invite("default", parts.sessions.account("default", name));
        let invited = invitation.split_once('?').unwrap().1;
        let begun = visitor.post(&format!("/.stepward/methods/passkey?{invited}"), &[]).await;
        let page = begun.location().to_string();
        let options = passkeys::held(&visitor.get(&page).await.text, "data-make");
        let mut authenticator = Authenticator::new(name);
        let made = authenticator.make(&options, &self.how());
        let kept = visitor.post(&page, &[("code", &made.to_string()), ("label", "")]).await;
        assert_eq!(kept.status, StatusCode::SEE_OTHER, "{}", kept.text);
        authenticator
    }

    /// A transfer, and the page where approval can be asked for.
    async fn pays(&self, visitor: &mut Visitor, amount: &str) -> String {
        self.town.app.says("POST /transfer", 200, "paid");
        let asked = visitor.post("/transfer", &[("payee", "DE02"), ("amount", amount)]).await;
        assert!(asked.location().starts_with("/.stepward/c/"), "{} {}", asked.status, asked.text);
        asked.location().to_string()
    }

    /// The same, and approval is asked for.
    async fn asks(&self, visitor: &mut Visitor, amount: &str) -> String {
        let challenge = self.pays(visitor, amount).await;
        let begun = visitor.post(&challenge, &[("method", "approval")]).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
        let waits = visitor.get(begun.location()).await;
        assert!(waits.text.contains("were asked"), "{}", waits.text);
        challenge
    }

    fn paid(&self) -> usize {
        self.town.app.count("POST /transfer")
    }
}

/// What waits for this person, as addresses.
async fn waiting(visitor: &mut Visitor) -> Vec<String> {
    let page = visitor.get("/.stepward/approvals").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let links = page.text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().replace("&#x2f;", "/"));
    links.filter(|it| it.starts_with("/.stepward/approvals/")).collect()
}

/// The only thing that waits for this person.
async fn the_one(visitor: &mut Visitor) -> String {
    let all = waiting(visitor).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

/// What the browser is asked to sign on this page.
async fn to_sign(visitor: &mut Visitor, page: &str) -> Value {
    passkeys::held(&visitor.get(page).await.text, "data-use")
}

async fn send(visitor: &mut Visitor, page: &str, assertion: &Value) -> Seen {
    visitor.post(page, &[("answer", "approve"), ("code", &assertion.to_string())]).await
}

/// Approves what is on this page.
async fn approve(bank: &Bank, visitor: &mut Visitor, authenticator: &mut Authenticator, page: &str) -> Seen {
    let options = to_sign(visitor, page).await;
    let sent = send(visitor, page, &authenticator.sign(&options, &bank.how())).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    visitor.get(sent.location()).await
}

async fn refuse(visitor: &mut Visitor, page: &str) -> Seen {
    let sent = visitor.post(page, &[("answer", "refuse")]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    visitor.get(sent.location()).await
}

/// Goes on where it was approved: what was kept is sent.
async fn go_on(visitor: &mut Visitor, challenge: &str) -> Seen {
    let passed = visitor.get(challenge).await;
    assert!(passed.location().ends_with("/continue"), "{} {}", passed.status, passed.text);
    let page = visitor.get(passed.location()).await;
    visitor.post(&page.after("action=\""), &[]).await
}
