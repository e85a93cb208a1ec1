//! One operation of an OpenAPI 3 document, with everything it refers to brought in.
//!
//! Only what the document itself holds is read: a reference to another file or host is left unresolved, never fetched.

use serde_json::{Map, Value as Json};

use crate::cli::connector::new::sample;

/// The methods that connectors speak.
const METHODS: [&str; 2] = ["get", "post"];

/// An operation, as far as a connector needs it.
#[derive(Debug)]
pub(super) struct Found {
    /// The API's title.
    pub(super) title: String,
    /// One sentence about the operation.
    pub(super) about: Option<String>,
    /// Where the API is described.
    pub(super) docs: Option<String>,
    /// `GET` or `POST`.
    pub(super) method: String,
    /// Scheme, host and path before the operation's own.
    pub(super) server: String,
    /// The operation's path, with `{name}`.
    pub(super) path: String,
    /// Parameters, without those that are auth.
    pub(super) parameters: Vec<Parameter>,
    /// What is sent along.
    pub(super) body: Option<Body>,
    /// How the caller proves who it is.
    pub(super) auth: Auth,
    /// The status and the sample of a success.
    pub(super) success: (u16, Option<Json>),
    /// Documented failures, from 400 on.
    pub(super) failures: Vec<u16>,
}

/// A parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    /// `path`, `query` or `header`.
    pub(super) place: String,
    pub(super) required: bool,
    pub(super) example: Json,
    /// Its type, where the document leaves open which value it has: something that is asked about.
    pub(super) open: Option<&'static str>,
}

/// A body.
#[derive(Debug)]
pub(super) enum Body {
    Json(Json),
    Form(Map<String, Json>),
}

/// A way of proving who calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Auth {
    None,
    Basic,
    Bearer,
    ApiKey {
        place: &'static str,
        name: String,
    },
    /// One that the grammar of connectors cannot say from the document alone.
    Other(String),
}

/// The operation that is meant.
pub(super) fn find(api: &Json, wanted: Option<&str>) -> Result<Found, String> {
    let version = api["openapi"].as_str().unwrap_or_default();
    if !version.starts_with("3.") {
        return Err("this is no OpenAPI 3 document: it has no `openapi: 3.…`".to_owned());
    }
    let all = operations(api);
    let named = |it: &&Operation<'_>| match wanted {
        Some(wanted) => it.answers_to(wanted),
        None => true,
    };
    let mut fitting = all.iter().filter(named);
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => one.found(api),
        (Some(_), Some(_)) | (None, _) => {
            let names: Vec<_> = all.iter().map(Operation::name).collect();
            Err(format!("name one with `--operation`: {}", names.join(", ")))
        }
    }
}

struct Operation<'a> {
    method: &'static str,
    path: &'a str,
    item: &'a Json,
    body: &'a Json,
}

fn operations(api: &Json) -> Vec<Operation<'_>> {
    let paths = api["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            METHODS
                .into_iter()
                .filter_map(move |method| Some(Operation { method, path, item, body: item.get(method)? }))
        })
        .collect()
}

