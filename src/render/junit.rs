//! Test results as JUnit XML, which every build server reads.

use std::fmt::Write;

/// The outcome of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The file it stands in.
    pub suite: String,
    /// What it says.
    pub name: String,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// A JUnit document; cases of one suite stand together.
pub fn document(cases: &[Case]) -> String {
    let failures = cases.iter().filter(|it| it.failure.is_some()).count();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{failures}\">\n",
        cases.len()
    );
    for suite in cases.chunk_by(|one, next| one.suite == next.suite) {
        write_suite(&mut xml, suite);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn write_suite(xml: &mut String, cases: &[Case]) {
    let Some(first) = cases.first() else { return };
    let failures = cases.iter().filter(|it| it.failure.is_some()).count();
    let name = escape(&first.suite);
    // Writing to a String cannot fail.
    let _ = writeln!(xml, "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\">", cases.len());
    for case in cases {
        let opening = format!("    <testcase classname=\"{name}\" name=\"{}\"", escape(&case.name));
        let _ = match &case.failure {
            None => writeln!(xml, "{opening}/>"),
            Some(why) => writeln!(xml, "{opening}><failure>{}</failure></testcase>", escape(why)),
        };
    }
    xml.push_str("  </testsuite>\n");
}

/// XML 1.0 has no way to write most control characters, so they become U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for symbol in text.chars() {
        match symbol {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(symbol),
            it if it.is_control() => escaped.push('\u{fffd}'),
            it => escaped.push(it),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_why_and_cannot_break_out_of_its_element() {
        let case = |name: &str, failure: Option<&str>| Case {
            suite: "login.test.yaml".into(),
            name: name.into(),
            failure: failure.map(String::from),
        };
        let xml = document(&[case("passes", None), case("fails \"<here>\"", Some("forward & not </failure>"))]);
        assert!(xml.contains("tests=\"2\" failures=\"1\""));
        assert!(xml.contains("name=\"fails &quot;&lt;here&gt;&quot;\""));
        assert!(xml.contains("forward &amp; not &lt;/failure&gt;"));
    }
}
