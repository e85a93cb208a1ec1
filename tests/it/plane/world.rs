//! A whole gateway from a `stepward.yaml` in a folder of its own, with its admin and health listeners.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use stepward::{
    clock::Clock,
    gateway::{self, Running},
    settings::{self, Presence, Settings},
};

use crate::{
    mailbox::Mailbox,
    origin::Recorder,
    visitor::{Seen, Visitor},
};

pub(crate) struct World {
    pub(crate) gateway: Running,
    pub(crate) mailbox: Mailbox,
    /// Answers for as long as the world stands.
    _app: Recorder,
    pub(crate) folder: tempfile::TempDir,
    client: reqwest::Client,
}

/// What a world is made of.
#[derive(Default)]
pub(crate) struct Plan {
    policies: Vec<(String, String)>,
    files: Vec<(String, String)>,
    more: String,
    mail: bool,
    log: Option<&'static str>,
    checked: bool,
}

impl Plan {
    pub(crate) fn policy(mut self, text: &str) -> Plan {
        self.policies.push((format!("policies/p{}.yaml", self.policies.len()), text.into()));
        self
    }

    pub(crate) fn file(mut self, name: &str, text: &str) -> Plan {
        self.files.push((name.into(), text.into()));
        self
    }

    /// More lines of `stepward.yaml`.
    pub(crate) fn settings(mut self, lines: &str) -> Plan {
        self.more.push_str(lines);
        self
    }

    pub(crate) fn mail(mut self) -> Plan {
        self.mail = true;
        self
    }

    /// The app is asked whether it is well, and has a second address where nobody is.
    pub(crate) fn checked(mut self) -> Plan {
        self.checked = true;
        self
    }

    /// Another file for the decision log.
    pub(crate) fn log(mut self, file: &'static str) -> Plan {
        self.log = Some(file);
        self
    }

    pub(crate) async fn start(self) -> World {
        // A second call finds the provider already there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let app = Recorder::start().await;
        let mailbox = Mailbox::open().await;
        let checks = match self.checked {
            true => format!(", addresses: [\"127.0.0.1:1\", \"{}\"], health: {{ path: / }}", app.address),
            false => String::new(),
        };
        let mut text = format!(
            "listen: [{{ address: 127.0.0.1:0 }}]\ntrusted_proxies: [127.0.0.0/8]\n\
             upstreams: {{ app: {{ url: \"http://{}\"{checks} }} }}\nroutes: [{{ upstream: app }}]\n\
             subject: [{{ header: {{ name: x-user, email: x-email }} }}]\nstate: {{ path: data, wait: 60s }}\n\
             admin: {{ address: 127.0.0.1:0 }}\nhealth: {{ address: 127.0.0.1:0 }}\n\
             decision_log: {{ file: {} }}\n",
            app.address,
            self.log.unwrap_or("decisions.jsonl"),
        );
        if self.mail {
            text += &format!("mail: {{ smtp: \"smtp://{}\", from: no-reply@bank.example }}\n", mailbox.address);
        }
        text += &self.more;
        for (name, text) in self.policies.iter().chain(&self.files) {
            write(folder.path(), name, text);
        }
        write(folder.path(), "stepward.yaml", &text);
        let gateway = gateway::start(load(folder.path()), None, Clock::System).await;
        let gateway = gateway.unwrap_or_else(|error| panic!("{error}: {error:?}"));
        World { gateway, mailbox, _app: app, folder, client: reqwest::Client::new() }
    }
}

fn load(folder: &Path) -> Settings {
    match settings::load(&folder.join("stepward.yaml"), Presence::Required) {
        Ok(loaded) => loaded.settings,
        Err(rejected) => panic!("{:#?}", rejected.found),
    }
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

impl World {
    /// A browser behind the trusted proxy, signed in as this person, at this address.
    pub(crate) fn visitor(&self, who: &str, ip: &str) -> Visitor {
        let mut visitor = Visitor::of(self.gateway.addresses[0]);
        visitor.headers.push(("x-forwarded-for", ip.into()));
        if !who.is_empty() {
            visitor.headers.push(("x-user", who.into()));
            visitor.headers.push(("x-email", format!("{who}@bank.example")));
        }
        visitor
    }

    fn token(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("data/admin-token")).unwrap();
        text.lines().find_map(|line| line.split_whitespace().find(|it| it.starts_with("sw_"))).unwrap().to_string()
    }

    /// A call to the admin API that is answered well.
    pub(crate) async fn ask(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(path, body).await;
        assert_eq!(status, 200, "{answer:#}");
        answer
    }

    pub(crate) async fn call(&self, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://{}/api/v1/{path}", self.gateway.api.admin.unwrap());
        let request = match body {
            Value::Null => self.client.get(url),
            body => self.client.post(url).json(&body),
        };
        let answer = request.bearer_auth(self.token()).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }

    /// A page of the health listener.
    pub(crate) async fn health(&self, path: &str) -> String {
        let url = format!("http://{}/{path}", self.gateway.api.health.unwrap());
        self.client.get(url).send().await.unwrap().text().await.unwrap()
    }

    /// The value of a series at `/metrics`; 0 where it is not there yet.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.health("metrics").await;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.trim().parse().unwrap())
    }

    /// The newest decisions, once there are at least so many.
    pub(crate) async fn decisions(&self, count: usize) -> Vec<Value> {
        for _ in 0..200 {
            let told = self.ask("decisions", Value::Null).await;
            let decisions = told["decisions"].as_array().unwrap();
            if decisions.len() >= count {
                return decisions.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{count} decisions expected");
    }

    /// Answers a challenge by the newest mailed code, and goes on to where it leads.
    pub(crate) async fn prove_by_mail(&self, visitor: &mut Visitor, asked: &Seen, letters: usize) -> Seen {
        assert!(asked.location().starts_with("/.stepward/c/"), "{} {}", asked.status, asked.text);
        let challenge = asked.location().to_string();
        visitor.get(&challenge).await;
        let letters = self.mailbox.wait_for(letters).await;
        let text = &letters.last().unwrap().text;
        let code = text.split(|it: char| !it.is_ascii_digit()).find(|it| it.len() == 6).unwrap().to_string();
        let proven = visitor.post(&challenge, &[("method", "email_code"), ("code", &code)]).await;
        let going_on = visitor.get(proven.location()).await;
        visitor.post(&going_on.after("action=\""), &[]).await
    }
}

/// A question about a payment.
pub(crate) fn payment(amount: u32, ip: &str) -> Value {
    json!({
        "method": "POST", "url": "https://bank.example/pay", "client_ip": ip,
        "headers": { "Content-Type": "application/json" }, "body": json!({ "amount": amount }).to_string(),
    })
}