impl Operation<'_> {
    fn name(&self) -> String {
        match self.body["operationId"].as_str() {
            Some(id) => format!("`{id}`"),
            None => format!("`{} {}`", self.method.to_uppercase(), self.path),
        }
    }

    fn answers_to(&self, wanted: &str) -> bool {
        let written = wanted.split_once(' ');
        self.body["operationId"] == wanted
            || written
                .is_some_and(|(method, path)| method.eq_ignore_ascii_case(self.method) && path.trim() == self.path)
    }

    fn found(&self, api: &Json) -> Result<Found, String> {
        let auth = auth(api, self.body);
        let parameters = self.parameters(api, &auth);
        let responses = self.body["responses"].as_object();
        let mut codes: Vec<(u16, &Json)> =
            responses.into_iter().flatten().filter_map(|(code, it)| Some((code.parse().ok()?, it))).collect();
        codes.sort_by_key(|(code, _)| *code);
        let success = codes.iter().find(|(code, _)| (200..300).contains(code));
        let text = |json: &Json| json.as_str().map(|it| it.lines().next().unwrap_or_default().trim().to_owned());
        let about = text(&self.body["summary"]).or_else(|| text(&self.body["description"]));
        Ok(Found {
            title: text(&api["info"]["title"]).unwrap_or_else(|| "Unnamed API".to_owned()),
            about: about.filter(|it| !it.is_empty()),
            docs: text(&self.body["externalDocs"]["url"]).or_else(|| text(&api["externalDocs"]["url"])),
            method: self.method.to_uppercase(),
            server: server(api, self.item, self.body)?,
            path: self.path.to_owned(),
            parameters,
            body: body(api, sample::resolved(api, &self.body["requestBody"])),
            auth,
            success: match success {
                Some((code, it)) => (*code, sample::of_content(api, sample::resolved(api, it))),
                None => (200, None),
            },
            failures: codes.iter().map(|(code, _)| *code).filter(|code| *code >= 400).collect(),
        })
    }

    /// The path's parameters and the operation's own, which count more.
    fn parameters(&self, api: &Json, auth: &Auth) -> Vec<Parameter> {
        let mut parameters: Vec<Parameter> = Vec::new();
        let listed = |of: &'_ Json| of["parameters"].as_array().cloned().unwrap_or_default();
        for listed in listed(self.item).iter().chain(&listed(self.body)) {
            let it = sample::resolved(api, listed);
            let (Some(name), Some(place)) = (it["name"].as_str(), it["in"].as_str()) else { continue };
            let is_auth = matches!(auth, Auth::ApiKey { name: key, .. } if key.eq_ignore_ascii_case(name))
                || name.eq_ignore_ascii_case("authorization");
            if is_auth || !["path", "query", "header"].contains(&place) {
                continue;
            }
            parameters.retain(|known| known.name != name || known.place != place);
            parameters.push(Parameter {
                name: name.to_owned(),
                place: place.to_owned(),
                required: it["required"] == true || place == "path",
                example: sample::of_parameter(api, it),
                open: sample::open(api, &it["schema"]),
            });
        }
        parameters
    }
}

fn server(api: &Json, item: &Json, operation: &Json) -> Result<String, String> {
    let first = [operation, item, api].into_iter().find_map(|it| it["servers"].as_array()?.first());
    let mut url = first.and_then(|it| it["url"].as_str()).unwrap_or("https://api.example.com").to_owned();
    let variables = first.and_then(|it| it["variables"].as_object()).into_iter().flatten();
    for (name, variable) in variables {
        url = url.replace(&format!("{{{name}}}"), variable["default"].as_str().unwrap_or_default());
    }
    if !url.contains("://") {
        return Err(format!(
            "the document says where its server is only as `{url}`; write a whole URL under `servers`"
        ));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// The first requirement of the operation, else of the document, that can be met by one scheme.
fn auth(api: &Json, operation: &Json) -> Auth {
    let required = operation.get("security").or_else(|| api.get("security")).and_then(Json::as_array);
    let names = required.into_iter().flatten().filter_map(|it| it.as_object()?.keys().next());
    let schemes: Vec<Auth> =
        names.map(|name| scheme(sample::resolved(api, &api["components"]["securitySchemes"][name]))).collect();
    let plain = schemes.iter().position(|it| !matches!(it, Auth::Other(_)));
    schemes.into_iter().nth(plain.unwrap_or(0)).unwrap_or(Auth::None)
}

fn scheme(it: &Json) -> Auth {
    let text = |name: &str| it[name].as_str().unwrap_or_default().to_ascii_lowercase();
    match (text("type").as_str(), text("scheme").as_str(), text("in").as_str()) {
        ("apikey", _, place @ ("header" | "query")) => Auth::ApiKey {
            place: if place == "header" { "header" } else { "query" },
            name: it["name"].as_str().unwrap_or("X-Api-Key").to_owned(),
        },
        ("http", "basic", _) => Auth::Basic,
        ("http", "bearer", _) => Auth::Bearer,
        (kind, scheme, _) => Auth::Other(format!("{kind} {scheme}").trim().to_owned()),
    }
}

fn body(api: &Json, request: &Json) -> Option<Body> {
    let content = request["content"].as_object()?;
    let of =
        |media: &str| content.iter().find(|(name, _)| name.starts_with(media)).map(|(_, it)| sample::of_media(api, it));
    if let Some(json) = of("application/json") {
        return json.map(Body::Json);
    }
    match of("application/x-www-form-urlencoded")? {
        Some(Json::Object(fields)) => Some(Body::Form(fields)),
        Some(_) | None => None,
    }
}
