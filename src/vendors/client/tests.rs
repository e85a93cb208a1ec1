use std::{
    net::IpAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use stepward_core::connector::document::{Network, operation::Method};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// Answers `{}` to whoever comes, and counts them.
async fn listen(address: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let (address, came) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = came.clone();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 4096];
            let _ = tcp.read(&mut head).await;
            let _ = tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}").await;
        }
    });
    (address, came)
}

/// A name server that says one thing after another, and how often it was asked.
fn rebinding(answers: &[&[&str]]) -> (Lookup, Arc<AtomicUsize>) {
    let read = |list: &&[&str]| list.iter().map(|it| it.parse().unwrap()).collect::<Vec<IpAddr>>();
    let left = Mutex::new(answers.iter().rev().map(read).collect::<Vec<_>>());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let told = move |_: &str| {
        counted.fetch_add(1, Ordering::SeqCst);
        left.lock().unwrap().pop().unwrap_or_default()
    };
    (Lookup::Told(Arc::new(told)), asked)
}

fn way(network: Network, port: u16, own: &[SocketAddr], lookup: Lookup) -> Way {
    let origin = Origin { secure: false, host: "vendor.example".into(), port };
    let guard = Guard::new(&origin, network, &own.into(), lookup);
    let http = http(&guard, false, None, None, &[]).unwrap();
    Way { origin, certificate: None, http, guard }
}

async fn call(way: &Way, port: u16) -> Result<u16, &'static str> {
    let url = format!("http://vendor.example:{port}/");
    let prepared = Prepared { method: Method::Get, url, headers: Vec::new(), basic: None, body: None, unsigned: None };
    let answer = tokio::time::timeout(Duration::from_secs(5), Sender(way).exchange(prepared, 1024)).await.unwrap();
    answer.map(|answer| answer.status).map_err(|failure| failure.why)
}

#[tokio::test]
async fn i1_a_name_that_changes_its_address_leads_nowhere_it_may_not() {
    let (vendor, vendor_came) = listen("127.0.0.1:0".parse().unwrap()).await;
    let port = vendor.port();
    let (own, own_came) = listen(SocketAddr::from(([127, 0, 0, 2], port))).await;
    let (lookup, asked) = rebinding(&[
        &["127.0.0.1"],
        &["127.0.0.2"],
        &["127.0.0.1", "127.0.0.2"],
        &["::ffff:127.0.0.2"],
        &["169.254.169.254"],
        &[],
        &["127.0.0.1"],
    ]);
    let way = way(Network::Internal, port, &[own], lookup);
    assert_eq!(call(&way, port).await, Ok(200), "the vendor itself");
    for changed in ["our own listener", "both", "in IPv6 clothes", "the cloud's metadata", "nothing"] {
        assert_eq!(call(&way, port).await, Err("cannot connect"), "{changed}");
    }
    assert_eq!(call(&way, port).await, Ok(200), "the vendor again");
    let count = |it: &AtomicUsize| it.load(Ordering::SeqCst);
    assert_eq!((count(&vendor_came), count(&own_came)), (2, 0));
    assert_eq!(count(&asked), 7, "each answer is looked at and connected to; nobody asks a second time");
}

#[tokio::test]
async fn i1_a_public_name_that_becomes_a_private_one_is_not_connected_to() {
    let (inside, came) = listen("127.0.0.1:0".parse().unwrap()).await;
    let private: [&[&str]; 5] =
        [&["127.0.0.1"], &["8.8.8.8", "127.0.0.1"], &["::1"], &["::ffff:7f00:1"], &["64:ff9b::7f00:1"]];
    let (lookup, asked) = rebinding(&private);
    let way = way(Network::Internet, inside.port(), &[], lookup);
    for _ in private {
        assert_eq!(call(&way, inside.port()).await, Err("cannot connect"));
    }
    assert_eq!((came.load(Ordering::SeqCst), asked.load(Ordering::SeqCst)), (0, private.len()));
}
