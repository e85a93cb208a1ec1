//! How a connector says who it is to its vendor. Secrets are named here and filled in by the shell.

use std::sync::Arc;

use crate::{
    connector::{
        compile::Compiler,
        document::{AuthKind, AuthPlace, Document},
        template::Template,
    },
    yaml::Spanned,
};

impl Compiler<'_> {
    /// Adds to the query or the headers; what comes out is the name and password of basic authentication.
    pub(super) fn auth(
        &mut self,
        document: &Document,
        query: &mut Vec<(Arc<str>, Template)>,
        headers: &mut Vec<(Arc<str>, Template)>,
    ) -> Option<(Template, Template)> {
        let Spanned { value: auth, span } = document.auth.as_ref()?;
        let missing = |compiler: &mut Self, what: &str| {
            compiler.fault("auth.incomplete", span, format!("this kind of `auth` needs {what}"));
            None
        };
        match auth.kind {
            AuthKind::None => None,
            AuthKind::ApiKey => {
                let (Some(place), Some(name), Some(value)) = (auth.place, &auth.name, &auth.value) else {
                    return missing(self, "`in`, `name` and `value`");
                };
                let template = self.template(value, span, document)?;
                match place {
                    AuthPlace::Header => headers.push((name.as_str().into(), template)),
                    AuthPlace::Query => query.push((name.as_str().into(), template)),
                }
                None
            }
            AuthKind::Bearer => {
                let Some(token) = &auth.token else { return missing(self, "`token`") };
                let template = self.template(&format!("Bearer {token}"), span, document)?;
                headers.push(("authorization".into(), template));
                None
            }
            AuthKind::Basic => {
                let (Some(user), Some(password)) = (&auth.username, &auth.password) else {
                    return missing(self, "`username` and `password`");
                };
                Some((self.template(user, span, document)?, self.template(password, span, document)?))
            }
        }
    }
}
