//! One integration-test binary: it links once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose world cannot be set up, or whose promise is broken, should stop"
)]

mod abuse;
mod app_asks;
mod approvals;
mod at_rest;
mod backups;
mod browser;
mod bypass;
mod campaign;
mod classes;
mod cli;
mod codes;
mod concurrency;
mod confusion;
mod demo;
mod deploy;
mod disguise;
mod docs;
mod edge;
mod enrolments;
mod every_outcome;
mod export;
mod faults;
mod fuzz;
mod guessing;
mod handover;
mod idv;
mod invitation;
mod layering;
mod local;
mod logs;
mod mailbox;
mod moving;
mod notify;
mod oidc;
mod origin;
mod pages;
mod parity;
mod passkeys;
mod plane;
mod post;
mod process;
mod promised;
mod recalled;
mod redis;
mod redis_server;
mod reload;
mod resumed;
mod routes;
mod schema;
mod security_events;
mod settings;
mod settled;
mod shipped;
mod sign_out;
mod signals;
mod spa;
mod state_loss;
mod stepup;
mod store_contract;
mod store_crash;
mod story;
mod subject;
mod supply;
mod uploads;
mod vendor_tls;
mod vendors;
mod visitor;
mod world;
