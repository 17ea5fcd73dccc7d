//! Changes: each page says first what will happen, and its form does it on behalf of the person.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Path, Query, State};
use axum::response::{Redirect, Response};
use serde::Deserialize;

use super::element::{Html, address, counted, device_address};
use super::frame::Frame;
use super::problem::{Failure, NotDone, OrFailure as _, Pages};
use super::query::given;
use super::response::page;
use super::visitor::Visitor;
use crate::authz::{Device, DeviceStatus};
use crate::http::{AdminState, Person, Problem, Reloaded};
use crate::model::{DeviceId, MessageId, shell_word};
use crate::pcd::{DeviceIdentity, IdentityPattern};
use crate::store::OutboxEntry;
use crate::view::OrderView;

/// What will happen, and the form that does it.
#[derive(Template)]
#[template(path = "act.html")]
struct ActPage {
    frame: Frame,
    effects: Vec<String>,
    /// Where the form goes.
    action: String,
    /// A field of the form that names what is changed.
    field: (&'static str, String),
    button: &'static str,
    back: String,
    is_dangerous: bool,
}

/// What a reload did.
#[derive(Template)]
#[template(path = "reloaded.html")]
struct ReloadedPage {
    frame: Frame,
    lines: Vec<Html>,
}

/// `GET /devices/{name}/suspend`.
pub(super) async fn suspend_form(
    State(state): Pages,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/devices", format!("Suspend {name}?"));
    let device = find(&state, &frame, &name)?;
    let sessions =
        state.live().sessions().iter().filter(|session| session.device == device.id.as_str()).count();
    let waiting = state.store().outbox(&waiting_of(&device)).await.or_failure(&frame)?.len();
    let count = |number: usize, what: &str| counted(u64::try_from(number).unwrap_or_default(), what);
    let mut effects = vec![
        format!("Ends {} on this node, within a second.", count(sessions, "open session")),
        "Until it is resumed, every connection of it is refused as suspended-device. It keeps what it cannot send, if \
         it can."
            .to_owned(),
        format!("{} for it wait, and expire when their time is over.", count(waiting, "order")),
    ];
    if sessions == 0 {
        effects.remove(0);
    }
    Ok(page(&change(frame, &device, "suspend", effects, "Suspend", true)))
}

/// `POST /devices/{name}/suspend`.
pub(super) async fn suspend(
    State(state): Pages,
    person: Person,
    Path(name): Path<String>,
) -> Result<Redirect, NotDone> {
    set_status(&state, &person, &name, DeviceStatus::Suspended).await
}

/// `GET /devices/{name}/resume`.
pub(super) async fn resume_form(
    State(state): Pages,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/devices", format!("Resume {name}?"));
    let device = find(&state, &frame, &name)?;
    let effects = vec!["It may connect again within a second, if its certificate is good.".to_owned()];
    Ok(page(&change(frame, &device, "resume", effects, "Resume", false)))
}

/// `POST /devices/{name}/resume`.
pub(super) async fn resume(
    State(state): Pages,
    person: Person,
    Path(name): Path<String>,
) -> Result<Redirect, NotDone> {
    set_status(&state, &person, &name, DeviceStatus::Active).await
}

/// The identity that a device may speak for, as the address of the form has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    identity: Option<String>,
}

/// The same as the form sends it, beside its token.
#[derive(Debug, Deserialize)]
pub(super) struct Allowed {
    identity: Option<String>,
}

