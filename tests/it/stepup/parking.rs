//! What is kept while somebody proves who they are.

use stepward_core::session::Method;

use crate::stepup::world::{World, demand, text};

fn resume_id(page: &str) -> String {
    let rest = page.split("stepward_resume=").nth(1).expect("a resume form");
    rest.split('"').next().expect("an id").to_string()
}

#[tokio::test]
async fn a_parked_request_comes_back_whole() {
    let world = World::new().await;
    let secret = world.totp("ada").await;
    let mut ada = world.browser().signed_in("ada");
    let page = ada.challenged(&demand(&[Method::Totp])).await;
    assert!(ada.passes(&page, Method::Totp, &world.code(&secret)).await);
    let id = resume_id(&text(&ada.get(&format!("{page}/continue")).await));
    let arrival = ada.request("POST", &format!("/transfer?stepward_resume={id}"), &[], "");
    let parked = ada.take(&arrival, &id).await.expect("it is there");
    assert_eq!(&*parked.target, "/transfer");
    assert_eq!(data_encoding::BASE64.decode(parked.body.as_bytes()).expect("base64"), b"amount=900&payee=DE02");
    assert!(parked.headers.iter().all(|(name, _)| name != "cookie" && name != "host"));
    assert!(ada.take(&arrival, &id).await.is_none(), "once");
}
