// Sends a campaign: everyone of the audience, no one twice, though it may be killed at any moment.
//
// usage: node send.mjs THRONG PROVIDER FOLDER SEGMENT CHANNEL

import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const [throng, provider, folder, segment, channel] = process.argv.slice(2);
const [AUDIENCE, PLACE, REFUSED] = ["audience.ndjson", "place", "refused.ndjson"].map((name) => join(folder, name));
const PAGE = 100;
const key = process.env.THRONG_KEY;
const auth = key ? { authorization: "Basic " + Buffer.from(`${key}:`).toString("base64") } : {};

/** Gives a finished file its name, in one step that outlives a power cut. */
async function settle(file, part, name) {
  await file.sync();
  await file.close();
  await rename(part, name);
  const dir = await open(folder);
  await dir.sync();
  await dir.close();
}

async function takeAudience() {
  const answer = await fetch(`${throng}/v1/audience?format=ndjson`, {
    method: "POST",
    headers: { "content-type": "application/json", ...auth },
    body: JSON.stringify({ include: [segment], channel }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  const file = await open(AUDIENCE + ".part", "w");
  let count = 0;
  for await (const chunk of answer.body) {
    for (const byte of chunk) count += byte === 10 ? 1 : 0;
    await file.write(chunk);
  }
  if (count !== Number(answer.headers.get("throng-count"))) throw new Error("the audience broke off; nothing was sent");
  // Whoever wants to check the send later asks as of this write.
  console.log("audience", count, "as of", answer.headers.get("throng-lsn"));
  await settle(file, AUDIENCE + ".part", AUDIENCE);
}

async function keepPlace(at) {
  const file = await open(PLACE + ".part", "w");
  await file.write(String(at));
  await settle(file, PLACE + ".part", PLACE);
}

/** Sends one message; a provider in trouble is waited for, one that refuses is noted. */
async function send(contact) {
  // The same on every try, also after a restart: the provider takes it once.
  const once = createHash("sha256").update(`${basename(folder)}/${contact.key}`).digest("hex");
  for (let wait = 100; ; wait = Math.min(2 * wait, 60_000)) {
    try {
      const answer = await fetch(provider, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": once },
        body: JSON.stringify({ to: contact.key }),
        signal: AbortSignal.timeout(30_000),
      });
      await answer.arrayBuffer();
      if (answer.ok) return;
      if (answer.status < 500 && ![408, 429].includes(answer.status)) {
        appendFileSync(REFUSED, JSON.stringify({ key: contact.key, status: answer.status }) + "\n");
        return;
      }
    } catch {
      // Whether it arrived is not known: sent again under the same key.
    }
    await sleep(wait);
  }
}

mkdirSync(folder, { recursive: true });
if (!existsSync(AUDIENCE)) await takeAudience();
let at = existsSync(PLACE) ? Number(readFileSync(PLACE, "utf8")) : 0;
const audience = await open(AUDIENCE);
const stream = audience.createReadStream({ start: at });
let rest = Buffer.alloc(0);
let since = 0;
for await (const chunk of stream) {
  rest = Buffer.concat([rest, chunk]);
  for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
    await send(JSON.parse(rest.subarray(0, end).toString("utf8")));
    rest = rest.subarray(end + 1);
    at += end + 1;
    if (++since === PAGE) {
      await keepPlace(at);
      since = 0;
    }
  }
}
await keepPlace(at);
console.log("done");
