//! How derived properties follow from events: the schema's words turned into ids and positions.

use crate::model::{
    id::{EventKindId, PropertyId},
    schema::{Derived, EventKind, Function, Property, Schema, Source, Writer},
    value::ValueType,
};

/// A derived property, ready to be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula {
    /// Which property.
    pub property: PropertyId,
    /// Its type.
    pub ty: ValueType,
    /// What is computed; `None` when what it follows was dropped: then nothing bears on it.
    pub measure: Option<Measure>,
    /// What a written value means.
    pub writer: Writer,
}

/// What is computed, by ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// An aggregate of one kind.
    Aggregate {
        /// Which.
        function: Function,
        /// Of which kind.
        kind: EventKindId,
        /// Of which of its properties, by position; `None` for a count.
        of: Option<usize>,
        /// Whether distinct texts that differ in case alone are one.
        folded: bool,
    },
    /// The newest event of these kinds.
    Latest(Vec<EventKindId>),
    /// More events of the first kind than of the second.
    OpenClose(EventKindId, EventKindId),
}

/// Every formula, and which of them an event kind bears on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    formulas: Vec<Formula>,
    by_kind: Vec<Vec<usize>>,
}

impl Measure {
    /// The kinds that it follows.
    pub fn kinds(&self) -> Vec<EventKindId> {
        match self {
            Measure::Aggregate { kind, .. } => vec![*kind],
            Measure::Latest(kinds) => kinds.clone(),
            Measure::OpenClose(open, close) => vec![*open, *close],
        }
    }
}

impl Plan {
    /// The formulas of a schema.
    pub fn of(schema: &Schema) -> Plan {
        let derived = schema.properties().filter_map(|property| Some((property, property.derived.as_ref()?)));
        let formulas: Vec<Formula> = derived.map(|(property, derived)| formula(schema, property, derived)).collect();
        let mut by_kind = vec![Vec::new(); schema.event_slots().len()];
        for (place, formula) in formulas.iter().enumerate() {
            for kind in formula.measure.iter().flat_map(Measure::kinds) {
                let places: &mut Vec<usize> = &mut by_kind[kind.index()];
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        Plan { formulas, by_kind }
    }

    /// Every formula, by property.
    pub fn formulas(&self) -> &[Formula] {
        &self.formulas
    }

    /// The formula of a property.
    pub fn formula(&self, property: PropertyId) -> Option<&Formula> {
        let place = self.formulas.binary_search_by_key(&property, |formula| formula.property).ok()?;
        self.formulas.get(place)
    }

    /// The formulas that an event of a kind bears on.
    pub fn following(&self, kind: EventKindId) -> impl Iterator<Item = &Formula> {
        self.by_kind.get(kind.index()).into_iter().flatten().map(|place| &self.formulas[*place])
    }
}

fn formula(schema: &Schema, property: &Property, derived: &Derived) -> Formula {
    let measure = measure(schema, property.ty, &derived.source).ok();
    Formula { property: property.id, ty: property.ty, measure, writer: derived.writer }
}

/// Whether a property can be computed as it says: that what it names is there, and that the types fit.
///
/// Errors: a sentence for people, without its subject.
pub fn check(schema: &Schema, property: &Property) -> Result<(), String> {
    let Some(derived) = &property.derived else { return Ok(()) };
    measure(schema, property.ty, &derived.source)?;
    let adds = matches!(property.ty, ValueType::Number | ValueType::Money(_));
    if derived.writer == Writer::Add && !adds {
        return Err(format!("a written {} cannot be added to; say max, until_next or refuse", property.ty.name()));
    }
    Ok(())
}

fn measure(schema: &Schema, ty: ValueType, source: &Source) -> Result<Measure, String> {
    let kind = |name: &str| schema.event(name).ok_or_else(|| format!("there is no event kind \"{name}\""));
    match source {
        Source::Aggregate { function, event, of } => {
            aggregate(kind(event.as_str())?, *function, of.as_ref().map(|of| of.as_str()), ty)
        }
        Source::Latest { event } => {
            wants(ty, ValueType::Timestamp, "the newest event's time")?;
            Ok(Measure::Latest(match event {
                Some(event) => vec![kind(event.as_str())?.id],
                None => schema.events().filter(|kind| kind.activity).map(|kind| kind.id).collect(),
            }))
        }
        Source::OpenClose { open, close } => {
            wants(ty, ValueType::Boolean, "whether more were opened than closed")?;
            Ok(Measure::OpenClose(kind(open.as_str())?.id, kind(close.as_str())?.id))
        }
    }
}

fn aggregate(kind: &EventKind, function: Function, of: Option<&str>, ty: ValueType) -> Result<Measure, String> {
    let of = match of {
        Some(name) => {
            let missing = || format!("the event \"{}\" has no property \"{name}\"", kind.name);
            Some(kind.property(name).ok_or_else(missing)?)
        }
        None => None,
    };
    let result = match (function, of) {
        (Function::Count, _) | (Function::Distinct, Some(_)) => ValueType::Number,
        (_, None) => return Err(format!("{} needs the property that it is taken of", function.name())),
        (Function::Sum | Function::Avg, Some((_, of))) => match of.ty {
            ValueType::Number | ValueType::Money(_) => of.ty,
            other => return Err(format!("the {} of a {} has no meaning", function.name(), other.name())),
        },
        (Function::Min | Function::Max, Some((_, of))) if of.ty.is_ordered() => of.ty,
        (Function::Min | Function::Max, Some((_, of))) => {
            return Err(format!("a {} has no {}", of.ty.name(), function.name()));
        }
    };
    wants(ty, result, &format!("the {}", function.name()))?;
    let folded = of.is_some_and(|(_, of)| !of.case_sensitive);
    Ok(Measure::Aggregate { function, kind: kind.id, of: of.map(|(position, _)| position), folded })
}

fn wants(ty: ValueType, result: ValueType, what: &str) -> Result<(), String> {
    let name = |ty: ValueType| match ty {
        ValueType::Money(currency) => format!("money in {currency}"),
        other => format!("a {}", other.name()),
    };
    if ty == result { Ok(()) } else { Err(format!("{what} is {}, not {}", name(result), name(ty))) }
}
