//! `stepward demo`

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::{
    cli::{Came, Exit, Failed, say},
    demo::{self, Options},
    telemetry,
    vendors::mock,
};

/// See it work: a bank, Stepward in front of it, a mailbox and two vendors, all on this machine.
#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Port of the bank; its admin API is on 7300 and its health on 7301
    #[arg(short, long, default_value_t = 8080)]
    port: u16,
}

impl Demo {
    pub(super) fn run(self) -> Came {
        telemetry::lines::install(None, &telemetry::Metrics::new())
            .map_err(|error| Failed::new(Exit::CannotLoad, error))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(|error| Failed::new(Exit::CannotLoad, error))?.block_on(self.until_interrupted())
    }

    async fn until_interrupted(self) -> Came {
        let here = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let options = Options { listen: here(self.port), admin: here(7300), health: here(7301) };
        let demo = demo::start(&options).await.map_err(|why| Failed { exit: Exit::CannotLoad, why })?;
        for address in &demo.gateway.addresses {
            say::talk(&format!("Tiny Bank behind Stepward: http://localhost:{}", address.port()));
        }
        say::talk(&format!("its vendors, to be broken: http://{}{}", demo.vendors, mock::CONTROL));
        say::talk(&format!("its files, gone when this ends: {}", demo.folder.display()));
        say::talk("stop it with Ctrl-C");
        tokio::signal::ctrl_c().await.map_err(|error| Failed::new(Exit::CannotLoad, error))?;
        drop(demo);
        Ok(Exit::Ok)
    }
}
