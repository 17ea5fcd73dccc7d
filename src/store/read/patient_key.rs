//! The query of the key that names patients.

use crate::model::PatientKey;
use crate::store::error::StoreError;
use crate::store::read::reader::Reader;
use crate::store::statement::Statement;

impl Reader {
    pub(in crate::store) async fn patient_key(&self) -> Result<PatientKey, StoreError> {
        let rows = self.fetch(Statement::new(SELECT)).await?;
        let row = rows.first().ok_or(StoreError::unreadable("patient_key.secret"))?;
        Ok(PatientKey::new(&row.get::<Vec<u8>>("secret")?))
    }
}

const SELECT: &str = "SELECT secret FROM patient_key";
