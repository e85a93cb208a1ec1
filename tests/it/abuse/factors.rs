//! What a factor is worth and how little does not make one: rows of class F that other tests hold in part.

use std::collections::BTreeMap;

use stepward::{
    challenges::{Served, recovery},
    settings::{List, ListKind},
    signals::{
        Who,
        free::{self, Free},
        lists::Lists,
    },
    subject::{Identified, is_email},
};
use stepward_core::{
    attribute::Cost,
    facts::{Facts, Reading},
    policy::{Origin, Policy, Slot},
    session::{Method, Proof},
    value::{Type, Value},
};

use crate::stepup::world::{World, demand, location, policy};

const METHODS: [Method; 4] = [Method::Totp, Method::EmailCode, Method::RecoveryCode, Method::Pow];

/// Whatever is sent in place of the proof, to whatever kind of challenge, the challenge is as open as before (authentik
/// CVE-2026-49443: an empty POST passed a stage).
#[tokio::test]
async fn f1_no_kind_of_challenge_is_advanced_by_less_than_its_own_proof() {
    for method in METHODS {
        let world = World::new().await;
        let secret = world.totp("ada").await;
        let recovery = recovery::renew(&world.challenges, "default", world.account("ada")).await.unwrap();
        world.address("ada", "ada@mail.example").await;
        let mut ada = world.browser().signed_in("ada");
        let page = ada.challenged(&demand(&[method])).await;
        world.wait(1000);
        let totp = world.code(&secret);
        let name = method.name();
        let others = METHODS.iter().filter(|it| **it != method).map(|it| it.name());
        let mut forms: Vec<String> =
            ["", "=", "&", "code", "method", "passed=1", "status=passed", "skip=1", "complete=true"]
                .map(String::from)
                .into();
        forms.extend([format!("method={name}"), format!("method={name}&code="), format!("method={name}&code=+%09+")]);
        for other in others.chain(["passkey", "oidc", "approval", "captcha", "", "none"]) {
            // Right answers of another kind: this challenge does not ask for them.
            forms.extend([&*totp, &recovery[0], "0", "true"].map(|code| format!("method={other}&code={code}")));
        }
        forms.push(format!("method={name}&method=pow&code={totp}"));
        let json: Vec<String> = [
            "",
            "{}",
            "[]",
            "null",
            "true",
            "\"\"",
            "{\"status\":\"passed\"}",
            "{\"passed\":true}",
            "{\"method\":null,\"code\":null}",
        ]
        .map(String::from)
        .into_iter()
        .chain([
            format!("{{\"method\":\"{name}\"}}"),
            format!("{{\"method\":\"{name}\",\"code\":[]}}"),
            format!("{{\"method\":\"{name}\",\"code\":{{}}}}"),
            format!("[{{\"method\":\"{name}\",\"code\":\"{totp}\"}}]"),
        ])
        .collect();
        let types = ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""];
        for (kind, body) in types
            .iter()
            .flat_map(|kind| forms.iter().map(move |form| (*kind, form)))
            .chain(json.iter().map(|body| ("application/json", body)))
        {
            let arrival = ada.request("POST", &page, &[("content-type", kind)], body);
            let served = ada.serve(&arrival).await;
            let is_nothing = matches!(served, Served::Answer(_));
            assert!(is_nothing, "{method}: {body:?} as {kind:?} is no answer and costs no try: {served:?}");
        }
        for ending in [
            "/continue",
            "/complete",
            "/passed",
            "/done",
            "/resume",
            "?passed=1",
            &format!("?method={name}&code={totp}"),
        ] {
            let seen = ada.get(&format!("{page}{ending}")).await;
            let to =
                seen.headers.iter().find(|(it, _)| it == "location").map(|(_, to)| to.to_str().unwrap().to_string());
            assert!(to.is_none_or(|to| to.starts_with(&page) && !to.contains("continue")), "{method}: {ending}");
        }
        let arrival = ada.request("GET", "/", &[], "");
        assert!(ada.session(&arrival).await.record.proofs.is_empty(), "{method}");
        assert_eq!(location(&ada.get(&format!("{page}/continue")).await), page, "{method}: as open as before");
    }
}

/// The level is the highest of what was proved, over every set of factors there is (Kratos CVE-2024-45042).
#[test]
fn f3_every_set_of_factors_has_the_level_of_its_best_one() {
    let keys = stepward::keys::Keys::ephemeral();
    let slot = Slot {
        name: "session.assurance".into(),
        kind: Type::Int,
        cost: Cost::Free,
        origin: Origin::Catalogue,
        pii: false,
    };
    let policy = Policy { slots: vec![slot], ..policy("pay") };
    let world = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(World::new());
    let arrival = world.browser().request("POST", "/pay", &[], "");
    let ip = "192.0.2.1".parse().unwrap();
    let lifting = ["passkey", "totp", "sms_code", "voice_code", "push", "recovery_code"];
    for set in 0..1_u32 << Method::ALL.len() {
        let chosen: Vec<Method> = Method::ALL
            .into_iter()
            .enumerate()
            .filter(|(at, _)| set >> at & 1 == 1)
            .map(|(_, method)| method)
            .collect();
        let proof = |method: &Method| Proof { method: *method, at_ms: 1, event: "x".into(), bound_to: None, by: None };
        let proofs: Vec<Proof> = chosen.iter().map(proof).collect();
        let who = Who::at("default", ip, 2, &keys).with_subject(Some([1; 16]), None, &keys);
        let identified = Identified::default();
        let mut facts = Facts::unasked(2, 1);
        let free = Free {
            arrival: &arrival,
            who: &who,
            identified: &identified,
            kind: None,
            session: None,
            proofs: &proofs,
            device_since_ms: None,
            keys: &keys,
        };
        free::learn_all(&mut facts, &policy, &free);
        let expected = if chosen.iter().any(|it| lifting.contains(&it.name())) { 2 } else { 1 };
        assert_eq!(facts.readings[0], Reading::Known(Value::Int(expected)), "{chosen:?}");
    }
}

/// What has two `@` is nobody's address and of no domain (oauth2-proxy CVE-2026-40574).
#[test]
fn f20_an_address_with_two_domains_is_of_neither() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "@company.example\n").unwrap();
    let list = List { kind: ListKind::Email, file: file.path().to_path_buf() };
    let lists = Lists::open(&BTreeMap::from([("staff".into(), list)])).unwrap();
    assert_eq!(lists.of_email("ada@company.example").unwrap().len(), 1);
    for doubtful in [
        "ada@evil.example@company.example",
        "ada@company.example@evil.example",
        "ada@@company.example",
        "\"ada@evil.example\"@company.example",
        "@evil.example@company.example",
    ] {
        assert_eq!(lists.of_email(doubtful), None, "{doubtful} is unknown");
        assert!(!is_email(doubtful), "{doubtful}");
    }
    for other in [
        "ada@company.example.evil.example",
        "ada@evilcompany.example",
        "ada@sub.company.example",
        "ada%40company.example",
        "company.example",
        "ada@company.example\0.evil.example",
        "ada@company.example,evil.example",
    ] {
        assert_eq!(lists.of_email(other).unwrap().len(), 0, "{other}");
    }
}
