//! How an act is done: as the command of the same name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::AdminState;
use crate::http::command_line::{CommandAnswer, CommandCall};
use crate::http::json::PlainJson;
use crate::http::person::Person;
use crate::http::problem::Problem;

/// The query string of every act.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Preview {
    /// Only say what would be done.
    #[serde(default)]
    pub(super) preview: bool,
}

/// What is done, or would be.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::http) struct Act {
    /// One sentence that says what it does.
    what: String,
    /// Whether it was done; `false`: this is a preview.
    pub(super) done: bool,
    /// What the command of the same name prints, one value for each line.
    results: Vec<Value>,
}

pub(super) type Outcome = Result<PlainJson<Act>, Problem>;

/// Does what `words` says, or only says `what` that is.
pub(super) async fn act(
    state: &AdminState,
    person: &Person,
    preview: bool,
    what: String,
    call: CommandCall,
) -> Outcome {
    if preview {
        return Ok(PlainJson(Act { what, done: false, results: Vec::new() }));
    }
    let results = results(state.run_command(person, call).await?)?;
    Ok(PlainJson(Act { what, done: true, results }))
}

/// A command with these words, whose results are JSON.
pub(super) fn call<W: Into<String>>(words: impl IntoIterator<Item = W>) -> CommandCall {
    let words = std::iter::once("--json".to_owned()).chain(words.into_iter().map(Into::into));
    CommandCall { words: words.collect(), ..CommandCall::default() }
}

/// The lines of a command that succeeded; the problem of one that did not.
fn results(answer: CommandAnswer) -> Result<Vec<Value>, Problem> {
    let why = answer.stderr.trim_end();
    let why = why.strip_prefix("error: ").unwrap_or(why).to_owned();
    match answer.exit {
        0 => {
            let stdout = STANDARD.decode(&answer.stdout).unwrap_or_default();
            let lines = stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
        }
        64 => Err(Problem::bad_request(why)),
        69 => Err(Problem::unavailable(why)),
        _ => Err(Problem::conflict(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_a_command_are_its_lines_and_its_error_is_a_problem() {
        let answer = |exit, stdout: &str, stderr: &str| CommandAnswer {
            exit,
            stdout: STANDARD.encode(stdout),
            stderr: stderr.to_owned(),
            needs: None,
        };
        let lines = results(answer(0, "{\"cn\":\"A\"}\n{\"cn\":\"B\"}\n", "")).unwrap();
        assert_eq!(lines, [serde_json::json!({"cn": "A"}), serde_json::json!({"cn": "B"})]);
        let problem = results(answer(1, "", "error: device A is in the directory already\n")).unwrap_err();
        assert_eq!((problem.code(), problem.detail()), ("conflict", "device A is in the directory already"));
        assert_eq!(results(answer(64, "", "error: x")).unwrap_err().code(), "bad-request");
        assert_eq!(results(answer(69, "", "error: x")).unwrap_err().code(), "unavailable");
    }
}
