//! The command line: what can be asked, and what the exit code says.
//!
//! Data goes to standard output, talk to standard error. No command asks questions back.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod check;
mod client;
mod connector;
mod demo;
mod doctor;
mod enrolment;
mod explain;
mod handover;
mod init;
mod keys;
mod proxy;
mod reload;
mod run;
mod say;
mod schema;
mod serve;
mod session;
mod state;
mod test;
mod version;

/// Journey-time orchestration gateway: decides on every sensitive step, not only at login.
#[derive(Debug, Parser)]
#[command(name = "stepward", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve, as `stepward.yaml` says
    Run(run::Run),
    /// Serve without any file: put Stepward before an app and protect some of its requests
    Proxy(proxy::Proxy),
    /// See it work: a bank, Stepward in front of it, a mailbox and two vendors
    Demo(demo::Demo),
    /// Write commented files to start from
    Init(init::Init),
    /// Tell everything that is wrong with settings, policies and tests
    Check(check::Check),
    /// Run the tests of policies
    Test(test::Test),
    /// Tell why a request is decided as it is
    Explain(Box<explain::Explain>),
    /// Print the JSON Schema of a kind of file, for editors
    Schema(schema::Schema),
    /// Connectors to vendors
    #[command(subcommand)]
    Connector(connector::Connector),
    /// What subjects have set up to confirm it is them: list, reset, import
    #[command(subcommand)]
    Enrolment(enrolment::Enrolment),
    /// Sessions and lock-outs of a running Stepward
    #[command(subcommand)]
    Session(session::Session),
    /// Where state is kept: move it, back it up
    #[command(subcommand)]
    State(state::State),
    /// Make a running Stepward read its policies again
    Reload(reload::Reload),
    /// The key ring
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Look for what keeps Stepward from working here
    Doctor(doctor::Doctor),
    /// Print the version
    Version(version::Version),
}

/// Runs a command.
pub fn run(arguments: Arguments) -> ExitCode {
    let came = match arguments.command {
        Command::Run(command) => command.run(),
        Command::Proxy(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::Init(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Test(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Schema(command) => command.run(),
        Command::Connector(command) => command.run(),
        Command::Session(command) => command.run(),
        Command::Enrolment(command) => command.run(),
        Command::State(command) => command.run(),
        Command::Reload(command) => command.run(),
        Command::Keys(command) => command.run(),
        Command::Doctor(command) => command.run(),
        Command::Version(command) => command.run(),
    };
    match came {
        Ok(exit) => exit.into(),
        Err(failed) => {
            say::talk(&format!("error: {:#}", failed.why));
            failed.exit.into()
        }
    }
}

/// What the exit code says; the numbers are a contract (DESIGN §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Done, nothing to complain about.
    Ok = 0,
    /// Something was found: errors of a check, tests that failed.
    Findings = 1,
    /// The command line does not make sense (clap says so by itself; this is for what it cannot see).
    Usage = 2,
    /// Settings or policies cannot be loaded.
    CannotLoad = 3,
    /// A running Stepward, or something it needs, cannot be reached.
    CannotReach = 4,
    /// It was refused.
    Refused = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// A command that could not do its work.
#[derive(Debug)]
struct Failed {
    exit: Exit,
    why: anyhow::Error,
}

impl Failed {
    fn new(exit: Exit, why: impl Into<anyhow::Error>) -> Self {
        Failed { exit, why: why.into() }
    }

    fn because(exit: Exit, why: impl Into<String>) -> Self {
        Failed { exit, why: anyhow::Error::msg(why.into()) }
    }
}

/// What a command comes to.
type Came = Result<Exit, Failed>;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    /// Commands that serve, that write files or change a ring and only say so, or whose answer is a document anyway.
    const WITHOUT: [&str; 9] =
        ["run", "proxy", "demo", "init", "schema", "keys reseal", "keys retire", "connector mock", "connector add"];

    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, bool)>) {
        let inner: Vec<_> = command.get_subcommands().filter(|it| it.get_name() != "help").collect();
        if inner.is_empty() {
            found.push((path.trim().to_owned(), command.get_arguments().any(|it| it.get_long() == Some("format"))));
        }
        for it in inner {
            leaves(it, &format!("{path} {}", it.get_name()), found);
        }
    }

    /// `--format human|json` everywhere (DESIGN §5).
    #[test]
    fn every_answer_can_be_had_as_json() {
        let mut found = Vec::new();
        leaves(&Arguments::command(), "", &mut found);
        assert!(found.len() > 30, "{found:?}");
        for (name, has_format) in found {
            assert_eq!(has_format, !WITHOUT.contains(&&*name), "{name}");
        }
    }
}
