//! The forms in which events come to a node, by number.

use arc_swap::ArcSwap;
use parking_lot::Mutex;

/// The forms that have been seen; only ever more.
#[derive(Default)]
pub(super) struct Forms {
    all: ArcSwap<Vec<Form>>,
    writer: Mutex<()>,
}

/// A codec and, where it needs both sides to have the same types, their fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) codec: u16,
    pub(super) types: Option<u64>,
}

impl Forms {
    /// The number of a form; none if there are as many others as may be.
    pub(super) fn number(&self, form: Form) -> Option<u16> {
        let find = |all: &[Form]| all.iter().position(|known| *known == form);
        let known = find(&self.all.load());
        let index = known.or_else(|| {
            let _writer = self.writer.lock();
            let all = self.all.load();
            // Somebody else may have been faster.
            find(&all).or_else(|| {
                let more: Vec<Form> = all.iter().copied().chain([form]).collect();
                (all.len() < FORMS_MOST).then(|| {
                    self.all.store(more.into());
                    all.len()
                })
            })
        });
        index.and_then(|index| u16::try_from(index).ok())
    }

    /// The form of a number that was given out.
    pub(super) fn get(&self, number: u16) -> Option<Form> {
        self.all.load().get(usize::from(number)).copied()
    }
}

/// Forms known at most: far more than types of events in a program and its older builds. A stranger
/// who invents further ones has them refused, and those who publish them fall back to another form.
const FORMS_MOST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_one_number_and_there_is_an_end_to_them() {
        let forms = Forms::default();
        let form = |types| Form { codec: 0, types: Some(types) };
        for types in 0..FORMS_MOST as u64 {
            let number = forms.number(form(types)).unwrap();
            assert_eq!(
                (forms.number(form(types)), forms.get(number)),
                (Some(number), Some(form(types)))
            );
        }
        assert_eq!(forms.number(Form { codec: 0, types: None }), None);
        assert_eq!(forms.get(u16::MAX), None);
    }
}
