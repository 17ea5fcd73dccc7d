//! ListObjectsV2 (Amazon S3 API reference).

use axum::body::Body;
use axum::extract::Query as Parameters;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Response, Uri};

use super::bundle::{File, files as files_of};
use super::caller::Caller;
use super::error::{FileError, XML};
use crate::api::partner::{bucket, notification_of};
use crate::model::MessageId;

/// What is asked for.
#[derive(Debug, Default)]
struct Asked {
    prefix: String,
    after: Option<MessageId>,
    is_behind_all: bool,
    max: u32,
    is_encoded: bool,
}

/// A page of the files, in the order of their keys.
pub(super) async fn list(caller: &Caller<'_>, query: &str) -> Result<Response<Body>, FileError> {
    let asked = read_query(caller, query)?;
    let of_store = |error| FileError::of_store(&error);
    let prefix = format!("delivery/{}/", caller.organisation);
    // All keys begin in the same way.
    let is_possible = prefix.starts_with(&asked.prefix) || asked.prefix.starts_with(&prefix);
    let (store, devices) = (&caller.state.store, caller.reader.devices());
    let found = match is_possible && !asked.is_behind_all && asked.max > 0 {
        true => {
            let page = (asked.after, asked.max + 1);
            store.notifications_with_files(&caller.organisation, devices, page).await.map_err(of_store)?
        }
        false => Vec::new(),
    };
    let max = usize::try_from(asked.max).unwrap_or(usize::MAX);
    let (page, rest) = found.split_at(found.len().min(max));
    let next = page.last().filter(|_| !rest.is_empty()).map(|last| last.id);
    let mut files = files_of(caller, page).await?;
    files.retain(|file| file.key.starts_with(&asked.prefix));
    caller.record("files-listed", None, u64::try_from(files.len()).unwrap_or(u64::MAX)).await?;
    let mut response = Response::new(Body::from(document(caller, &asked, &files, next)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn read_query(caller: &Caller<'_>, query: &str) -> Result<Asked, FileError> {
    let uri: Uri = format!("/?{query}").parse().map_err(|_| FileError::InvalidArgument)?;
    let Parameters(pairs) =
        Parameters::<Vec<(String, String)>>::try_from_uri(&uri).map_err(|_| FileError::InvalidArgument)?;
    let mut asked = Asked { max: MAX_KEYS, ..Asked::default() };
    let mut is_second_version = false;
    for (name, value) in pairs {
        match name.as_str() {
            "list-type" => is_second_version = value == "2",
            "prefix" => asked.prefix = value,
            "max-keys" => {
                let max = value.parse::<u32>().map_err(|_| FileError::InvalidArgument)?;
                asked.max = max.min(MAX_KEYS);
            }
            "encoding-type" if value == "url" => asked.is_encoded = true,
            "continuation-token" => {
                asked.after = Some(value.parse().map_err(|_| FileError::InvalidArgument)?);
            }
            "start-after" if asked.after.is_none() && !value.is_empty() => {
                let own = notification_of(&caller.organisation, &value);
                // Another text stands before all keys, or behind them.
                asked.is_behind_all = own.is_none() && value > format!("delivery/{}/", caller.organisation);
                asked.after = own;
            }
            "start-after" | "fetch-owner" => {}
            _ => return Err(FileError::NotImplemented),
        }
    }
    if is_second_version { Ok(asked) } else { Err(FileError::NotImplemented) }
}

fn document(caller: &Caller<'_>, asked: &Asked, files: &[File], next: Option<MessageId>) -> String {
    let encoded = |text: &str| if asked.is_encoded { percent_encoded(text) } else { escaped(text) };
    let mut xml = format!(
        "{XML}<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{}</Name>\
         <Prefix>{}</Prefix><KeyCount>{}</KeyCount><MaxKeys>{}</MaxKeys><IsTruncated>{}</IsTruncated>",
        bucket(&caller.organisation),
        encoded(&asked.prefix),
        files.len(),
        asked.max,
        next.is_some(),
    );
    if asked.is_encoded {
        xml.push_str("<EncodingType>url</EncodingType>");
    }
    if let Some(next) = next {
        xml.push_str(&format!("<NextContinuationToken>{next}</NextContinuationToken>"));
    }
    for file in files {
        xml.push_str(&format!(
            "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size>\
             <StorageClass>STANDARD</StorageClass></Contents>",
            encoded(&file.key),
            file.at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"),
            escaped(&file.etag),
            file.body.len(),
        ));
    }
    xml.push_str("</ListBucketResult>");
    xml
}

fn escaped(text: &str) -> String {
    let plain = |letter: char| match letter {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        // XML 1.0 has no such character.
        control if control.is_control() => String::new(),
        other => other.to_string(),
    };
    text.chars().map(plain).collect()
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(plain).collect()
}

/// Files of a page: each is rendered, for its size.
const MAX_KEYS: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n003_3_what_a_client_asks_for_breaks_no_document() {
        assert_eq!(escaped("a<b>&\"\u{1}"), "a&lt;b&gt;&amp;&quot;");
        assert_eq!(percent_encoded("a/b c&ä"), "a/b%20c%26%C3%A4");
    }
}
