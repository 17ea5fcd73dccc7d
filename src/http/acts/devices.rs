//! What people do with the directory of devices.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;

use super::act::{Act, Outcome, Preview, act, call};
use crate::authz::Device;
use crate::http::AdminState;
use crate::http::person::Person;
use crate::http::problem::Problem;
use crate::model::DeviceId;
use crate::store::StoreError;

/// An identity that a device may name.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AllowedIdentity {
    /// One, as `device show` lists it: an EUI-64, a prefix of one with `*`, or another identity.
    identity: String,
}

/// A new entry of the directory.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::http) struct NewDevice {
    /// The Common Name of its certificate.
    cn: String,
    #[serde(flatten)]
    entry: DeviceEntry,
}

/// What an entry of the directory says; what is left out stays as it is.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", default)]
pub(in crate::http) struct DeviceEntry {
    /// `device` or `gateway`.
    kind: Option<String>,
    /// The identities that it may name; replaces the list.
    speaks_for: Option<Vec<String>>,
    /// `as-asked`, or another value of `device change --acknowledge`.
    acknowledge: Option<String>,
    /// When it counts as silent: `2m`, `never`.
    silent_after: Option<String>,
    /// Whether orders may be queued for it.
    receives_orders: Option<bool>,
    /// Whether it is missing until its first message is stored.
    expected: Option<bool>,
    /// What staff call it.
    name: Option<String>,
    /// The ward or room.
    ward: Option<String>,
    /// The model.
    model: Option<String>,
    /// The serial number.
    serial: Option<String>,
    /// Who looks after it.
    owner: Option<String>,
    /// A note for operators.
    note: Option<String>,
}

/// Ends the sessions of a device and refuses new ones.
#[utoipa::path(post, path = "/api/devices/{cn}/suspend", tag = "act",
    params(("cn" = String, Path, description = "The Common Name"), Preview), responses((status = 200, body = Act)))]
pub(in crate::http) async fn suspend(
    person: Person,
    State(state): State<AdminState>,
    Path(cn): Path<String>,
    Query(query): Query<Preview>,
) -> Outcome {
    let device = find(&state, &cn).await?;
    let sessions = sessions_of(&state, &device);
    let what = format!("ends {sessions} of {} and refuses new ones, until it is resumed", device.id);
    act(&state, &person, query.preview, what, call(["device", "suspend", "--", device.id.as_str()])).await
}

/// Lets a suspended device connect again.
#[utoipa::path(post, path = "/api/devices/{cn}/resume", tag = "act",
    params(("cn" = String, Path, description = "The Common Name"), Preview), responses((status = 200, body = Act)))]
pub(in crate::http) async fn resume(
    person: Person,
    State(state): State<AdminState>,
    Path(cn): Path<String>,
    Query(query): Query<Preview>,
) -> Outcome {
    let device = find(&state, &cn).await?;
    let what = format!("lets {} connect again; it is {} now", device.id, device.status.as_str());
    act(&state, &person, query.preview, what, call(["device", "resume", "--", device.id.as_str()])).await
}

/// Removes a device from the directory, ends its sessions and withdraws its orders.
#[utoipa::path(post, path = "/api/devices/{cn}/remove", tag = "act",
    params(("cn" = String, Path, description = "The Common Name"), Preview), responses((status = 200, body = Act)))]
pub(in crate::http) async fn remove(
    person: Person,
    State(state): State<AdminState>,
    Path(cn): Path<String>,
    Query(query): Query<Preview>,
) -> Outcome {
    let device = find(&state, &cn).await?;
    let sessions = sessions_of(&state, &device);
    let what = format!(
        "removes {} from the directory, ends {sessions} of it, and withdraws the orders that wait for it; its \
         messages stay",
        device.id
    );
    act(&state, &person, query.preview, what, call(["device", "remove", "--", device.id.as_str()])).await
}

/// Adds a device to the directory.
#[utoipa::path(post, path = "/api/devices", tag = "act", params(Preview), request_body = NewDevice,
    responses((status = 200, body = Act)))]
pub(in crate::http) async fn add(
    person: Person,
    State(state): State<AdminState>,
    Query(query): Query<Preview>,
    Json(NewDevice { cn, entry }): Json<NewDevice>,
) -> Outcome {
    let what = format!("adds {cn} to the directory; it may connect with a certificate of an installed root");
    let words = entry.with_list_as_given().words("add").chain(["--".to_owned(), cn]);
    act(&state, &person, query.preview, what, call(words)).await
}

/// Changes an entry of the directory.
#[utoipa::path(post, path = "/api/devices/{cn}/change", tag = "act",
    params(("cn" = String, Path, description = "The Common Name"), Preview), request_body = DeviceEntry,
    responses((status = 200, body = Act)))]
pub(in crate::http) async fn change(
    person: Person,
    State(state): State<AdminState>,
    Path(cn): Path<String>,
    Query(query): Query<Preview>,
    Json(entry): Json<DeviceEntry>,
) -> Outcome {
    let device = find(&state, &cn).await?;
    let what = format!("changes the entry of {}: {}", device.id, entry.named());
    let words = entry.with_list_as_given().words("change").chain(["--".to_owned(), device.id.to_string()]);
    act(&state, &person, query.preview, what, call(words)).await
}

