//! What is set up for an account, changed by others than its owner, and how the owner hears of it.

use std::process::Command;

use serde_json::{Value, json};
use stepward::challenges::registrar::{Brought, BroughtApp, BroughtPasskey, Came};
use stepward_core::session::Method;

use crate::{
    passkeys::{
        authenticator::{Authenticator, How},
        on_known_device, options, passes, set_up,
    },
    plane::world::Plan,
    stepup::world::{World, demand},
};

const POLICY: &str = "event: pay\ncovers: [POST /pay]\nwhen_unsure: block\notherwise: forward\n";
const SECRET: &str = "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP";

fn app(value: Value) -> BroughtApp {
    serde_json::from_value(value).unwrap()
}

fn passkey(authenticator: &Authenticator, more: &[(&str, Value)]) -> BroughtPasskey {
    let mut entry =
        json!({ "credential_id": authenticator.credential_id(), "public_key": authenticator.public_key(true) });
    for (name, value) in more {
        entry[*name] = value.clone();
    }
    serde_json::from_value(entry).unwrap()
}

async fn import(world: &World, name: &str, brought: Brought<'_>) -> Came {
    world.challenges.import("default", world.account(name), brought).await.unwrap()
}

#[tokio::test]
async fn an_app_of_another_system_proves_from_the_next_half_minute_on_and_is_taken_once() {
    let world = World::new().await;
    let there = app(json!({ "secret": SECRET, "algorithm": "SHA1", "digits": 6, "period": 30 }));
    assert_eq!(import(&world, "ada", Brought::App(&there)).await, Came::Imported);
    assert_eq!(import(&world, "ada", Brought::App(&there)).await, Came::Known);
    let secret = data_encoding::BASE32_NOPAD.decode(SECRET.replace(' ', "").as_bytes()).unwrap();
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    assert!(!ada.passes(&page, Method::Totp, &world.code(&secret)).await, "it may have been used at the other system");
    world.wait(30_000);
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await);
}

