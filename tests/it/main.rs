//! The one integration test binary.
//!
//! - `access`: keys and scopes over a socket, every route with every key.
//! - `audience`: audiences and suppressions over a socket, against sets worked out by hand.
//! - `beside`: how long a good client waits beside hundreds that hold on.
//! - `bench`: `throng bench` as typed: its figures, and its counts against a naive count.
//! - `canary`: no planted word in logs, audit log or metrics; the audit log; rates, over a socket.
//! - `cli`: the command line, as typed.
//! - `definitions`: segment definitions of other systems: what they become, and what is refused.
//! - `edges`: bodies of another shape, heads that are too large, names that are left out.
//! - `erasure`: no byte of an erased contact stays in the data folder.
//! - `exports`: members as every format, and lists of ids back in, over a socket.
//! - `facts`: the index against the naive database, and its images.
//! - `fault`: a fault of the program in the writer's thread, in a process of its own.
//! - `feed`: who entered and who left, over a socket: in order, once, without a gap, and the past told by it.
//! - `feed_past`: the members as of earlier writes, differences, days, and look-ups beside an import.
//! - `figures`: breakdowns, engagement, overlaps and grids of random worlds, against the naive database and SQLite.
//! - `figures_http`: figures and the review over a socket and as typed, by hand.
//! - `figures_live`: funnels, conversion and proofs about rules, on random histories, against the same two.
//! - `figures_sql`: totals, shares and funnels of random rules on random databases, against SQLite.
//! - `full_disk`: a file system that is really full; by `.ci/run`, where mounting is allowed.
//! - `growth`: the days of segments through weeks of writes, against SQLite, which has every fact of them.
//! - `history`: random requests through the engine and the naive database, batch after batch.
//! - `house`: the house rules, held over the source tree.
//! - `http`: the API over a socket.
//! - `kill`: kill -9 of the real server in the middle of writes.
//! - `laws`: the laws of an algebra of sets, a hundred thousand times each.
//! - `live`: thirty days of writes, ticks, restarts and rule edits; the feed folded against the naive database.
//! - `metrics`: `/metrics` and request ids, over a socket.
//! - `naive`: the naive database by itself, so that the others may trust it.
//! - `once`: calls cut off at any byte and sent again, over restarts and kills: each counts once.
//! - `openapi`: the document of the API, true of the server and of one piece with the routes.
//! - `oracle`: random rules on random worlds, asked of the product and of the naive database.
//! - `outlook`: looks ahead and previews of random states, against what then happens.
//! - `parquet`: Parquet files in: every type, what is refused and where, our own exports back again.
//! - `postgres`: the rows of a query in, by marks that last; breaks, bad rows, bad addresses.
//! - `promises`: what `docs/PROMISES.md` promises and no other test shows, over a socket.
//! - `reads`: answers under the writes of others, each against the naive database as of the write that it names.
//! - `recipes`: the recipes for clients, none missing.
//! - `report`: the report of all segments as one file, against the API.
//! - `rules`: the rule language, by data files.
//! - `slow`: hundreds of clients that hold on, while a good one goes on.
//! - `sqlite`: two hundred thousand random rules, asked of the product and of SQLite.
//! - `starting`: what a server says while it opens its folder.
//! - `time`: ages, windows, periods and days by hand, at the last millisecond inside and the first outside.
//! - `tls`: secure connections, renewed certificates, and where settings come from.
//! - `tracking`: what SDKs send, over a socket, as it was recorded.
//! - `web`: the page over a socket: what it shows and escapes, its headers, and writes that other sites send.
//! - `webhooks_kill`: a hostile receiver, and kills of the server: all is told, in order, under ids that stay.
//! - `webhooks`: what receivers of webhooks are told, and what becomes of it when they are in trouble.
//! - `what_if`: previews, forecasts, reasons and the ways back, against what then happens.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod audience;
mod bench;
mod beside;
mod canary;
mod cli;
mod definitions;
mod edges;
mod erasure;
mod exports;
mod facts;
mod fault;
mod feed;
mod feed_past;
mod figures;
mod figures_http;
mod figures_live;
mod figures_sql;
mod full_disk;
mod growth;
mod history;
mod house;
mod http;
mod kill;
mod laws;
mod live;
mod metrics;
mod naive;
mod once;
mod openapi;
mod oracle;
mod outlook;
mod parquet;
mod postgres;
mod promises;
mod reads;
mod recipes;
mod report;
mod rules;
mod slow;
mod sqlite;
mod starting;
mod support;
mod time;
mod tls;
mod tracking;
mod web;
mod web_reading;
mod webhooks;
mod webhooks_kill;
mod webhooks_trouble;
mod what_if;