/// Adds an identity to those that a device may name.
#[utoipa::path(post, path = "/api/devices/{cn}/allow", tag = "act",
    params(("cn" = String, Path, description = "The Common Name"), Preview), request_body = AllowedIdentity,
    responses((status = 200, body = Act)))]
pub(in crate::http) async fn allow(
    person: Person,
    State(state): State<AdminState>,
    Path(cn): Path<String>,
    Query(query): Query<Preview>,
    Json(AllowedIdentity { identity }): Json<AllowedIdentity>,
) -> Outcome {
    let device = find(&state, &cn).await?;
    if identity.is_empty() || identity.contains(['*', '?']) {
        return Err(Problem::bad_request(
            "identity: one whole identity can be allowed; `device change --also-speaks-for` takes patterns with *",
        ));
    }
    let what = format!("lets messages of {} name {identity} as their device", device.id);
    let mut list = device.list_arguments();
    // One, whatever it contains: the device may have chosen the text.
    list.push(Device::identity_argument(identity));
    let entry = DeviceEntry { speaks_for: Some(list), ..DeviceEntry::default() };
    let words = entry.words("change").chain(["--".to_owned(), device.id.to_string()]);
    act(&state, &person, query.preview, what, call(words)).await
}

impl DeviceEntry {
    /// Each item of a list is one identity or pattern, whatever separators it contains: a list that was read
    /// from the API can be sent back.
    fn with_list_as_given(self) -> Self {
        let list = |list: Vec<String>| list.into_iter().map(Device::identity_argument).collect();
        Self { speaks_for: self.speaks_for.map(list), ..self }
    }

    /// The options of the command that have one value.
    fn single(&self) -> impl Iterator<Item = (&'static str, String)> {
        let receives_orders = self.receives_orders.map(|yes| if yes { "yes" } else { "no" }.to_owned());
        [
            ("kind", self.kind.clone()),
            ("acknowledge", self.acknowledge.clone()),
            ("silent-after", self.silent_after.clone()),
            ("receives-orders", receives_orders),
            ("name", self.name.clone()),
            ("ward", self.ward.clone()),
            ("model", self.model.clone()),
            ("serial", self.serial.clone()),
            ("owner", self.owner.clone()),
            ("note", self.note.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }

    /// The words of the command; each value is joined to its option, so that it cannot be another option.
    fn words(self, command: &str) -> impl Iterator<Item = String> {
        let single: Vec<_> = self.single().map(|(name, value)| format!("--{name}={value}")).collect();
        let expected = self.expected.map(|yes| if yes { "--expected" } else { "--not-expected" }.to_owned());
        let identities =
            self.speaks_for.unwrap_or_default().into_iter().map(|id| format!("--speaks-for={id}"));
        ["device".to_owned(), command.to_owned()].into_iter().chain(single).chain(expected).chain(identities)
    }

    /// The names of what is given.
    fn named(&self) -> String {
        let lists = [("speaks-for", self.speaks_for.is_some()), ("expected", self.expected.is_some())];
        let lists = lists.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name);
        self.single().map(|(name, _)| name).chain(lists).collect::<Vec<_>>().join(", ")
    }
}

async fn find(state: &AdminState, cn: &str) -> Result<Device, Problem> {
    let id: DeviceId = cn.parse().map_err(|_| Problem::not_found("no device has this name"))?;
    let device = state.store.device(&id).await?;
    device.ok_or_else(|| StoreError::DeviceUnknown(id).into())
}

fn sessions_of(state: &AdminState, device: &Device) -> String {
    let open = state.live.sessions();
    match open.iter().filter(|session| session.device == device.id.as_str()).count() {
        1 => "1 session".to_owned(),
        count => format!("{count} sessions"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_of_a_list_is_one_identity() {
        let list = vec!["X,00A037EB2175780F".to_owned(), "00A037*".to_owned()];
        let entry = DeviceEntry { speaks_for: Some(list), ..DeviceEntry::default() };
        let words: Vec<_> = entry.with_list_as_given().words("change").skip(2).collect();
        assert_eq!(words, ["--speaks-for=X\\,00A037EB2175780F", "--speaks-for=00A037*"]);
    }

    #[test]
    fn no_value_becomes_an_option_of_the_command() {
        let entry = DeviceEntry {
            kind: Some("--offline".to_owned()),
            speaks_for: Some(vec!["--any".to_owned(), "00A037*".to_owned()]),
            note: Some("bed 14".to_owned()),
            expected: Some(false),
            ..DeviceEntry::default()
        };
        assert_eq!(entry.named(), "kind, note, speaks-for, expected");
        let words: Vec<_> = entry.words("change").collect();
        let expected = [
            "device",
            "change",
            "--kind=--offline",
            "--note=bed 14",
            "--not-expected",
            "--speaks-for=--any",
            "--speaks-for=00A037*",
        ];
        assert_eq!(words, expected);
    }
}
