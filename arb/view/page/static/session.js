// This tab's session. Its key stays here, bound to this port, and signs each request; what another program at the port hears
// is of no use to it (arb/view/page/sessions.py).
const KEPT = "session";
let last = 0;

export class Refused extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

async function mac(key, parts, body = "") {
  const text = new TextEncoder(), algorithm = { name: "HMAC", hash: "SHA-256" };
  const made = await crypto.subtle.importKey("raw", text.encode(key), algorithm, false, ["sign"]);
  return hex(await crypto.subtle.sign("HMAC", made, text.encode(parts.map((part) => `${part}\n`).join("") + body)));
}

async function sent(path, options) {
  try { return await fetch(path, { credentials: "omit", redirect: "error", ...options }); } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "`arb ui` does not answer: is it still running?");
  }
}

async function refusal(answer) {
  const said = await answer.json().catch(() => ({}));
  return new Refused(answer.status, String(said.error || `answer ${answer.status}`));
}

const posted = (body) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body });
export const forget = () => sessionStorage.removeItem(KEPT);

// Opens a session by the token, or by the code of an address: both are proved, neither is sent.
export async function open(secret) {
  const name = hex(crypto.getRandomValues(new Uint8Array(16)));
  const answer = await sent("/api/session", posted(JSON.stringify({ name, proof: await mac(secret, ["open", location.host, name]) })));
  if (!answer.ok) throw await refusal(answer);
  const { salt } = await answer.json();
  last = 0;
  sessionStorage.setItem(KEPT, JSON.stringify({ name, key: await mac(secret, ["key", location.host, name, salt]), at: Date.now() }));
}

// Returns an answer that this session's process gave; 401 where it has ended.
export async function signed(path, options = {}) {
  const { name, key, at } = JSON.parse(sessionStorage.getItem(KEPT) || "{}");
  if (!key) throw new Refused(401, "");
  const number = last = Math.max(last + 1, (Date.now() - at) * 1000 + Math.floor(Math.random() * 1000), 0);
  const { href, origin } = new URL(path, location.href);
  const proof = await mac(key, [options.method || "GET", href.slice(origin.length), number], options.body);
  const answer = await sent(path, { ...options, headers: { ...options.headers, Authorization: `arb ${name} ${number} ${proof}` } });
  if (answer.status === 401) { forget(); throw await refusal(answer); }
  if (answer.headers.get("Authentication-Info") !== await mac(key, ["answer", number])) throw new Refused(0, "another program answers at this address: stop it, and start `arb ui` again");
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

export const ask = async (path, options) => (await signed(path, options)).json();
export const post = (path, body) => ask(path, posted(JSON.stringify(body)));

// The data of server-sent events, however the bytes are cut: lines may end with CR, LF or both.
export async function* events(stream) {
  const reader = stream.getReader(), decoder = new TextDecoder();
  let rest = "", data = [];
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    rest += decoder.decode(read.value, { stream: true });
    const held = rest.endsWith("\r") ? "\r" : "";  // its LF may come with the next chunk
    const lines = rest.slice(0, rest.length - held.length).split(/\r\n|\r|\n/);
    rest = lines.pop() + held;
    for (const line of lines) {
      if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
      else if (line === "" && data.length) { yield data.join("\n"); data = []; }
    }
  }
}
