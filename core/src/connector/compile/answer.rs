//! What a vendor's answer means: its class, the attributes it tells, and how much of it is read.

use crate::{
    attribute::{Attribute, Catalogue},
    connector::{Class, compile::Compiler, document, mapping::Expression},
};

/// Body limit if the file does not say, and the highest it can say, in bytes.
const BODY_BYTES: u64 = 64 * 1024;
const BODY_BYTES_MAX: u64 = 256 * 1024;

/// Groups that no vendor may speak for: a connector never tells who asks or what was proved.
const OWNED: [&str; 8] = ["request.", "subject.", "actor.", "token.", "proof.", "journey.", "time.", "device.is_known"];

impl Compiler<'_> {
    pub(super) fn outcomes(&mut self, operation: &document::Operation) -> Vec<(Expression, Class)> {
        let rules = &operation.response.outcome;
        rules.iter().filter_map(|rule| Some((self.expression(&rule.when)?, rule.then))).collect()
    }

    pub(super) fn map(
        &mut self,
        operation: &document::Operation,
        catalogue: &Catalogue,
    ) -> (Vec<Attribute>, Vec<Expression>) {
        let (mut provides, mut map) = (Vec::new(), Vec::new());
        for (name, text) in &operation.response.map {
            let Some(attribute) = catalogue.find(name) else {
                let message = format!("unknown attribute `{name}`");
                self.unknown("attribute.unknown", &text.span, message, catalogue.nearest(name));
                continue;
            };
            if OWNED.iter().any(|group| name.starts_with(group)) {
                self.fault("attribute.owned", &text.span, format!("`{name}` is what the gateway sees for itself"));
                continue;
            }
            if let Some(expression) = self.expression(text) {
                provides.push(attribute.clone());
                map.push(expression);
            }
        }
        (provides, map)
    }

    pub(super) fn required(&mut self, operation: &document::Operation, provides: &[Attribute]) -> Vec<usize> {
        let mut required = Vec::new();
        for name in &operation.response.required {
            match provides.iter().position(|attribute| *attribute.name == *name.value) {
                Some(at) => required.push(at),
                None => self.fault("attribute.unmapped", &name.span, format!("`{}` is not in `map`", name.value)),
            }
        }
        required
    }

    pub(super) fn body_limit(&mut self, operation: &document::Operation) -> usize {
        let Some(limit) = &operation.response.max_bytes else { return BODY_BYTES as usize };
        if limit.bytes > BODY_BYTES_MAX {
            self.fault("response.too_large", &limit.span, "at most 256KiB of an answer are read");
        }
        limit.bytes.min(BODY_BYTES_MAX) as usize
    }
}
