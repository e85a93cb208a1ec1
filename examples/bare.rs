//! Bare Pingora, built and run as Stepward is: the other side of every ratio in `benches/e2e.sh`.
//!
//! `bare LISTEN UPSTREAM`: the same runtime, accept options and pool, and no hook that does anything.

use std::{error::Error, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use pingora::{
    Result,
    apps::ServerApp,
    protocols::{Stream, l4::stream::Stream as TcpStream},
    proxy::{ProxyHttp, Session, http_proxy},
    server::configuration::ServerConf,
    upstreams::peer::HttpPeer,
};
use tokio::{net::TcpListener, sync::watch};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bare(SocketAddr);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bare LISTEN UPSTREAM".into());
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let conf = ServerConf { threads, upstream_keepalive_pool_size: 512, ..ServerConf::default() };
    let app = Arc::new(http_proxy(&Arc::new(conf), Bare(upstream.parse()?)));
    let listener = TcpListener::bind(&listen).await?;
    let (_running, closing) = watch::channel(false);
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let (app, closing) = (app.clone(), closing.clone());
        tokio::spawn(async move {
            let stream: Stream = Box::new(TcpStream::from(tcp));
            app.process_new(stream, &closing).await;
        });
    }
}
