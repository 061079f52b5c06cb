// Calls a workflow for each contact that enters or leaves a segment: in order, at least once, under an id that stays.
//
// usage: node trigger.mjs THRONG WORKFLOW FOLDER SEGMENT

import {
  closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, unlinkSync, writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const [throng, workflow, folder, segment] = process.argv.slice(2);
const [PLACE, MEMBERS] = [join(folder, "place"), join(folder, "members")];
const name = encodeURIComponent(segment);
const key = process.env.THRONG_KEY;
const auth = key ? { authorization: "Basic " + Buffer.from(`${key}:`).toString("base64") } : {};

/** An answer of Throng; a server that is not there is waited for. 410 is given back, other refusals end the program. */
async function ask(path) {
  for (let wait = 100; ; wait = Math.min(2 * wait, 10_000)) {
    try {
      const answer = await fetch(throng + path, { headers: auth, signal: AbortSignal.timeout(90_000) });
      const body = await answer.text();
      if (answer.ok || answer.status === 410) return { answer, body };
      if (answer.status < 500) {
        console.error(`${answer.status}: ${body}`);
        process.exit(1);
      }
    } catch {
      // It is not there, or its answer broke off: ask again.
    }
    await sleep(wait);
  }
}

/** Calls the workflow until it says 2xx: what comes behind waits, so the order is kept. */
async function call(contact, kind, id) {
  for (let wait = 100; ; wait = Math.min(2 * wait, 60_000)) {
    try {
      const answer = await fetch(workflow, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ contact, segment, kind, id }),
        signal: AbortSignal.timeout(30_000),
      });
      await answer.arrayBuffer();
      if (answer.ok) return;
      console.error(`${id}: ${answer.status}`);
    } catch (error) {
      console.error(`${id}: ${error.message}`);
    }
    await sleep(wait);
  }
}

/** A file that is there whole or not at all. */
function settle(name, text) {
  const file = openSync(name + ".part", "w");
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
  renameSync(name + ".part", name);
  syncFolder();
}

/** Names last over a power cut only once their folder is synced. */
function syncFolder() {
  const dir = openSync(folder, "r");
  fsyncSync(dir);
  closeSync(dir);
}

const keepPlace = (seq) => settle(PLACE, String(seq));
const lines = (body) => body.split("\n").filter(Boolean).map((line) => JSON.parse(line));

/**
 * Tells the members as they are, and gives the place to follow on from. The list is kept until it is told, so that a
 * restart tells the same one: who left meanwhile is told by the feed behind it.
 */
async function beginAnew() {
  if (!existsSync(MEMBERS)) {
    const { answer, body } = await ask(`/v1/segments/${name}/members`);
    settle(MEMBERS, answer.headers.get("throng-seq") + "\n" + body);
  }
  const [seq, ...members] = lines(readFileSync(MEMBERS, "utf8"));
  await call(null, "anew", `${seq}/`); // whoever is not told now is no member any more
  for (const member of members) await call(member.key, "member", `${seq}/${member.key}`);
  keepPlace(seq);
  unlinkSync(MEMBERS);
  syncFolder(); // an old list must not come back beside a newer place
  return seq;
}

/** Each change of an entry; a large one has them in a list of their own. Null when that list is gone. */
async function changes(entry) {
  if (entry.kind !== "bulk") return [entry];
  const { answer, body } = await ask(`/v1/feed/${entry.seq}/changes`);
  return answer.ok ? lines(body) : null;
}

mkdirSync(folder, { recursive: true });
let place = existsSync(MEMBERS) || !existsSync(PLACE) ? await beginAnew() : Number(readFileSync(PLACE, "utf8"));
for (;;) {
  const { answer, body } = await ask(`/v1/feed?after=${place}&segment=${name}&wait=30`);
  let gone = answer.status === 410;
  for (const entry of gone ? [] : JSON.parse(body).changes) {
    const told = await changes(entry);
    if ((gone = told === null)) break;
    for (const { contact, kind } of told) {
      // An erased contact has no name any more.
      if (contact !== null) await call(contact, kind, `${entry.seq}/${contact}`);
    }
    keepPlace(entry.seq);
  }
  place = gone ? await beginAnew() : JSON.parse(body).next;
  keepPlace(place);
}
