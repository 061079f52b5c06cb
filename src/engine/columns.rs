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
