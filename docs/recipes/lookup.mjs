// Which segments hold a contact, in time for a reply.
//
// usage: node lookup.mjs THRONG CONTACT...

const DEADLINE = 200; // milliseconds; a bot that says nothing is worse than one that knows no segments
const key = process.env.THRONG_KEY;
const auth = key ? { authorization: "Basic " + Buffer.from(`${key}:`).toString("base64") } : {};

/** The answer as JSON, or null: no answer in time, or one that is of no use. Connections are kept by fetch. */
async function ask(url, body) {
  try {
    const answer = await fetch(url, {
      method: body ? "POST" : "GET",
      headers: { "content-type": "application/json", ...auth },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(DEADLINE),
    });
    const told = await answer.json();
    return answer.ok ? told : null;
  } catch {
    return null;
  }
}

/** The segments of one contact; none when it is unknown or nobody answers. */
export async function segments(throng, contact) {
  return (await ask(`${throng}/v1/contacts/${encodeURIComponent(contact)}/segments`))?.segments ?? [];
}

/** The segments of many, in one call, in the order asked. */
export async function segmentsOf(throng, contacts) {
  const told = await ask(`${throng}/v1/lookup`, { contacts });
  return told ? told.results.map((result) => result.segments) : contacts.map(() => []);
}

const [throng, ...contacts] = process.argv.slice(2);
const found = contacts.length === 1 ? [await segments(throng, contacts[0])] : await segmentsOf(throng, contacts);
contacts.forEach((contact, at) => console.log(JSON.stringify({ contact, segments: found[at] })));
