//! What this process has written durably of late, to be written again when a server begins a new life.
//!
//! A fail-over may lose what was acknowledged. Every entry may run late or twice, so writing all of it again brings back
//! lock-outs, claims, steps, removals, revocations and wrong answers that were lost, and changes nothing where they were
//! not. Enrolments are not among them: another node may have retired one since, and it must not come back.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ::redis::{Arg, Cmd};
use tokio::time::Instant;

/// For how long, and how many at most: far more than a replica may be behind.
const KEPT_FOR: Duration = Duration::from_secs(300);
const ENTRIES_MAX: usize = 50_000;

/// See the module.
#[derive(Default)]
pub(super) struct Journal {
    entries: Mutex<VecDeque<(Instant, Written)>>,
}

/// A command that was written. The text of a script is in the binary: there is no need for 50,000 copies of it.
struct Written {
    script: Option<&'static str>,
    /// The command or, of a script, all that comes after its text.
    rest: Cmd,
}

impl Written {
    fn new(script: Option<&'static str>, command: Cmd) -> Written {
        match script {
            Some(_) => Written { script, rest: arguments(Cmd::new(), &command, 2) },
            None => Written { script, rest: command },
        }
    }

    fn command(&self) -> Cmd {
        match self.script {
            Some(script) => arguments(::redis::cmd("EVAL").arg(script).to_owned(), &self.rest, 0),
            None => self.rest.clone(),
        }
    }
}

/// A command with the arguments of another one, but for its first.
fn arguments(mut command: Cmd, other: &Cmd, but: usize) -> Cmd {
    for argument in other.args_iter().skip(but) {
        // Only scans have arguments of another kind, and they change nothing.
        if let Arg::Simple(bytes) = argument {
            command.arg(bytes);
        }
    }
    command
}

impl Journal {
    /// `script` is the text of the script that the command runs, if it runs one.
    pub(super) fn keep(&self, script: Option<&'static str>, command: Cmd) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while entries.len() >= ENTRIES_MAX
            || entries.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > KEPT_FOR)
        {
            entries.pop_front();
        }
        entries.push_back((now, Written::new(script, command)));
    }

    /// Everything of late, oldest first.
    pub(super) fn recent(&self) -> Vec<Cmd> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|(_, written)| written.command()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{ENTRIES_MAX, Journal};

    #[tokio::test(start_paused = true)]
    async fn it_keeps_the_newest_in_order_and_forgets_the_rest() {
        let journal = Journal::default();
        let number = |number: usize| ::redis::cmd("ECHO").arg(number).to_owned();
        (0..=ENTRIES_MAX).for_each(|it| journal.keep(None, number(it)));
        let recent = journal.recent();
        assert_eq!(recent.len(), ENTRIES_MAX);
        assert_eq!(recent[0].get_packed_command(), number(1).get_packed_command());
        tokio::time::advance(super::KEPT_FOR * 2).await;
        journal.keep(None, number(7));
        assert_eq!(journal.recent().len(), 1);
    }

    #[test]
    fn a_script_is_written_again_as_it_was() {
        let journal = Journal::default();
        let script = "return 1";
        let command = ::redis::cmd("EVAL").arg(script).arg(1).arg("key").arg(b"\0\xff").to_owned();
        journal.keep(Some(script), command.clone());
        assert_eq!(journal.recent()[0].get_packed_command(), command.get_packed_command());
    }
}
