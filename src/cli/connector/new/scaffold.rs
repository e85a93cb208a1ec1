//! From an operation to the text of a connector's file. What stands in it is JSON, which is YAML, so that nothing has to
//! be quoted twice.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};
use stepward_core::{attribute::Catalogue, connector::INPUTS, diagnostic};

use crate::cli::connector::new::openapi::{Auth, Body, Found, Parameter};

/// Stands for the URL of the first fixture until the connector itself can say it.
pub(super) const URL: &str = "\"@url@\"";

/// Other words for inputs.
const SYNONYMS: [(&str, &str); 23] = [
    ("ipaddress", "ip"),
    ("ipaddr", "ip"),
    ("ip", "ip"),
    ("clientip", "ip"),
    ("email", "email"),
    ("emailaddress", "email"),
    ("mail", "email"),
    ("userid", "user_id"),
    ("useragent", "user_agent"),
    ("username", "user_name"),
    ("phone", "phone"),
    ("phonenumber", "phone"),
    ("msisdn", "phone"),
    ("deviceid", "device_id"),
    ("sessionid", "session_id"),
    ("token", "token"),
    ("action", "action"),
    ("password", "password"),
    ("outcome", "outcome"),
    ("code", "code"),
    ("message", "message"),
    ("locale", "locale"),
    ("event", "event"),
];

/// Most candidates for the mapping that are written down.
const CANDIDATES_MAX: usize = 60;

/// The text of the file.
pub(super) fn write(id: &str, capability: &str, found: &Found) -> String {
    let mut sheet = Sheet { inputs: Vec::new(), config: Vec::new(), found };
    let request = sheet.request();
    let auth = auth(&found.auth);
    let mut text =
        "# Begun by `stepward connector new`. Say under `map` what the answer means, then run `test` and `lint`.\n"
            .to_owned();
    let mut line = |it: String| {
        text.push_str(&it);
        text.push('\n');
    };
    line(format!("connector: {id}"));
    line(format!("name: {}", json!(found.title)));
    line(format!("capability: {capability}"));
    if let Some(docs) = &found.docs {
        line(format!("docs: {}", json!(docs)));
    }
    if let Some(about) = &found.about {
        line(format!("about: {}", json!(about)));
    }
    if !found.server.starts_with("https://") {
        line("network: internal".to_owned());
    }
    line(format!("data: {{ sends: {} }}        # and `regions`: where it is processed", json!(sheet.names())));
    line(format!("config:\n  base_url: {{ default: {} }}", json!(found.server)));
    for (name, value) in &sheet.config {
        line(format!("  {name}: {{ default: {value} }}"));
    }
    if !auth.secrets.is_empty() {
        line("secrets:".to_owned());
        auth.secrets.iter().for_each(|(name, about)| line(format!("  {name}: {{ about: {} }}", json!(about))));
    }
    line("inputs:".to_owned() + if sheet.inputs.is_empty() { " {}" } else { "" });
    for Wanted { name, kind, .. } in &sheet.inputs {
        let kind = kind.map(|kind| format!("type: {kind}, ")).unwrap_or_default();
        let skip = if name == "ip" { ", skip_when: is_private_ip(input.ip)" } else { "" };
        line(format!("  {name}: {{ {kind}required: true{skip} }}"));
    }
    line(auth.lines);
    line(format!("operations:\n  lookup:\n    request:\n{request}    timeout: 400ms\n    response:"));
    line(outcomes(&found.failures) + &mapping(capability, found.success.1.as_ref()));
    line(tests(&sheet));
    text
}

/// Something that is asked about.
struct Wanted {
    name: String,
    /// Its type, where the name does not say it.
    kind: Option<&'static str>,
    sample: Json,
}

struct Sheet<'a> {
    inputs: Vec<Wanted>,
    config: Vec<(String, String)>,
    found: &'a Found,
}

