//! What answers requests: the services, the app behind the gate, and whose pages may call.

use std::sync::{Arc, OnceLock};

use super::cors::Cors;
use super::dashboard::Brand;
use super::handlers::docs::Docs;
use super::provider::Registry;
use super::upstream::Upstream;
use super::upstream::outcome::Figures;
use crate::service::Services;

/// Everything that a request may need on its way, under one configuration.
pub struct Front {
    /// What tollgate does.
    pub services: Arc<Services>,
    /// The app behind the gate, where there is one.
    pub(super) upstream: Option<Upstream>,
    /// For pages of other origins, where such may call.
    pub(super) cors: Option<Cors>,
    /// Who else proves who somebody is.
    pub(super) providers: Registry,
    /// The OpenAPI document, once somebody has asked for it.
    pub(super) document: OnceLock<String>,
    /// The authentication page and the reference, once somebody has asked for one.
    pub(super) docs: OnceLock<Docs>,
    /// How pages look.
    pub(super) brand: Arc<Brand>,
    /// What is counted of the app.
    figures: Arc<Figures>,
}

impl Front {
    /// Over open services.
    pub fn new(services: Arc<Services>) -> Self {
        Self::counting(services, Arc::default())
    }

    /// Over the services of the next configuration. What is counted of the app goes on.
    pub fn next(&self, services: Arc<Services>) -> Self {
        Self::counting(services, self.figures.clone())
    }

    fn counting(services: Arc<Services>, figures: Arc<Figures>) -> Self {
        let policy = &services.policy;
        let upstream = policy.upstream.target.clone().map(|target| Upstream::new(target, policy.upstream.clone(), figures.clone()));
        let cors = policy.cors.clone().map(|settings| Cors::new(settings, policy.style.header_names()));
        let providers = Registry::new(&policy.sign_in.providers.oidc);
        let brand = Arc::new(Brand::of(policy));
        Self { services, upstream, cors, providers, document: OnceLock::new(), docs: OnceLock::new(), brand, figures }
    }
}
