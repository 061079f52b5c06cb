//! Values of many contacts, property by property: the properties of a long run are shared out between two threads.
//!
//! A property's index is a part of its own and sees its writes in their order, so that it ends the same whoever wrote
//! the others, and when.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use crate::{
    engine::command::ContactCommand,
    index::{Index, property::PropertyIndex},
    model::{
        id::ContactId,
        value::{Value, ValueType},
    },
};

/// Fewer values are written sooner than a thread starts.
const SHARED_MIN: usize = 2_048;

/// One property and what is to be written to it, in order.
struct Column<'a> {
    index: &'a mut Option<Arc<PropertyIndex>>,
    writes: Vec<(ContactId, Option<&'a Value>)>,
}

/// Writes the values of contact commands, none of a derived property.
pub(super) fn fill<'a>(index: &mut Index, commands: impl Iterator<Item = &'a ContactCommand> + Clone) {
    let count: usize = commands.clone().map(|command| command.values.len()).sum();
    if count < SHARED_MIN {
        for ContactCommand { contact, values, .. } in commands {
            for (id, value) in values {
                index.write(*id, *contact, value.as_ref());
            }
        }
        return;
    }
    let columns = index.properties_mut().iter_mut();
    let mut columns: Vec<Column<'_>> = columns.map(|index| Column { index, writes: Vec::new() }).collect();
    for ContactCommand { contact, values, .. } in commands {
        values.iter().for_each(|(id, value)| columns[id.index()].writes.push((*contact, value.as_ref())));
    }
    columns.retain(|column| !column.writes.is_empty());
    columns.sort_by_key(Column::work);
    let columns = Mutex::new(columns);
    thread::scope(|scope| {
        // Without another thread this one does it all.
        let _helper = thread::Builder::new().name("throng-columns".into()).spawn_scoped(scope, || work_off(&columns));
        work_off(&columns);
    });
}

fn work_off(columns: &Mutex<Vec<Column<'_>>>) {
    loop {
        // Nothing panics while the lock is held.
        let next = columns.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(Column { index, writes }) = next else { return };
        if let Some(index) = index {
            Arc::make_mut(index).set_all(&writes);
        }
    }
}

impl Column<'_> {
    /// About how much work it is; the most is begun first.
    fn work(&self) -> usize {
        let each = match self.index.as_ref().map(|index| index.ty()) {
            None | Some(ValueType::Boolean) => 1,
            Some(ValueType::Number | ValueType::Money(_) | ValueType::Timestamp | ValueType::Date) => 2,
            Some(ValueType::Category) => 4,
            Some(ValueType::Text | ValueType::Set) => 10,
            Some(ValueType::Email) => 20,
        };
        each * self.writes.len()
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use crate::{
        codec::section::MemoryImage,
        engine::{
            admit::admit,
            apply::apply,
            command::{Batch, Stamp},
            state::State,
        },
        model::{
            calendar::Zone,
            id::Lsn,
            name::{ContactKey, Name},
            number::Number,
            request::{ContactWrite, Input, Request, WriteMode},
            time::Timestamp,
        },
    };

    fn image(state: &State) -> MemoryImage {
        let mut image = MemoryImage::new();
        state.index.encode(&mut image).unwrap();
        image
    }

    /// A contact, more often a new one than not, of values old and new; now and then one that reads what waits.
    fn write(dice: &mut Pcg64Mcg, edits: u32) -> Request {
        let n: u32 = dice.random_range(0..9_000);
        let text = |text: String| Input::Text(text.into());
        let mut values = vec![
            ("name", text(format!("Person {}", n % 700))),
            ("email", text(format!("P{n}@Example{}.com", n % 40))),
            ("status", text(["Active", "active", "Dormant"][n as usize % 3].into())),
            ("tags", Input::List((0..n % 4).map(|k| text(format!("tag {}", (n + k) % 50))).collect())),
            ("lead_score", Input::Number(Number::from_int(i64::from(n % 100)))),
            ("email_consent", Input::Flag(n.is_multiple_of(2))),
        ];
        let odd = dice.random_range(0..edits);
        if odd < 40 {
            values.remove(odd as usize % values.len());
            values[0].1 = Input::Null;
        }
        if odd == 0 {
            values.retain(|(name, _)| *name != "tags");
            values.push(("tags", Input::Edit { add: vec![text("new".into())], remove: vec![text("tag 1".into())] }));
        }
        let mode = if odd == 1 { WriteMode::Replace } else { WriteMode::Merge };
        let values = values.into_iter().map(|(name, input)| (Name::new(name).unwrap(), input)).collect();
        Request::Contact(ContactWrite { key: ContactKey::new(&format!("k{n}")).unwrap(), mode, values })
    }

    #[test]
    fn a_long_batch_ends_as_its_requests_do_one_by_one() {
        let mut dice = Pcg64Mcg::seed_from_u64(5);
        let (mut long, mut short, mut replayed) = (State::empty(), State::empty(), State::empty());
        let at = Timestamp(1_000);
        let batch_of = |state: &mut State, requests: &[Request]| -> Batch {
            let admitted = admit(state, Stamp { lsn: Lsn(state.lsn.0 + 1), at }, requests, None);
            assert!(admitted.results.iter().all(Result::is_ok), "{:?}", admitted.results.iter().find(|r| r.is_err()));
            admitted.batch
        };
        let found = [Request::Found(Zone::utc())];
        [&mut long, &mut short, &mut replayed].into_iter().for_each(|state| drop(batch_of(state, &found)));
        for edits in [60, 100_000, 3_000] {
            let requests: Vec<Request> = (0..5_000).map(|_| write(&mut dice, edits)).collect();
            let kept = (long.clone(), image(&long));
            let batch = batch_of(&mut long, &requests);
            requests.iter().for_each(|request| drop(batch_of(&mut short, std::slice::from_ref(request))));
            let stamp = Stamp { lsn: Lsn(replayed.lsn.0 + 1), at };
            apply(&mut replayed, stamp, &batch);
            long.index.check().unwrap();
            assert!(image(&long) == image(&short), "the same as one by one");
            assert!(image(&long) == image(&replayed), "the same by replay");
            assert!(image(&kept.0) == kept.1, "a clone stays");
        }
    }
}
