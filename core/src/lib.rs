//! The engine of Stepward: policies in, decisions out.
//!
//! It reads no clock, file, socket, environment or random source, and cannot fail at request time:
//! all that can be wrong is a [`diagnostic::Diagnostic`] at load. What it does not know it asks for.

pub mod attribute;
pub mod connector;
pub mod decide;
pub mod decision;
pub mod diagnostic;
pub mod event;
pub mod explain;
pub mod expr;
pub mod facts;
pub mod policy;
pub mod request;
pub mod schema;
pub mod session;
pub mod split;
pub mod trial;
pub mod value;
pub mod yaml;
