//! `stepward explain`

use std::{fs, net::IpAddr, path::PathBuf};

use stepward_core::session::Method;

use crate::{
    cli::{Came, Exit, Failed, check, say},
    clock::Clock,
    inquiry::{self, Conclusion, Question, given},
    registry::{self, folder},
    render::Format,
    settings::{self, Presence},
};

mod curl;

/// Tell why a request is decided as it is.
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// The request as JSON, as `POST /api/v1/explain` takes it
    #[arg(conflicts_with_all = ["url", "curl"])]
    file: Option<PathBuf>,
    /// The request as a curl command line, such as a browser's developer tools copy it
    #[arg(long, conflicts_with = "url")]
    curl: Option<String>,
    /// Where the request goes: `https://bank.example/transfer`
    #[arg(long)]
    url: Option<String>,
    /// Its method; POST if there is data
    #[arg(long)]
    method: Option<String>,
    /// A header: `Name: value`
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Its body; a form unless a header says otherwise
    #[arg(short, long)]
    data: Option<String>,
    /// The client's address
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// What is known: `device.is_known=true`, `ip.risk_score=unavailable`
    #[arg(short, long, value_name = "ATTRIBUTE=VALUE")]
    given: Vec<String>,
    /// A proof there is, with its age: `totp=20s`
    #[arg(long, value_name = "METHOD=AGE")]
    proof: Vec<String>,
    /// Folder of policies; those of `stepward.yaml`, else `policies`, if left out
    #[arg(short, long, value_name = "FOLDER")]
    policies: Option<PathBuf>,
    #[command(flatten)]
    printed: say::Printed,
}

impl Explain {
    pub(super) fn run(self: Box<Self>) -> Came {
        let question = self.question()?;
        let folder = self.folder();
        let release = match registry::load(folder::read(&folder), &check::installation(&folder), 0, 0) {
            Ok(release) => release,
            Err(refusal) => {
                say::findings(&refusal.found, &refusal.texts, Format::Human);
                return Ok(Exit::CannotLoad);
            }
        };
        let conclusion = inquiry::answer(&release, &question, Clock::System.now_ms())
            .map_err(|senseless| Failed::new(Exit::Usage, senseless))?;
        match self.printed.format {
            say::Shape::Human => say::data(&human(&conclusion)),
            say::Shape::Json => {
                let told = serde_json::to_string_pretty(&conclusion.told());
                say::data(&format!("{}\n", told.map_err(|error| Failed::new(Exit::CannotLoad, error))?));
            }
        }
        Ok(Exit::Ok)
    }

    fn folder(&self) -> PathBuf {
        let in_settings = || {
            let loaded = settings::load("stepward.yaml".as_ref(), Presence::Advised).ok()?;
            Some(loaded.settings.policies)
        };
        self.policies.clone().or_else(in_settings).unwrap_or_else(|| "policies".into())
    }

    /// The request, with what the command line adds to it.
    fn question(&self) -> Result<Question, Failed> {
        let usage = |why: String| Failed::because(Exit::Usage, why);
        let mut question = match (&self.file, &self.curl, &self.url) {
            (Some(file), ..) => {
                let text = fs::read_to_string(file)
                    .map_err(|error| usage(format!("cannot read `{}`: {error}", file.display())))?;
                serde_json::from_str(&text).map_err(|error| usage(format!("`{}`: {error}", file.display())))?
            }
            (None, Some(command), _) => curl::question(command).map_err(usage)?,
            (None, None, Some(url)) => Question::bare(url.clone()),
            (None, None, None) => return Err(usage("name the request: `--url`, `--curl` or a JSON file".into())),
        };
        for header in &self.headers {
            let (name, value) =
                header.split_once(':').ok_or_else(|| usage(format!("`{header}` is not `Name: value`")))?;
            question.headers.insert(name.trim().into(), value.trim().into());
        }
        if let Some(data) = &self.data {
            curl::with_data(&mut question, data);
        }
        if let Some(method) = &self.method {
            question.method.clone_from(method);
        }
        question.client_ip = self.ip.or(question.client_ip);
        for word in &self.given {
            let (name, value) = pair(word).ok_or_else(|| usage(format!("`{word}` is not `attribute=value`")))?;
            question.given.insert(name.into(), given::from_word(value));
        }
        for word in &self.proof {
            let (name, age) = pair(word).ok_or_else(|| usage(format!("`{word}` is not `method=age`")))?;
            let method = Method::named(name).ok_or_else(|| usage(format!("there is no method `{name}`")))?;
            question.proofs.insert(method, age.into());
        }
        Ok(question)
    }
}

fn pair(word: &str) -> Option<(&str, &str)> {
    word.split_once('=').map(|(name, value)| (name.trim(), value.trim()))
}

fn human(conclusion: &Conclusion) -> String {
    match conclusion {
        Conclusion::NoEvent => "no event: no policy is about this request\n".into(),
        Conclusion::Refused(reason) => format!("block: refused before any policy, `{}`\n", reason.code()),
        Conclusion::Event(it) => {
            let mut text = format!("{}\n{}\n", it.policy.file, it.explanation.text().trim_end());
            for (policy, decision) in &it.shadows {
                let verb = decision.outcome.verb().name();
                text.push_str(&format!("in shadow, `{}` would {verb} ({})\n", policy.event, decision.reason.code()));
            }
            text
        }
    }
}
