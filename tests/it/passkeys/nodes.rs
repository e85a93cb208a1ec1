//! Two nodes on one Redis: what one asks, the other checks, and an answer is good once over both.

use std::sync::Arc;

use stepward::{
    clock::Clock,
    keys::Keys,
    store::{AnyStore, redis::Redis},
};
use stepward_core::session::Method;

use crate::{
    mailbox::Mailbox,
    passkeys::{
        authenticator::{Authenticator, How},
        challenged, on_known_device, options, passes, set_up,
    },
    redis_server::Server,
    stepup::world::{Browser, World, demand},
};

/// The same browser at another node.
fn at<'w>(browser: &Browser<'_>, world: &'w World) -> Browser<'w> {
    Browser {
        world,
        cookies: browser.cookies.clone(),
        subject: browser.subject.clone(),
        headers: browser.headers.clone(),
    }
}

async fn node(server: &Server, keys: &Keys) -> World {
    let store = Redis::open(&server.settings(), Clock::System).await.unwrap();
    let store = Arc::new(AnyStore::Redis(store));
    World::on(store, tempfile::tempdir().unwrap(), keys.clone(), Mailbox::open().await, None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_asks_another_checks_and_eight_answers_pass_once() {
    let (server, keys) = (Server::start().await, Keys::ephemeral());
    let (one, two) = (node(&server, &keys).await, node(&server, &keys).await);
    let mut ada = on_known_device(&one, "ada").await;
    let mut phone = Authenticator::new("phone");
    set_up(&mut ada, &mut phone, "").await;
    let patient = stepward_core::decision::Challenge { attempts: 100, ..demand(&[Method::Passkey]) };

    let page = challenged(&mut ada, &patient).await;
    let asked = options(&mut at(&ada, &two), &page).await;
    // It does not count: nothing but the nonce says that it was used. More than ten would close the method first.
    let answer = phone.sign(&asked, &How { counter: Some(0), ..How::right() });
    let answers = (0..8).map(|number| {
        let mut tab = at(&ada, if number % 2 == 0 { &one } else { &two });
        let (page, answer) = (page.clone(), answer.clone());
        async move { passes(&mut tab, &page, &answer).await }
    });
    let passed = futures_util::future::join_all(answers).await;
    assert_eq!(passed.iter().filter(|it| **it).count(), 1, "the nonce is used up for both");
}