impl Sheet<'_> {
    fn names(&self) -> Vec<&str> {
        self.inputs.iter().map(|it| it.name.as_str()).collect()
    }

    fn input(&mut self, name: &str, kind: Option<&'static str>, sample: Json) -> String {
        if !self.inputs.iter().any(|known| known.name == name) {
            self.inputs.push(Wanted { name: name.to_owned(), kind, sample });
        }
        format!("${{input.{name}}}")
    }

    /// The template for a parameter: something asked about where the document leaves its value open, else a setting.
    fn parameter(&mut self, it: &Parameter) -> String {
        match it.open.filter(|_| input_of(&it.name).is_none()) {
            Some(kind) => self.input(&plain(&it.name), Some(kind), it.example.clone()),
            None => self.value(&it.name, &it.example),
        }
    }

    /// The template for a value: an input by its name, else a setting with the document's own example.
    fn value(&mut self, name: &str, example: &Json) -> String {
        if let Some(input) = input_of(name) {
            return self.input(input, None, made_up(input));
        }
        let setting = plain(name);
        let default = match example {
            Json::String(text) => json!(text.replace("${", "{")),
            Json::Null | Json::Array(_) | Json::Object(_) => json!("fill-me-in"),
            other => other.clone(),
        };
        if !self.config.iter().any(|(known, _)| *known == setting) {
            self.config.push((setting.clone(), default.to_string()));
        }
        format!("${{config.{setting}}}")
    }

    fn request(&mut self) -> String {
        let found = self.found;
        let mut path = found.path.clone();
        let mut parts: [(&str, Map<String, Json>, Vec<&str>); 2] =
            [("query", Map::new(), Vec::new()), ("headers", Map::new(), Vec::new())];
        for it in &found.parameters {
            if it.place == "path" {
                path = path.replace(&format!("{{{}}}", it.name), &self.parameter(it));
                continue;
            }
            let (_, fields, left_out) = if it.place == "query" { &mut parts[0] } else { &mut parts[1] };
            if it.required || (it.place == "query" && input_of(&it.name).is_some()) {
                fields.insert(it.name.clone(), self.parameter(it).into());
            } else {
                left_out.push(&it.name);
            }
        }
        let mut text =
            format!("      method: {}\n      url: {}\n", found.method, json!(format!("${{config.base_url}}{path}")));
        for (key, fields, left_out) in parts {
            let note = if left_out.is_empty() {
                String::new()
            } else {
                format!("        # optional: {}", left_out.join(", "))
            };
            if !fields.is_empty() || !note.is_empty() {
                let _ = writeln!(text, "      {key}: {}{note}", Json::Object(fields));
            }
        }
        match &found.body {
            Some(Body::Json(json)) => {
                let filled = self.filled(json);
                let _ = writeln!(text, "      json: {filled}");
            }
            Some(Body::Form(fields)) => {
                let filled: Map<String, Json> =
                    fields.iter().map(|(name, it)| (name.clone(), self.value(name, it).into())).collect();
                let _ = writeln!(text, "      form: {}", Json::Object(filled));
            }
            None => {}
        }
        text
    }

    /// A body whose inputs are templates; everything else stays as the document's example has it.
    fn filled(&mut self, json: &Json) -> Json {
        match json {
            Json::Object(fields) => {
                let filled = fields.iter().map(|(name, it)| match it {
                    Json::String(_) if input_of(name).is_some() => (name.clone(), self.value(name, it).into()),
                    other => (name.clone(), self.filled(other)),
                });
                Json::Object(filled.collect())
            }
            Json::Array(items) => items.iter().map(|it| self.filled(it)).collect(),
            Json::String(text) => Json::String(text.replace("${", "{")),
            other => other.clone(),
        }
    }
}

fn input_of(name: &str) -> Option<&'static str> {
    let bare: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let synonym = SYNONYMS.iter().find(|(word, _)| *word == bare).map(|(_, input)| *input)?;
    INPUTS.iter().any(|(name, _)| *name == synonym).then_some(synonym)
}

/// A value of an input that belongs to nobody.
fn made_up(input: &str) -> Json {
    json!(match input {
        "ip" => "62.4.31.7",
        "email" => "person1@example.com",
        "phone" => "+31201234567",
        "user_agent" => "Mozilla/5.0",
        _ => "made-up-1",
    })
}

/// A name that can stand behind `config.`.
fn plain(name: &str) -> String {
    let letter = |it: char| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '_' };
    name.chars().map(letter).collect()
}

struct AuthText {
    lines: String,
    secrets: Vec<(&'static str, &'static str)>,
}

fn auth(auth: &Auth) -> AuthText {
    let (lines, secrets) = match auth {
        Auth::None => ("auth: { type: none }".to_owned(), vec![]),
        Auth::Basic => (
            "auth: { type: basic, username: \"${secret.username}\", password: \"${secret.password}\" }".to_owned(),
            vec![("username", "The account's name."), ("password", "Its password.")],
        ),
        Auth::Bearer => (
            "auth: { type: bearer, token: \"${secret.token}\" }".to_owned(),
            vec![("token", "A token of the account.")],
        ),
        Auth::ApiKey { place, name } => (
            format!("auth: {{ type: api_key, in: {place}, name: {}, value: \"${{secret.key}}\" }}", json!(name)),
            vec![("key", "A key of the account.")],
        ),
        Auth::Other(kind) => (
            format!(
                "# The document asks for `{kind}`; a token that you have got elsewhere stands for it here.\nauth: {{ type: bearer, token: \"${{secret.token}}\" }}"
            ),
            vec![("token", "A token of the account.")],
        ),
    };
    AuthText { lines, secrets }
}

