//! Every limit of the product: its value, its unit and its reason. `/v1/status` tells them.

/// Bytes of a contact's key. Long enough for any e-mail address or URL-like id.
pub const KEY_BYTES_MAX: usize = 512;
/// Bytes of a property's, event's or segment's name.
pub const NAME_BYTES_MAX: usize = 256;
/// Bytes of one text value.
pub const VALUE_BYTES_MAX: usize = 16 * 1024;
/// Values of one multi-valued property of one contact.
pub const SET_VALUES_MAX: usize = 1_000;
/// Declared properties; guards against a schema explosion by stray names.
pub const PROPERTIES_MAX: usize = 4_096;
/// Declared event kinds.
pub const EVENT_KINDS_MAX: usize = 1_024;
/// Declared properties of one event kind.
pub const EVENT_PROPERTIES_MAX: usize = 256;
/// Saved segments.
pub const SEGMENTS_MAX: usize = 10_000;
/// Bytes of a rule's text.
pub const RULE_BYTES_MAX: usize = 64 * 1024;
/// Nesting of a rule; keeps recursion within the stack.
pub const RULE_DEPTH_MAX: usize = 64;
/// Predicates of a rule.
pub const RULE_PREDICATES_MAX: usize = 1_000;
/// Values of one list in a rule.
pub const RULE_LIST_MAX: usize = 10_000;
/// Bytes of a regular expression.
pub const REGEX_BYTES_MAX: usize = 1_000;
/// Bytes a compiled regular expression may take.
pub const REGEX_COMPILED_BYTES_MAX: usize = 1 << 20;
/// Nesting of a JSON document.
pub const JSON_DEPTH_MAX: usize = 64;
/// Bytes of a request's target and headers together; a connection holds them before anyone is known to be there.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a request body that is not streamed.
pub const BODY_BYTES_MAX: usize = 16 << 20;
/// Bytes of a Parquet file that is sent: it lies in the data folder until it is read.
pub const PARQUET_BYTES_MAX: u64 = 64 << 30;
/// Parquet files that are sent and read at a time.
pub const PARQUET_UPLOADS_MAX: usize = 4;
/// Bytes of one line of an import: as large as a whole body, since a legal contact may be.
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// Entries of one page of a listing; the default is [`PAGE_DEFAULT`].
pub const PAGE_MAX: usize = 100_000;
/// Entries of a page when the caller names no limit.
pub const PAGE_DEFAULT: usize = 1_000;
/// Errors that an import spells out; the rest are only counted.
pub const IMPORT_ERRORS_TOLD_MAX: usize = 100;
/// Calls of one tracking body; those past it are refused, as elsewhere.
pub const TRACKED_CALLS_MAX: usize = 2_500;
/// Bytes of one tracking call as JSON, as elsewhere.
pub const TRACKED_CALL_BYTES_MAX: usize = 32 * 1024;
/// Records of an import that are looked at before the types of its new columns are settled.
pub const INFER_RECORDS: usize = 10_000;
/// Contacts: ids are 32 bits wide and the last chunk is kept free.
pub const CONTACTS_MAX: u32 = u32::MAX - 65_536;
/// Contacts of one look-up: it is answered at once, and is no export.
pub const LOOKUP_CONTACTS_MAX: usize = 10_000;
/// Channels of one suppression.
pub const CHANNELS_MAX: usize = 64;
/// Days of a forecast: time is let pass on a copy, so a long one takes long.
pub const FORECAST_DAYS_MAX: u32 = 366;
/// Segments and rules that one audience is made of.
pub const AUDIENCE_GROUPS_MAX: usize = 1_000;
/// Parts that one audience is split into.
pub const AUDIENCE_PARTS_MAX: usize = 1_000;
/// Webhooks: each has a task and a connection of its own.
pub const WEBHOOKS_MAX: usize = 64;
/// Bytes of the address of a webhook.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2_048;
/// Segments that one webhook names; without names it is told of all.
pub const WEBHOOK_SEGMENTS_MAX: usize = 1_000;
/// Old secrets of one webhook that still sign.
pub const WEBHOOK_OLD_SECRETS_MAX: usize = 4;
/// Dead letters of one webhook; past it the oldest go, and are counted.
pub const WEBHOOK_DEAD_LETTERS_MAX: usize = 1_000;
/// Replays of one webhook that wait: enough for all of its dead letters.
pub const WEBHOOK_REPLAYS_MAX: usize = 1_100;
/// Characters of the description of a webhook.
pub const WEBHOOK_DESCRIPTION_BYTES_MAX: usize = 1_000;
/// Values that one breakdown tells one by one; the rest are summed up.
pub const BREAKDOWN_VALUES_MAX: usize = 1_000;
/// Days of the charts of a report: ten years, as long as days are kept.
pub const REPORT_DAYS_MAX: u32 = 3_653;
/// Segments of one overlap: 20 make 190 pairs.
pub const OVERLAP_SEGMENTS_MAX: usize = 20;
