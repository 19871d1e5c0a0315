//! From when to when the certificates in use are valid.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Unit,
};
use tls::Validity;

/// The certificates of a process, by what they are used for. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Certificates(Arc<Mutex<Vec<Certificate>>>);

/// Takes a time out of a validity.
type Time = fn(&Validity) -> SystemTime;

struct Certificate {
    used_for: &'static str,
    validity: Box<dyn Fn() -> Option<Validity> + Send + Sync>,
}

impl Certificates {
    pub(super) fn add(
        &self,
        used_for: &'static str,
        validity: impl Fn() -> Option<Validity> + Send + Sync + 'static,
    ) {
        let certificate = Certificate { used_for, validity: Box::new(validity) };
        let mut certificates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The services of one process export their traces with the same certificate.
        certificates.retain(|other| other.used_for != used_for);
        certificates.push(certificate);
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl Collector for Certificates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let certificates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let in_use: Vec<(&str, Validity)> =
            certificates.iter().filter_map(|it| Some((it.used_for, (it.validity)()?))).collect();
        drop(certificates);
        if in_use.is_empty() {
            return Ok(());
        }
        let times: [(&str, &str, Time); 2] = [
            (
                "tls_certificate_not_after",
                "Until when the certificate in use is valid, since the epoch.",
                |validity| validity.not_after,
            ),
            (
                "tls_certificate_not_before",
                "From when on the certificate in use is valid, since the epoch.",
                |validity| validity.not_before,
            ),
        ];
        for (name, help, time) in times {
            let unit = Some(&Unit::Seconds);
            let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            for (used_for, validity) in &in_use {
                let seconds = time(validity).duration_since(UNIX_EPOCH).unwrap_or_default();
                let gauge = ConstGauge::new(seconds.as_secs());
                gauge.encode(family.encode_family(&[("use", *used_for)])?)?;
            }
        }
        Ok(())
    }
}
