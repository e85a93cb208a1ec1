//! The letter in which a code comes. It names what is confirmed, and nothing about the account.

use fluent_bundle::FluentArgs;

use crate::{
    challenges::{Challenges, code, issued::Issued, problem},
    locale::Locale,
    mail::Letter,
};

impl Challenges {
    /// The letter with a code.
    pub(super) fn letter(&self, issued: &Issued, locale: &Locale, to: String, digits: &str) -> Letter {
        let mut args = FluentArgs::new();
        args.set("service", self.pages.service.to_string());
        let event = problem::event_name(locale, &issued.event);
        let line = |(name, value): &(String, String)| {
            let value = problem::fact_value(locale, issued, name, value);
            format!("  {}: {}\n", problem::fact_name(locale, name), code::one_line(&value, 200))
        };
        let shown = issued.shown.iter().map(line);
        let body = format!(
            "{}\n\n  {event}\n{}\n{}\n\n  {digits}\n\n{}\n",
            locale.say("mail_code_intro", &args),
            shown.collect::<String>(),
            locale.text("mail_code_label"),
            locale.text("mail_code_end"),
        );
        Letter { to, subject: locale.say("mail_code_subject", &args), body }
    }
}
