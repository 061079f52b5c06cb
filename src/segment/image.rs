//! The book as sections: one of metadata, one for every list.

use serde::{Deserialize, Serialize};

use crate::{
    bitmap::posting::Posting,
    codec::{
        cursor::Cursor,
        damage::Damage,
        pack::{pack, unpack},
        section::{SectionSink, SectionSource, SinkError},
    },
    model::{id::SegmentId, request::Channels, schema::Schema, time::Timestamp},
    segment::{
        book::Book,
        saved::{Body, Dynamic, Segment, Version},
    },
};

const META: &str = "segments/book";

#[derive(Serialize, Deserialize)]
struct Meta {
    next: u32,
    segments: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    id: SegmentId,
    name: Box<str>,
    description: Option<Box<str>>,
    created: Timestamp,
    updated: Timestamp,
    channels: Option<Channels>,
    /// `None` for a static list.
    versions: Option<Vec<Version>>,
}

fn section(id: SegmentId, which: &str) -> String {
    format!("segments/{id}/{which}")
}

impl Book {
    /// Writes the book as sections whose names begin with `segments/`.
    pub fn encode(&self, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        let entry = |segment: &Segment| Entry {
            id: segment.id,
            name: segment.name.clone(),
            description: segment.description.clone(),
            created: segment.created,
            updated: segment.updated,
            channels: segment.channels.clone(),
            versions: match &segment.body {
                Body::Dynamic(dynamic) => Some(dynamic.versions.clone()),
                Body::Static(_) => None,
            },
        };
        let meta = Meta { next: self.next, segments: self.iter().map(|segment| entry(segment)).collect() };
        sink.begin(META)?;
        sink.put(&pack(&meta))?;
        for segment in self.iter() {
            let lists: &[(&str, &Posting)] = match &segment.body {
                Body::Static(list) => &[("list", list)],
                Body::Dynamic(dynamic) => &[("include", &dynamic.include), ("exclude", &dynamic.exclude)],
            };
            for (which, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
                sink.begin(&section(segment.id, which))?;
                list.encode(sink)?;
            }
        }
        Ok(())
    }

    /// Reads what [`Book::encode`] wrote under the same schema.
    ///
    /// Errors: [`Damage`] when it is not what it should be.
    pub fn decode(schema: &Schema, source: &dyn SectionSource) -> Result<Book, Damage> {
        let meta: Meta = unpack(&source.section(META)?)?;
        let list = |id, which| -> Result<Posting, Damage> {
            let name = section(id, which);
            if !source.has(&name) {
                return Ok(Posting::new());
            }
            Posting::decode(&mut Cursor::new(source.section(&name)?))
        };
        let mut segments = Vec::with_capacity(meta.segments.len());
        for Entry { id, name, description, created, updated, channels, versions } in meta.segments {
            let body = match versions {
                None => Body::Static(list(id, "list")?),
                Some(versions) => {
                    let newest = versions.last().ok_or_else(|| Damage::new("a segment has no version"))?;
                    let rule = newest.rule.parse(schema).map_err(|error| {
                        Damage::new(format!("the rule of segment \"{name}\" does not parse: {}", error.message))
                    })?;
                    let (include, exclude) = (list(id, "include")?, list(id, "exclude")?);
                    Body::Dynamic(Dynamic { rule: rule.into(), versions, include, exclude })
                }
            };
            if id.0 >= meta.next {
                return Err(Damage::new(format!("segment {id} is beyond the ids given, {}", meta.next)));
            }
            segments.push(Segment { id, name, description, created, updated, body, channels });
        }
        let (count, book) = (segments.len(), Book::new(segments, meta.next));
        if book.len() != count || book.iter().any(|segment| book.named_as(segment).map(|s| s.id) != Some(segment.id)) {
            return Err(Damage::new("two segments have one id or one name"));
        }
        Ok(book)
    }
}