#[tokio::test]
async fn what_cannot_be_used_as_it_is_is_refused_and_named() {
    let world = World::new().await;
    for (entry, why) in [
        (json!({ "secret": SECRET, "algorithm": "SHA256" }), "only apps with"),
        (json!({ "secret": SECRET, "digits": 8 }), "only apps with"),
        (json!({ "secret": SECRET, "period": 60 }), "only apps with"),
        (json!({ "secret": "not base32!" }), "base32"),
        (json!({ "secret": "JBSWY3DPEHPK3PXP" }), "16 to 64 bytes"),
    ] {
        match import(&world, "ada", Brought::App(&app(entry.clone()))).await {
            Came::Refused(said) => assert!(said.contains(why), "{entry}: {said}"),
            came => panic!("{entry}: {came:?}"),
        }
    }
    let authenticator = Authenticator::new("ada");
    for (name, value, why) in [
        ("public_key", "AAAA", "ES256"),
        ("public_key", "not base64!", "base64url"),
        ("credential_id", "AAAA", "16 to 1,023"),
        ("user_handle", "", "user handle"),
    ] {
        let brought = passkey(&authenticator, &[(name, value.into())]);
        match import(&world, "ada", Brought::Passkey(&brought)).await {
            Came::Refused(said) => assert!(said.contains(why), "{name}: {said}"),
            came => panic!("{name}: {came:?}"),
        }
    }
    let nowhere = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32][..], &[0; 32], &[0x22, 0x58, 32], &[0; 32]].concat();
    let nowhere = data_encoding::BASE64URL_NOPAD.encode(&nowhere);
    for (more, why) in [
        (vec![("public_key", Value::from(nowhere))], "no point"),
        (vec![("backed_up", true.into())], "backup_eligible"),
    ] {
        match import(&world, "ada", Brought::Passkey(&passkey(&authenticator, &more))).await {
            Came::Refused(said) => assert!(said.contains(why), "{said}"),
            came => panic!("{why}: {came:?}"),
        }
    }
    assert!(world.challenges.listed("default", world.account("ada")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_passkey_that_was_taken_away_can_be_anybodys_again() {
    let world = World::new().await;
    let authenticator = Authenticator::new("ada");
    let brought = passkey(&authenticator, &[]);
    assert_eq!(import(&world, "wrong", Brought::Passkey(&brought)).await, Came::Imported);
    assert!(matches!(import(&world, "ada", Brought::Passkey(&brought)).await, Came::Refused(_)));
    world.challenges.reset("default", world.account("wrong")).await.unwrap();
    assert_eq!(import(&world, "ada", Brought::Passkey(&brought)).await, Came::Imported);
}

#[tokio::test]
async fn no_account_gets_more_apps_than_its_owner_could_set_up() {
    let world = World::new().await;
    for number in 0..6_u8 {
        let secret = data_encoding::BASE32_NOPAD.encode(&[number; 20]);
        let came = import(&world, "ada", Brought::App(&app(json!({ "secret": secret })))).await;
        assert_eq!(came == Came::Imported, number < 5, "{number}: {came:?}");
    }
}

#[tokio::test]
async fn a_passkey_of_another_system_proves_and_its_counter_goes_on() {
    let world = World::new().await;
    for is_cose in [true, false] {
        let name = if is_cose { "ada" } else { "bob" };
        let mut authenticator = Authenticator::new(name);
        (authenticator.user, authenticator.counter) = (b"their-handle".to_vec(), 7);
        let handle = data_encoding::BASE64URL_NOPAD.encode(&authenticator.user);
        let more = [
            ("public_key", authenticator.public_key(is_cose).into()),
            ("sign_count", 7.into()),
            ("user_handle", handle.into()),
            ("label", "Office".into()),
        ];
        let brought = passkey(&authenticator, &more);
        assert_eq!(import(&world, name, Brought::Passkey(&brought)).await, Came::Imported);
        assert_eq!(import(&world, name, Brought::Passkey(&brought)).await, Came::Known);
        assert!(matches!(import(&world, "eve", Brought::Passkey(&brought)).await, Came::Refused(_)), "it is taken");
        let mut owner = world.browser().signed_in(name);
        let page = owner.challenged(&demand(&[Method::Passkey])).await;
        for (how, is_right) in [
            (How { counter: Some(7), ..How::right() }, false),
            (How { user: Some(b"somebody".to_vec()), counter: Some(8), ..How::right() }, false),
            (How { counter: Some(9), ..How::right() }, true),
        ] {
            let asked = options(&mut owner, &page).await;
            let answer = authenticator.sign(&asked, &how);
            assert_eq!(passes(&mut owner, &page, &answer).await, is_right, "{name}: {how:?}");
        }
        let listed = world.challenges.listed("default", world.account(name)).await.unwrap();
        assert_eq!((listed.len(), listed[0].method, &*listed[0].label), (1, Method::Passkey, "Office"));
    }
}

#[tokio::test]
async fn the_owner_hears_of_what_is_added_and_of_a_reset_after_which_nothing_proves() {
    let world = World::new().await;
    world.address("ada", "ada@example.com").await;
    let mut ada = on_known_device(&world, "ada").await;
    let mut authenticator = Authenticator::new("ada");
    set_up(&mut ada, &mut authenticator, "").await;
    let letters = world.mailbox.wait_for(2).await;
    let told: String = letters.iter().map(|it| it.text.clone()).collect();
    assert!(told.contains("This was set up for your account at Tiny Bank: Passkey."), "{told}");
    assert!(told.contains("New recovery codes were made"), "{told}");
    let removed = world.challenges.reset("default", world.account("ada")).await.unwrap();
    assert!(removed > 1, "{removed}: the passkey and its recovery codes");
    let letters = world.mailbox.wait_for(3).await;
    assert!(letters[2].text.contains("removed every way"), "{}", letters[2].text);
    assert_eq!(world.challenges.reset("default", world.account("ada")).await.unwrap(), 0);
    let page = ada.challenged(&demand(&[Method::Passkey])).await;
    let asked = options(&mut ada, &page).await;
    assert!(!passes(&mut ada, &page, &authenticator.sign(&asked, &How::right())).await);
}

#[tokio::test]
async fn an_operator_lists_resets_and_imports_by_the_command_line() {
    let world = Plan::default().policy(POLICY).mail().start().await;
    let file = world.folder.path().join("old.jsonl");
    let lines = format!(
        "{}\n\n{}\n{}\n",
        json!({ "subject": "ada", "totp": { "secret": SECRET } }),
        json!({ "subject": "bob", "totp": { "secret": SECRET, "digits": 8 } }),
        json!({ "subject": "cyd", "totp": SECRET }),
    );
    std::fs::write(&file, &lines).unwrap();
    let admin = format!("http://{}", world.gateway.api.admin.unwrap());
    let token = world.folder.path().join("data/admin-token").display().to_string();
    let call = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stepward"));
        let plane = ["--admin", &admin, "--token-file", &token, "--format", "json"];
        command.arg("enrolment").args(arguments).args(plane);
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8([ran.stdout.clone(), ran.stderr].concat()).unwrap();
        (ran.status.code(), serde_json::from_slice::<Value>(&ran.stdout).unwrap_or_default(), said)
    };
    let (code, told, said) = call(&["import", file.to_str().unwrap()]).await;
    assert_eq!((code, &told["imported"]), (Some(1), &1.into()), "{said}");
    assert_eq!((&told["refused"][0]["line"], &told["refused"][1]["line"]), (&3.into(), &4.into()), "{said}");
    assert!(!said.contains("JBSW"), "{said}");
    let (code, told, said) = call(&["list", "--subject", "ada"]).await;
    assert_eq!((code, &told["enrolments"][0]["method"]), (Some(0), &"totp".into()), "{said}");
    let (code, told, said) = call(&["reset", "--subject", "ada"]).await;
    assert_eq!((code, &told["removed"]), (Some(0), &1.into()), "{said}");
    assert_eq!(call(&["list", "--subject", "ada"]).await.1["enrolments"], json!([]));
    std::fs::write(&file, "{\"subject\": \"ada\", \"totp\": {\"secret\": \"JBSWY3DPEHPK3PXP\"\n").unwrap();
    let (code, _, said) = call(&["import", file.to_str().unwrap()]).await;
    assert!(code == Some(3) && said.contains("old.jsonl:1:") && !said.contains("JBSW"), "{said}");
}