fn outcomes(failures: &[u16]) -> String {
    let meaning = |status: &u16| match status {
        404 => Some("not_found"),
        400 | 422 => Some("invalid_input"),
        _ => None,
    };
    let rules: String = failures
        .iter()
        .filter_map(|status| Some(format!("        - {{ when: status == {status}, then: {} }}\n", meaning(status)?)))
        .collect();
    if rules.is_empty() {
        String::new()
    } else {
        format!("      outcome:                         # the first that holds; else by status\n{rules}")
    }
}

/// No mapping yet, but what could become one.
fn mapping(capability: &str, sample: Option<&Json>) -> String {
    let mut leaves = Vec::new();
    if let Some(sample) = sample {
        collect(sample, "body", &mut leaves);
    }
    let mut text = "      map: {}                          # attribute: CEL over `body`; candidates:\n".to_owned();
    let catalogue = Catalogue::builtin();
    let group = capability.split('_').next().unwrap_or_default();
    for (path, name, example) in leaves.iter().take(CANDIDATES_MAX) {
        let attribute = candidate(&catalogue, group, name).unwrap_or_else(|| "?".to_owned());
        let _ = writeln!(text, "      #  {attribute}: {path}    # {example}");
    }
    text.trim_end().to_owned()
}

/// The attribute whose name is nearest to a field's, those of the capability's own group first.
fn candidate(catalogue: &Catalogue, group: &str, field: &str) -> Option<String> {
    let snake = snake(field);
    let own = catalogue.all().filter(|it| it.name.split('.').next() == Some(group));
    let names: Vec<(&str, &str)> = own.filter_map(|it| Some((&*it.name, it.name.split_once('.')?.1))).collect();
    let exact = |word: &str| names.iter().find(|(_, last)| *last == word).map(|(name, _)| (*name).to_owned());
    let words = [snake.clone(), format!("is_{snake}"), snake.replace("country_code", "country")];
    words.iter().find_map(|word| exact(word)).or_else(|| {
        let near = diagnostic::nearest(&snake, names.iter().map(|(_, last)| *last)).filter(|it| it.len() > 4)?;
        exact(near)
    })
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && snake.ends_with(|it: char| it.is_ascii_lowercase()) {
            snake.push('_');
        }
        snake.push(if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' });
    }
    snake
}

fn collect<'a>(json: &'a Json, path: &str, leaves: &mut Vec<(String, &'a str, String)>) {
    match json {
        Json::Object(fields) => {
            for (name, value) in fields {
                let is_word = name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
                    && name.starts_with(|it: char| it.is_ascii_alphabetic());
                let below = if is_word { format!("{path}.{name}") } else { format!("{path}['{name}']") };
                match value {
                    Json::Object(_) | Json::Array(_) => collect(value, &below, leaves),
                    plain => leaves.push((below, name, plain.to_string().replace('\n', " "))),
                }
            }
        }
        Json::Array(items) => items.iter().take(1).for_each(|it| collect(it, &format!("{path}[0]"), leaves)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn tests(sheet: &Sheet<'_>) -> String {
    let found = sheet.found;
    let input: Map<String, Json> = sheet.inputs.iter().map(|it| (it.name.clone(), it.sample.clone())).collect();
    let input = Json::Object(input);
    let (status, sample) = (found.success.0, found.success.1.clone().unwrap_or_else(|| json!({})));
    let mut text = format!(
        "tests:\n  - name: the example of the document\n    input: {input}\n    expect_request: {{ method: {}, url: {URL} }}\n    response: {{ status: {status}, body: {sample} }}\n    expect: {{ outcome: success }}\n",
        found.method
    );
    let mut case = |name: &str, response: &str, outcome: &str| {
        let _ = write!(
            text,
            "  - name: {name}\n    input: {input}\n    response: {response}\n    expect: {{ outcome: {outcome} }}\n"
        );
    };
    if found.failures.contains(&404) {
        case("nothing is known", "{ status: 404, body: {} }", "not_found");
    }
    case("too many questions", "{ status: 429, body: {} }", "rate_limited");
    case("a page instead of an answer", "{ status: 200, text: \"<html>maintenance</html>\" }", "contract_error");
    text.trim_end().to_owned()
}
