//! Records of the log: a batch and its instant as bytes. The place in the log is the frame's to tell.

use crate::{
    codec::{
        damage::Damage,
        pack::{pack_into, unpack},
    },
    engine::command::Batch,
    model::time::Timestamp,
};

/// The version that is written; the one before was never released and is refused.
pub const RECORD_VERSION: u8 = 2;

const HEAD: usize = 9;

/// Room reserved for a command; a contact of a dozen properties takes about as much.
const COMMAND_BYTES: usize = 256;

/// A batch as bytes: version, instant, commands.
pub fn encode(at: Timestamp, batch: &Batch) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + batch.commands.len() * COMMAND_BYTES);
    bytes.push(RECORD_VERSION);
    bytes.extend_from_slice(&at.0.to_le_bytes());
    pack_into(&mut bytes, batch);
    bytes
}

/// Whether a record is of a version that [`decode`] reads.
///
/// Errors: [`Damage`], told apart where a newer version wrote it.
pub fn check_version(bytes: &[u8]) -> Result<(), Damage> {
    match bytes.first() {
        Some(&RECORD_VERSION) => Ok(()),
        Some(&version) if version > RECORD_VERSION => Err(Damage::newer(format!(
            "record version {version} is of a newer program; this one reads version {RECORD_VERSION}"
        ))),
        version => Err(Damage::new(format!("record version {version:?} was never released"))),
    }
}

/// Reads what [`encode`] wrote.
///
/// Errors: [`Damage`] when the version is unknown or the bytes are not a batch.
pub fn decode(bytes: &[u8]) -> Result<(Timestamp, Batch), Damage> {
    check_version(bytes)?;
    let Some((head, body)) = bytes.split_at_checked(HEAD) else {
        return Err(Damage::new(format!("a record of {} bytes is shorter than its head, {HEAD}", bytes.len())));
    };
    let at = i64::from_le_bytes(head[1..].try_into().expect("the head is nine bytes long"));
    Ok((Timestamp(at), unpack(body)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::command::{Command, ContactCommand, EventCommand},
        model::{
            calendar::Zone,
            id::{ContactId, EventKindId, PropertyId},
            number::Number,
            value::Value,
        },
    };

    #[test]
    fn batches_come_back() {
        let values = vec![
            (PropertyId(0), Some(Value::Text("ß".into()))),
            (PropertyId(3), None),
            (PropertyId(9), Some(Value::Number(Number::MIN))),
            (PropertyId(12), Some(Value::Set(vec!["a".into(), "b".into()]))),
        ];
        let contact = ContactCommand { contact: ContactId(7), key: Some("k".into()), replace: true, values };
        let event = EventCommand {
            kind: EventKindId(2),
            contact: ContactId(7),
            at: Timestamp(-5),
            id: None,
            values: vec![(1, Value::Flag(true)), (4, Value::Money(-9))],
        };
        let zone = Zone::named("Europe/Berlin").unwrap();
        let commands = vec![Command::Found(zone), Command::Tick, Command::Contact(contact), Command::Event(event)];
        let batch = Batch { commands };
        let bytes = encode(Timestamp(42), &batch);
        assert_eq!(decode(&bytes), Ok((Timestamp(42), batch)));
        assert!((0..bytes.len()).all(|cut| decode(&bytes[..cut]).is_err()));
        let newer = [&[RECORD_VERSION + 1], &bytes[1..]].concat();
        assert!(decode(&newer).unwrap_err().is_newer);
        let older = [&[RECORD_VERSION - 1], &bytes[1..]].concat();
        assert!(!decode(&older).unwrap_err().is_newer);
    }

    #[test]
    fn long_runs_of_small_commands_decode() {
        let contact = |n| ContactCommand { contact: ContactId(n), key: None, replace: false, values: vec![] };
        for len in [1_000, 6_000, 200_000] {
            let batch = Batch { commands: (0..len).map(|n| Command::Contact(contact(n))).collect() };
            let decoded = decode(&encode(Timestamp(0), &batch)).unwrap().1;
            assert_eq!(decoded.commands.len(), len as usize);
        }
    }
}
