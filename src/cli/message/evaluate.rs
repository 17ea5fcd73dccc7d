//! `message judge`: what would be answered, and why. Stores and sends nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use crate::authz::{Device, DeviceKind, DeviceStatus, Directory};
use crate::cli::context::failed;
use crate::cli::text::paragraph;
use crate::cli::{Exit, Failure, Outcome, Output};
use crate::config::{Config, Conformance};
use crate::interface_a::{AssumedSender, Evaluator};
use crate::model::{DeviceId, Fingerprint, PatientKey, SessionId};
use crate::pcd::IdentityPattern;
use crate::store::{Store, StoreError};
use crate::view::JudgementView;

/// Options of `message judge`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The bytes of one message, or MLLP frames
    file: PathBuf,
    /// The sender: the Common Name of its certificate. Without it the sender may speak for every device
    #[arg(long, value_name = "CN")]
    device: Option<DeviceId>,
    /// As with messages.conformance = "strict"
    #[arg(long)]
    strict: bool,
}

pub(super) async fn run(arguments: Arguments, mut config: Config, store: &Store, output: Output) -> Outcome {
    let Arguments { file, device, strict } = arguments;
    let bytes = tokio::fs::read(&file).await.with_context(|| format!("cannot read {}", file.display()))?;
    if strict {
        config.messages.conformance = Conformance::Strict;
    }
    let mut devices = store.devices().await.map_err(failed)?;
    let sender = match device {
        Some(cn) => {
            let known = store.device(&cn).await.map_err(failed)?;
            known.ok_or_else(|| failed(StoreError::DeviceUnknown(cn)))?
        }
        None => {
            devices.push(any_sender()?);
            any_sender()?
        }
    };
    if sender.status == DeviceStatus::Suspended {
        output.warn(&format!("device {} is suspended and cannot connect", sender.id))?;
    }
    let now = store.now();
    let sender = AssumedSender {
        device: Arc::new(sender),
        session: SessionId::at(now),
        fingerprint: Fingerprint::sha256(b""),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    };
    let judgements =
        Evaluator::new(config, Directory::from(devices), PatientKey::random()).bytes(&sender, &bytes, now);
    let mut is_rejected = judgements.is_empty();
    for judgement in &judgements {
        let view = JudgementView::new(&judgement.record, &judgement.answers);
        is_rejected |= view.rejection.is_some();
        output.print(&view, text)?;
    }
    Ok(if is_rejected { Exit::Failed } else { Exit::Done })
}

/// A sender that may speak for every device.
fn any_sender() -> Result<Device, Failure> {
    Ok(Device {
        kind: DeviceKind::Gateway,
        speaks_for: vec![IdentityPattern::any()],
        ..Device::new(DeviceId::parse(ANY_SENDER)?)
    })
}

fn text(view: &JudgementView) -> String {
    let verdict = match &view.rejection {
        None => "would be accepted".to_owned(),
        Some(code) => format!("would be rejected: {code}"),
    };
    let mut rows = vec![
        ("verdict", verdict),
        ("transaction", view.transaction.clone().unwrap_or_default()),
        ("type", view.message_type.clone()),
        ("control id", view.control_id.clone()),
    ];
    rows.extend(view.alerts.iter().map(|sentence| ("reports", sentence.clone())));
    if view.answers.is_empty() {
        rows.push(("answer", "none: the message asks for none, or cannot be answered".to_owned()));
    }
    rows.extend(view.answers.iter().map(|answer| ("answer", answer.to_string())));
    rows.push(("warnings", view.warnings.join(" ")));
    rows.push(("identities", view.identities.join(" ")));
    rows.push(("not allowed", view.not_allowed.join(" ")));
    paragraph(&rows)
}

/// The sender of a message that is evaluated without one.
const ANY_SENDER: &str = "any device";