/// `GET /devices/{name}/allow?identity=ID`.
pub(super) async fn allow_form(
    State(state): Pages,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/devices", format!("Let {name} speak for another device?"));
    let device = find(&state, &frame, &name)?;
    let identity = given(asked.identity).unwrap_or_default();
    exact(&frame, &identity)?;
    let known = DeviceIdentity::parse(&identity);
    let directory = state.live().directory();
    let other = known.and_then(|known| Some(directory.learnable(&device.id, &known).err()?.to_string()));
    let warning = other.map(|why| format!("{identity} is not its own: {why}."));
    let effects = [
        format!(
            "Messages of {} may then name {identity}, and are accepted as values of that device.",
            device.id
        ),
        "Allow it only if this device is a gateway for that one: the values reach the record of its patient."
            .to_owned(),
        format!(
            "What was rejected stays rejected: pcd-platform message reconsider --device {} --reason identity-mismatch \
             accepts it afterwards.",
            shell_word(device.id.as_str())
        ),
    ];
    let effects = warning.into_iter().chain(effects).collect();
    let form = change(frame, &device, "allow", effects, "Allow", true);
    Ok(page(&ActPage { field: ("identity", identity), ..form }))
}

/// `POST /devices/{name}/allow`.
pub(super) async fn allow(
    State(state): Pages,
    person: Person,
    Path(name): Path<String>,
    Form(allowed): Form<Allowed>,
) -> Result<Redirect, NotDone> {
    let frame = Frame::new(&state, Visitor::from(&person), "/devices", name.clone());
    let known = find(&state, &frame, &name)?;
    let pattern = exact(&frame, &given(allowed.identity).unwrap_or_default())?;
    // As the store has it now, not as it was when the page was shown.
    let entry = state.store().device(&known.id).await.or_failure(&frame)?;
    let mut entry = entry.ok_or_else(|| missing(frame, &name))?;
    if !entry.speaks_for.contains(&pattern) {
        entry.speaks_for.push(pattern);
        state.store().describe_device(entry, person.actor()).await?;
        let _ = state.live().follow_directory().await;
    }
    Ok(Redirect::to(&device_address(known.id.as_str())))
}

/// `GET /orders/{id}/withdraw`.
pub(super) async fn withdraw_form(
    State(state): Pages,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let frame = Frame::new(&state, visitor, "/orders", "Withdraw this order?");
    let entry = order(&state, &frame, &id).await?;
    let view = OrderView::from(&entry);
    let mut effects = vec![format!("The order {} for {} is not sent again.", view.control_id, view.device)];
    if view.outcome != "waiting" {
        effects = vec![format!("It is {} already: nothing can be withdrawn.", view.outcome)];
    } else if view.attempts > 0 {
        effects.push("The device may have received it already: look at the device.".to_owned());
    }
    Ok(page(&ActPage {
        effects,
        action: format!("/orders/{}/withdraw", entry.id),
        field: ("id", entry.id.to_string()),
        button: "Withdraw",
        back: address("/orders", &[("id", &entry.id.to_string())]),
        is_dangerous: true,
        frame,
    }))
}

/// `POST /orders/{id}/withdraw`.
pub(super) async fn withdraw(
    State(state): Pages,
    person: Person,
    Path(id): Path<String>,
) -> Result<Redirect, NotDone> {
    let frame = Frame::new(&state, Visitor::from(&person), "/orders", "Withdraw this order?");
    let entry = order(&state, &frame, &id).await?;
    if state.store().withdraw(entry.id, &entry.device, person.actor()).await? {
        return Ok(Redirect::to(&address("/orders", &[("id", &entry.id.to_string())])));
    }
    Err(Problem::conflict("the order is settled already, or its time is over").into())
}

/// `GET /system/reload`.
pub(super) async fn reload_form(State(state): Pages, visitor: Visitor) -> Response {
    let frame = Frame::new(&state, visitor, "/system", "Read the configuration again?");
    page(&ActPage {
        effects: vec![
            "The configuration, certificates, keys, roots and CRLs are read again. If all of them can be used, they \
             take effect; otherwise nothing changes, and the reason is shown."
                .to_owned(),
            "Open sessions stay, unless their device lost its right to connect.".to_owned(),
        ],
        action: "/system/reload".to_owned(),
        field: ("what", "reload".to_owned()),
        button: "Read again",
        back: "/system".to_owned(),
        is_dangerous: false,
        frame,
    })
}

