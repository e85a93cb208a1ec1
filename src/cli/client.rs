//! Calls to the admin API of a running Stepward, with the token that lies beside its state.

use std::{path::PathBuf, time::Duration};

use serde_json::Value;

use crate::{
    api::token,
    cli::{Exit, Failed},
    settings::{self, Presence},
};

/// How long a call may take.
const CALL_MAX: Duration = Duration::from_secs(10);

/// Which running Stepward.
#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// The settings of the running Stepward, which name its admin address and state
    #[arg(short, long, value_name = "FILE", default_value = "stepward.yaml", env = "STEPWARD_CONFIG")]
    config: PathBuf,
    /// Its admin address, if not as the settings say: `http://127.0.0.1:7300`
    #[arg(long, value_name = "URL", env = "STEPWARD_ADMIN")]
    admin: Option<String>,
    /// A file with a token, if not `<state.path>/admin-token`
    #[arg(long, value_name = "FILE", env = "STEPWARD_ADMIN_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl Server {
    /// GET with query parameters.
    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failed> {
        let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        self.call(reqwest::Method::GET, &format!("{path}?{query}"), None)
    }

    /// POST with a JSON body.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        self.call(reqwest::Method::POST, path, Some(body))
    }

    /// POST whose answer is not JSON but bytes, given piece by piece; how many there were. It takes as long as it takes,
    /// but no piece may take longer than a call.
    pub(super) fn save(&self, path: &str, keep: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> Result<u64, Failed> {
        let (admin, token) = self.access()?;
        let broken = || Failed::because(Exit::CannotReach, format!("{admin} broke off; nothing was kept"));
        runtime()?.block_on(async {
            let client = reqwest::Client::builder().connect_timeout(CALL_MAX).read_timeout(CALL_MAX).no_proxy().build();
            let client = client.map_err(|error| unreachable(&admin, &error))?;
            let request = client.post(format!("{admin}{path}")).bearer_auth(&*token);
            let mut answer = request.send().await.map_err(|error| unreachable(&admin, &error))?;
            if !answer.status().is_success() {
                let told: Value = answer.json().await.map_err(|error| unreachable(&admin, &error))?;
                return Err(refused(&told));
            }
            let mut bytes = 0;
            while let Some(piece) = answer.chunk().await.map_err(|_| broken())? {
                keep(&piece).map_err(|error| Failed::new(Exit::CannotLoad, error))?;
                bytes += piece.len() as u64;
            }
            Ok(bytes)
        })
    }

    /// The admin address, and a token for it.
    fn access(&self) -> Result<(String, zeroize::Zeroizing<String>), Failed> {
        let (admin, token_file) = self.place()?;
        let token = token::first(&token_file).map_err(|error| {
            Failed::because(Exit::CannotLoad, format!("cannot read the token `{}`: {error}", token_file.display()))
        })?;
        Ok((admin, token))
    }

    fn call(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> Result<Value, Failed> {
        let (admin, token) = self.access()?;
        let unreachable = |error: &reqwest::Error| unreachable(&admin, error);
        runtime()?.block_on(async {
            let client = reqwest::Client::builder().timeout(CALL_MAX).no_proxy().build();
            let client = client.map_err(|error| unreachable(&error))?;
            let mut request = client.request(method, format!("{admin}{path}")).bearer_auth(&*token);
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().await.map_err(|error| unreachable(&error))?;
            let status = answer.status();
            let told: Value = answer.json().await.map_err(|error| unreachable(&error))?;
            if status.is_success() { Ok(told) } else { Err(refused(&told)) }
        })
    }

    /// The admin address and the file of the token.
    fn place(&self) -> Result<(String, PathBuf), Failed> {
        if let (Some(admin), Some(token_file)) = (&self.admin, &self.token_file) {
            return Ok((admin.trim_end_matches('/').to_string(), token_file.clone()));
        }
        let loaded = settings::load(&self.config, Presence::Advised).map_err(|rejected| {
            let first = rejected.found.first().map_or_else(String::new, |it| it.message.clone());
            Failed::because(Exit::CannotLoad, format!("`{}` cannot be used: {first}", self.config.display()))
        })?;
        let admin = self.admin.clone().or_else(|| loaded.settings.admin.map(|address| format!("http://{address}")));
        let admin = admin.ok_or_else(|| Failed::because(Exit::Usage, "the settings have no `admin` address"))?;
        let in_state = loaded.settings.state.path.as_deref().map(token::path);
        let token_file = self.token_file.clone().or(in_state);
        let token_file =
            token_file.ok_or_else(|| Failed::because(Exit::Usage, "name the token with `--token-file`"))?;
        Ok((admin.trim_end_matches('/').to_string(), token_file))
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failed::new(Exit::CannotReach, error))
}

fn unreachable(admin: &str, error: &reqwest::Error) -> Failed {
    let why = match (error.is_timeout(), error.is_decode() || error.is_body()) {
        (true, _) => "it does not answer",
        (false, true) => "what answers there is no Stepward",
        (false, false) => "nobody listens there",
    };
    Failed::because(Exit::CannotReach, format!("cannot reach {admin}: {why}; is `stepward run` running?"))
}

fn refused(told: &Value) -> Failed {
    let text = |key: &str| told.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut why = format!("refused: {} [{}]", text("detail"), text("code"));
    for finding in told.get("findings").and_then(Value::as_array).into_iter().flatten() {
        let part = |key: &str| finding.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| finding.get(key).and_then(Value::as_u64).unwrap_or_default();
        why.push_str(&format!("\n  {}:{}:{}: {}", part("file"), number("line"), number("column"), part("message")));
    }
    Failed::because(Exit::Refused, why)
}
