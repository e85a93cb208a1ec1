//! Codes to telephones and tests against robots, by vendors on loopback that answer as recorded.

mod captcha;
mod telephone;
