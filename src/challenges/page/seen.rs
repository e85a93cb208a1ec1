//! What lies in the operator's folders of messages and templates, as it is: whether it changed since it was last looked
//! at. It judges nothing; what cannot be read counts as not there.

use std::{fs, path::Path};

use crate::{render::Texts, settings::pages::Pages};

/// Every `*.ftl` and `*.html` that could matter, by its path.
pub fn texts(settings: &Pages) -> Texts {
    let mut texts = Texts::new();
    for folder in [&settings.locales, &settings.templates].into_iter().flatten() {
        gather(folder, 1, &mut texts);
    }
    texts
}

fn gather(folder: &Path, depth: usize, texts: &mut Texts) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && depth > 0 {
            gather(&path, depth - 1, texts);
        } else if path.extension().is_some_and(|it| it == "ftl" || it == "html") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            texts.insert(path.display().to_string().into(), text.into());
        }
    }
}
