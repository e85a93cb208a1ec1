//! A curl command line as a question: what `Copy as cURL` of browsers writes, and what people type.

use crate::inquiry::Question;

/// The request that a curl command line sends.
pub(super) fn question(command: &str) -> Result<Question, String> {
    let words = words(command)?;
    let mut words = words.iter().map(String::as_str).peekable();
    words.next_if_eq(&"curl");
    let mut question = Question::bare(String::new());
    let mut method = None;
    while let Some(word) = words.next() {
        // curl takes `-XPOST` and `--request=POST` too.
        let (option, glued) = split(word);
        let mut value = || glued.or_else(|| words.next()).ok_or_else(|| format!("`{option}` needs a value"));
        match option {
            "-X" | "--request" => method = Some(value()?.to_string()),
            "-H" | "--header" => {
                if let Some((name, value)) = value()?.split_once(':') {
                    question.headers.insert(name.trim().into(), value.trim().into());
                }
            }
            "-d" | "--data" | "--data-raw" | "--data-ascii" | "--data-binary" | "--data-urlencode" => {
                let data = value()?.to_string();
                with_data(&mut question, &data);
            }
            "--json" => {
                question.headers.insert("content-type".into(), "application/json".into());
                let data = value()?.to_string();
                with_data(&mut question, &data);
            }
            "-b" | "--cookie" => {
                let cookie = value()?.to_string();
                question.headers.insert("cookie".into(), cookie);
            }
            "-A" | "--user-agent" => {
                let agent = value()?.to_string();
                question.headers.insert("user-agent".into(), agent);
            }
            "--url" => question.url = value()?.to_string(),
            "-I" | "--head" => method = Some("HEAD".into()),
            // These change how curl talks, not what it asks.
            "-s" | "-S" | "-sS" | "-v" | "-i" | "-k" | "-L" | "--compressed" | "--insecure" | "--location"
            | "--silent" => {}
            other if other.starts_with('-') => return Err(format!("`{other}` of curl is not understood here")),
            url => question.url = url.to_string(),
        }
    }
    if question.url.is_empty() {
        return Err("there is no URL in the curl command".into());
    }
    if let Some(method) = method {
        question.method = method;
    }
    Ok(question)
}

/// With a body: POST, and a form unless a header says otherwise; several are joined, as curl does.
pub(super) fn with_data(question: &mut Question, data: &str) {
    question.body = Some(match question.body.take() {
        Some(before) => format!("{before}&{data}"),
        None => data.to_string(),
    });
    if question.method == "GET" {
        question.method = "POST".into();
    }
    if !question.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        question.headers.insert("content-type".into(), "application/x-www-form-urlencoded".into());
    }
}

fn split(word: &str) -> (&str, Option<&str>) {
    if word.starts_with("--") {
        return word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
    }
    match (word.starts_with('-'), word.get(..2), word.get(2..)) {
        (true, Some(option @ ("-X" | "-H" | "-d" | "-b" | "-A")), Some(value)) if !value.is_empty() => {
            (option, Some(value))
        }
        _ => (word, None),
    }
}

/// Words as a POSIX shell splits them: quotes, backslashes, and a backslash before a line's end.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut symbols = text.chars();
    while let Some(symbol) = symbols.next() {
        match symbol {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match symbols.next().ok_or("a quote is open")? {
                        '\'' => break,
                        inside => word.push(inside),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match symbols.next().ok_or("a quote is open")? {
                        '"' => break,
                        '\\' => word.push(symbols.next().ok_or("a quote is open")?),
                        inside => word.push(inside),
                    }
                }
            }
            '\\' => match symbols.next() {
                Some('\n') | None => {}
                Some(next) => word.get_or_insert_default().push(next),
            },
            blank if blank.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_copies_is_understood() {
        let command = "curl 'https://bank.example/transfer' \\\n  -X 'POST' -H 'Content-Type: application/json' \\\n  --data-raw '{\"payee\":\"D'\\''E\"}' --compressed";
        let question = question(command).unwrap();
        assert_eq!((&*question.method, &*question.url), ("POST", "https://bank.example/transfer"));
        assert_eq!(question.headers["Content-Type"], "application/json");
        assert_eq!(question.body.as_deref(), Some("{\"payee\":\"D'E\"}"));
    }

    #[test]
    fn data_makes_a_form_post() {
        let question = question("curl -d a=1 -d b=2 http://x.example/").unwrap();
        assert_eq!((&*question.method, question.body.as_deref()), ("POST", Some("a=1&b=2")));
        assert_eq!(question.headers["content-type"], "application/x-www-form-urlencoded");
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for command in ["curl", "curl 'http://x", "curl --upload-file x http://x", "curl -H"] {
            assert!(question(command).is_err(), "{command}");
        }
    }
}
