//! What the framework says of a request that it cannot read, as a sentence for the person who made it.

/// The sentence; a text of another form stays as it is.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim();
    let beginnings = [
        ("Failed to deserialize query string: ", "the address"),
        ("Failed to deserialize form body: ", "the form"),
        ("Failed to deserialize form: ", "the form"),
        ("Failed to deserialize the JSON body into the target type: ", "the body"),
        ("Failed to parse the request body as JSON: ", "the body"),
        ("Invalid URL: ", "the address"),
    ];
    for (beginning, place) in beginnings {
        if let Some(rest) = text.strip_prefix(beginning) {
            return of_part(place, rest);
        }
    }
    if text.starts_with("Expected request with `Content-Type: application/json`") {
        return "the body has to be JSON: send the header Content-Type: application/json".to_owned();
    }
    text.to_owned()
}

fn of_part(place: &str, rest: &str) -> String {
    // The name of a parameter stands before what is wrong with its value, where the framework knows it.
    let (name, what) = match rest.split_once(": ") {
        Some((name, what)) if !name.contains([' ', '`']) => (Some(name), what),
        _ => (None, rest),
    };
    let mut words = quoted(what);
    if what.starts_with("unknown field") {
        let unknown = words.next().unwrap_or_default();
        let known: Vec<_> = words.collect();
        return match known.as_slice() {
            [] => format!("{place} names {unknown}, which is not known here"),
            known => {
                format!("{place} names {unknown}, which is not known here; known are: {}", known.join(", "))
            }
        };
    }
    if what.starts_with("missing field") {
        return format!("{place} lacks {}", words.next().unwrap_or_default());
    }
    if what.starts_with("duplicate field") {
        return format!("{place} names {} twice", words.next().unwrap_or_default());
    }
    if what.starts_with("unknown variant") {
        let unknown = words.next().unwrap_or_default();
        let known: Vec<_> = words.collect();
        return format!("{place} has the value {unknown}; it may be: {}", known.join(", "));
    }
    let of = name.map(|name| format!(" of {name}")).unwrap_or_default();
    let must =
        if what.contains("invalid digit") || what.contains("invalid type") || what.contains("empty string") {
            "it has another form, such as a whole number"
        } else if what.contains("number too") {
            "it is out of range"
        } else if what.starts_with("expected") || what.contains("EOF") || what.contains("trailing") {
            "it cannot be read as JSON"
        } else {
            // An error of this program: it says by itself what the value must be.
            return format!("a value{of} in {place} cannot be used: {what}");
        };
    format!("a value{of} in {place} cannot be used: {must}")
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_explained_in_a_sentence() {
        let query = "Failed to deserialize query string: ";
        for (text, expected) in [
            (
                "unknown field `expiring`, expected one of `ward`, `state`",
                "the address names expiring, which is not known here; known are: ward, state",
            ),
            ("unknown field `x`, there are no fields", "the address names x, which is not known here"),
            (
                "limit: invalid digit found in string",
                "a value of limit in the address cannot be used: it has another form, such as a whole number",
            ),
            ("duplicate field `state`", "the address names state twice"),
            (
                "limit: use a number up to 1000",
                "a value of limit in the address cannot be used: use a number up to 1000",
            ),
        ] {
            assert_eq!(sentence(&format!("{query}{text}")), expected);
        }
        let body =
            "Failed to deserialize the JSON body into the target type: missing field `cn` at line 1 column 2";
        assert_eq!(sentence(body), "the body lacks cn");
        assert_eq!(sentence("no device has this name"), "no device has this name");
        let broken =
            sentence("Failed to parse the request body as JSON: EOF while parsing an object at line 1");
        assert_eq!(broken, "a value in the body cannot be used: it cannot be read as JSON");
    }
}
