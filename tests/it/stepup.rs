//! Challenges from end to end: a browser, real state on disk, real mail. Tests are named after the rows of
//! `security.md` where they pin one.

mod answers;
mod enrolment;
mod parking;
pub(crate) mod world;
