//! Queries of devices whose certificates are not issued for what devices do.

use crate::audit::{UnfitUses, UsageField};
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::records::unfit_certificate::UnfitCertificate;
use crate::store::row::Row;
use crate::store::statement::Statement;

impl Reader {
    pub(in crate::store) async fn unfit_certificates(&self) -> Result<Vec<UnfitCertificate>, StoreError> {
        self.fetch(Statement::new(SELECT)).await?.iter().map(unfit_certificate).collect()
    }
}

fn unfit_certificate(row: &Row) -> Result<UnfitCertificate, StoreError> {
    let field = UsageField::from_code(&row.get::<String>("field")?);
    Ok(UnfitCertificate {
        unfit: UnfitUses {
            device: row.parsed("device", "unfit_certificate.device")?,
            field: field.ok_or(StoreError::unreadable("unfit_certificate.field"))?,
            uses: row.get("uses")?,
        },
        fingerprint: row.get("fingerprint")?,
        admitted: row.get::<i64>("admitted")? == 1,
        at: row.time("at", "unfit_certificate.at")?,
    })
}

const SELECT: &str =
    "SELECT device, fingerprint, field, uses, admitted, at FROM unfit_certificate ORDER BY device";
