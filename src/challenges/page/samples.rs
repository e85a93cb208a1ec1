//! Values as pages are given them, for trying templates out: with everything there is, for each method, and with
//! nothing. They never reach a client.

use minijinja::{Value, context};
use stepward_core::session::Method;

/// Every sample.
pub fn all() -> Vec<Value> {
    let methods = Method::ALL.iter().map(|it| it.name());
    let mut samples: Vec<Value> =
        methods.flat_map(|it| [with("Sample", it, true), with("Sample", it, false)]).collect();
    samples.push(context! { t => context! {}, theme => context! {}, method => "totp" });
    samples
}

/// Everything that some page is given, each text being `text`.
pub fn with(text: &'static str, method: &'static str, is_sent: bool) -> Value {
    context! {
        lang => "en", dir => "ltr", t => context! { confirm => text }, service => text, title => text, leave => text,
        theme => context! { css => text, logo => text, logo_dark => text },
        error => text, why => text, event => text, tell => text, shown => vec![vec![text, text]],
        method => method, sent => is_sent, undelivered => is_sent, action => text, reference => text, text => text,
        detail => text, target => text, go_on => text, home => text, codes => vec![text], next => text,
        others => vec![context! { href => text, label => text }], key => text, picture => text, enrol => true,
        authenticators => vec![context! { id => text, label => text, remove => text }],
        passed => true, resume => text, recovery => text, base => text, suffix => text, seed => text, bits => 1,
        options => text, back => text, label_max => 40, passkeys => true,
        autofill => text, passkey => (method == Method::Passkey.name()).then_some(text),
        verification => [Method::IdDocument, Method::Push, Method::Approval].iter().any(|it| it.name() == method).then(|| context! {
            stage => if is_sent { "pending" } else { "start" }, number => text, again => text, leads_away => true,
            embed => (method == Method::IdDocument.name()).then(|| context! { script => text, snippet => text }),
        }),
        entries => vec![context! { href => text, event => text, who => text, when => text }], who => text, when => text,
        over => is_sent.then_some(text),
        captcha => context! { vendor => text, snippet => text, script => text, other => text },
    }
}
