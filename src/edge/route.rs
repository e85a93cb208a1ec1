//! Which app a request goes to, by host and path prefix.
//!
//! The first route that fits counts. A host that no route names is unknown here.

use std::sync::Arc;

use stepward_core::event::readings;

use crate::{
    edge::{
        refuse::Refusal,
        upstream::{Upstream, Upstreams},
    },
    settings::Route,
};

/// Every route with its app.
#[derive(Debug)]
pub(crate) struct Routes(Vec<Way>);

/// A route and the app it leads to.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// As configured.
    pub(crate) route: Arc<Route>,
    /// Its app.
    pub(crate) upstream: Arc<Upstream>,
}

impl Routes {
    /// `Err` names an upstream that does not exist.
    pub(crate) fn new(routes: &[Route], upstreams: &Upstreams) -> Result<Self, Arc<str>> {
        let ways = routes.iter().map(|route| {
            let upstream = upstreams.get(&route.upstream).ok_or_else(|| route.upstream.clone())?;
            Ok(Way { route: Arc::new(route.clone()), upstream: upstream.clone() })
        });
        ways.collect::<Result<_, _>>().map(Routes)
    }

    /// The way of a request to this lower-case host and path as received.
    ///
    /// A path that servers read differently must lead the same way in every reading: `/public/../admin` goes neither
    /// to the app of `/public` nor to that of `/admin`.
    pub(crate) fn find(&self, host: &str, path: &str) -> Result<&Way, Refusal> {
        let straight = self.first(host, path).ok_or_else(Refusal::unknown_host)?;
        if self.0.len() == 1 || readings::is_plain(path) {
            return Ok(straight);
        }
        let forms = readings::forms(path).ok_or_else(Refusal::ambiguous)?;
        let other = |way: Option<&Way>| way.is_none_or(|way| !Arc::ptr_eq(&way.route, &straight.route));
        match forms.iter().any(|form| other(self.first(host, &format!("/{}", form.join("/"))))) {
            true => Err(Refusal::ambiguous()),
            false => Ok(straight),
        }
    }

    /// The tenant that every route has, if there is only one.
    pub(crate) fn only_tenant(&self) -> Option<&Arc<str>> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().all(|way| way.route.tenant == first.route.tenant).then_some(&first.route.tenant)
    }

    /// Whose request a refused one to this host and path would have been, as far as that can be said.
    pub(crate) fn tenant(&self, host: &str, path: &str) -> Option<&Arc<str>> {
        Some(&self.first(host, path)?.route.tenant)
    }

    fn first(&self, host: &str, path: &str) -> Option<&Way> {
        self.0.iter().find(|way| fits_host(way.route.host.as_deref(), host) && fits_path(&way.route.path, path))
    }
}

/// `*.example.com` is any name under it, at any depth, and not itself.
fn fits_host(pattern: Option<&str>, host: &str) -> bool {
    match pattern {
        None => true,
        Some(pattern) => match pattern.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => host == pattern,
        },
    }
}

/// On segment boundaries: `/app` is `/app` and `/app/x`, never `/apple`.
fn fits_path(prefix: &str, path: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    if prefix.is_empty() {
        return true;
    }
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a13_a_path_prefix_ends_on_a_segment_boundary() {
        for (prefix, path, expected) in [
            ("/", "/", true),
            ("/", "/anything", true),
            ("/admin", "/admin", true),
            ("/admin", "/admin/x", true),
            ("/admin/", "/admin/x", true),
            ("/admin", "/administrator", false),
            ("/admin", "/admin.", false),
            ("/admin", "/", false),
        ] {
            assert_eq!(fits_path(prefix, path), expected, "{prefix} {path}");
        }
    }

    #[test]
    fn c1_hosts_fit_exactly_or_under_a_wildcard() {
        for (pattern, host, expected) in [
            (None, "any.test", true),
            (Some("a.test"), "a.test", true),
            (Some("a.test"), "b.a.test", false),
            (Some("*.a.test"), "b.a.test", true),
            (Some("*.a.test"), "c.b.a.test", true),
            (Some("*.a.test"), "a.test", false),
            (Some("*.a.test"), "evila.test", false),
        ] {
            assert_eq!(fits_host(pattern, host), expected, "{pattern:?} {host}");
        }
    }
}