/// `POST /system/reload`.
pub(super) async fn reload(State(state): Pages, person: Person) -> Result<Response, NotDone> {
    let reloaded = state.reload(&person).await?;
    let (title, lines) = match reloaded {
        Reloaded::Published { keys, certificates, .. } => {
            let key = |effect: &crate::http::KeyEffect| {
                let when = match effect.effect {
                    "restart" => "takes effect with the next start",
                    "new-sessions" => "applies to new sessions",
                    _ => "applied",
                };
                Html::joined([Html::code(&effect.key), Html::text(when)])
            };
            let mut lines: Vec<_> = keys.iter().map(key).collect();
            lines.push(Html::text(&format!("Certificates, keys and roots: {certificates}")));
            ("The configuration was read again", lines)
        }
        Reloaded::Unchanged { reason } => {
            ("Nothing was changed: the new configuration cannot be used", vec![Html::text(&reason)])
        }
    };
    let frame = Frame::new(&state, Visitor::from(&person), "/system", title);
    Ok(page(&ReloadedPage { frame, lines }))
}

async fn set_status(
    state: &AdminState,
    person: &Person,
    name: &str,
    status: DeviceStatus,
) -> Result<Redirect, NotDone> {
    let frame = Frame::new(state, Visitor::from(person), "/devices", name.to_owned());
    let device = find(state, &frame, name)?;
    state.store().set_device_status(&device.id, status, person.actor()).await?;
    // The page that follows shows the device as it is now.
    let _ = state.live().follow_directory().await;
    Ok(Redirect::to(&device_address(device.id.as_str())))
}

fn change(
    frame: Frame,
    device: &Device,
    what: &str,
    effects: Vec<String>,
    button: &'static str,
    is_dangerous: bool,
) -> ActPage {
    let back = device_address(device.id.as_str());
    let field = ("device", device.id.to_string());
    ActPage { effects, action: format!("{back}/{what}"), field, button, back, is_dangerous, frame }
}

fn find(state: &AdminState, frame: &Frame, name: &str) -> Result<Arc<Device>, Failure> {
    let directory = state.live().directory();
    let id = name.parse::<DeviceId>().ok();
    let device = id.as_ref().and_then(|id| directory.find(id)).map(Arc::clone);
    device.ok_or_else(|| missing(frame.clone(), name))
}

fn missing(frame: Frame, name: &str) -> Failure {
    Failure::missing(frame, format!("{name} is not in the directory"), "The page Devices lists what is.")
}

/// One identity, and no pattern: a sender may write `*` into a message.
fn exact(frame: &Frame, identity: &str) -> Result<IdentityPattern, Failure> {
    let is_exact = !identity.is_empty() && !identity.contains(['*', '?']);
    let pattern = is_exact.then(|| identity.parse::<IdentityPattern>().ok()).flatten();
    pattern.ok_or_else(|| {
        let next = "Only one whole identity can be allowed here; pcd-platform device change --also-speaks-for takes patterns.";
        Failure::unusable(frame.clone(), "This identity cannot be allowed here", next)
    })
}

async fn order(state: &AdminState, frame: &Frame, id: &str) -> Result<OutboxEntry, Failure> {
    let found = match id.parse::<MessageId>() {
        Ok(id) => state.store().outbox_entry(id).await.or_failure(frame)?,
        Err(_) => None,
    };
    let missing =
        || Failure::missing(frame.clone(), "There is no such order", "Retention may have removed it.");
    found.map(|(entry, _)| entry).ok_or_else(missing)
}

fn waiting_of(device: &Device) -> crate::store::OutboxFilter {
    crate::store::OutboxFilter {
        device: Some(device.id.clone()),
        waiting: true,
        limit: MAX_COUNTED,
        ..crate::store::OutboxFilter::default()
    }
}

const MAX_COUNTED: u32 = 1000;
