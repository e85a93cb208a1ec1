//! `stepward connector mock`

use std::{io, net::SocketAddr};

use stepward_core::attribute::Catalogue;

use crate::{
    cli::{
        Came, Exit, Failed,
        connector::{Folder, unusable},
        say,
    },
    vendors::mock::{self, fault::Order},
};

/// Be every vendor, on this machine: recorded answers, with faults to order.
///
/// Serves `/<connector id>/<path>`; point a gateway at it with `stepward run --mock ADDRESS`. Faults are written as
/// `[CONNECTOR=]FAULT[:ARGUMENT][@DURATION]`: `stall`, `latency:300ms`, `error:503`, `garbage`, `half_close`,
/// `wrong_schema`, `rate_limited`, `fixture:NAME`. While it runs, `PUT /_mock/faults` takes the same words, a line each,
/// and `DELETE` takes them back.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Mock {
    #[command(flatten)]
    place: Folder,
    /// Where to listen: an address of this machine only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7310")]
    listen: SocketAddr,
    /// What goes wrong from the start: `abuseipdb=stall@30s`
    #[arg(long, value_name = "FAULT")]
    fault: Vec<Order>,
}

impl Mock {
    pub(super) fn run(self) -> Came {
        if !self.listen.ip().is_loopback() {
            let why =
                format!("`{}` can be reached from other machines; a mock listens on 127.0.0.1 or [::1]", self.listen);
            return Err(Failed::because(Exit::Refused, why));
        }
        let all = match self.place.read() {
            Ok(all) => all,
            Err(exit) => return Ok(exit),
        };
        let mock = match mock::Mock::of(&all.sources, &Catalogue::builtin()) {
            Ok(mock) => mock,
            Err(found) => return Ok(unusable(&found, &self.place.folder)),
        };
        for order in self.fault {
            mock.inject(order).map_err(|why| Failed::because(Exit::Usage, why))?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(|error| Failed::new(Exit::CannotLoad, error))?.block_on(serve(mock, self.listen))
    }
}

async fn serve(mock: mock::Mock, listen: SocketAddr) -> Came {
    let cannot = |error: io::Error| Failed::because(Exit::CannotLoad, format!("cannot listen on {listen}: {error}"));
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let (vendors, answers) = mock.services().fold((0, 0), |(vendors, all), (_, of)| (vendors + 1, all + of));
    say::talk(&format!("{}, {}", say::several(vendors, "vendor"), say::several(answers, "recorded answer")));
    say::talk(&format!("mock on http://{address}"));
    say::talk(&format!("point a gateway at it: stepward run --mock {address}"));
    say::talk(&format!("let one fail: curl -X PUT --data 'ID=stall@30s' http://{address}{}", mock::CONTROL));
    tokio::select! {
        served = axum::serve(listener, mock.routes()) => served.map_err(cannot)?,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(cannot)?,
    }
    Ok(Exit::Ok)
}
