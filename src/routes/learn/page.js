// The page at `/`: each button is an action, each action a request; what is sent and what comes back is shown.
//
// Read from the top: what the page remembers, the actions, sending, showing, the token, the clock. Texts go to the page
// by textContent and append alone, never as markup.
"use strict";

// All that the page remembers. None of it is written anywhere: it goes with the tab.
const memory = { id: null, token: null, lifetime: 0, expiresAt: 0, death: null };

const $ = (selector, within = document) => within.querySelector(selector);
const username = () => $("[name=username]").value;
const password = () => $("[name=password]").value;

// The actions: `request` makes the request, or says what is missing; `says` has the words for each status that one should
// see here, and `then` what follows from a success. Any other status is `trouble`.

const NO_TOKEN = "There is no token yet: get one in step 4.";
const NO_ID = "Which user? Register in step 1, or get a token in step 4: both tell the number.";
const WHO = "Nobody here has this name and this password. Register in step 1; the server says no more than that, "
  + "so that nobody learns from it which names exist.";

const ACTIONS = {
  register: {
    request: () => ask("POST", "api/users", null, { username: username(), password: password() }),
    then: (answer) => { memory.id = Number(/\d+$/.exec(answer.field("location"))?.[0]) || null; },
    says: { 201: () => `You are user number ${memory.id}. Location is your address here; the password is nowhere in the answer.` },
  },
  stranger: {
    isDone: (answer) => answer.status === 401,
    request: () => ask("GET", "api/resource"),
    says: { 401: () => "Refused, as it should be. WWW-Authenticate is the challenge: Basic, please, a name and a password." },
  },
  password: {
    request: () => ask("GET", "api/resource", basic(password())),
    says: { 200: opened, 401: () => WHO },
  },
  wrong: {
    isDone: (answer) => answer.status === 401,
    request: () => ask("GET", "api/resource", basic(`not ${password()}`)),
    says: { 401: () => "Refused, and counted: after some wrong passwords the server makes you wait." },
  },
  token: {
    request: () => ask("GET", `api/token${chosenLifetime()}`, basic(password())),
    then: keepToken,
    says: { 200: () => `A token, good for ${inWords(memory.lifetime)}. It stands below, taken apart.`, 401: () => WHO },
  },
  use: {
    request: () => memory.token ? ask("GET", "api/resource", bearer(memory.token)) : NO_TOKEN,
    says: { 200: (answer) => `${opened(answer)} And no password was sent.`, 401: whyDead },
  },
  break: {
    isDone: (answer) => answer.status === 401,
    request: (button) => brokenRequest(Number(button.value)),
    says: { 401: (_, button) => `Refused: one character was changed ${button.textContent}, and the signature no longer fits. `
      + "The server doesn't even look at what such a token says." },
  },
  late: {
    isDone: (answer) => answer.status === 200 || secondsLeft() === 0,
    request: () => memory.token ? ask("GET", "api/resource", bearer(memory.token)) : NO_TOKEN,
    says: { 200: (answer) => `${opened(answer)} It is still good, for ${inWords(secondsLeft())}. Wait for the end, and knock again.`, 401: whyDead },
  },
  renew: {
    request: () => memory.token ? ask("GET", `api/token${chosenLifetime()}`, bearer(memory.token)) : NO_TOKEN,
    then: keepToken,
    says: { 200: () => `A new token for the old one, good for ${inWords(memory.lifetime)}, and no password was sent.`, 401: whyDead },
  },
  signOut: {
    // An expired token signs nobody out, and the step before says to wait for that: then the password does.
    request: () => memory.token ? ask("DELETE", "api/token", isAlive() ? bearer(memory.token) : basic(password())) : NO_TOKEN,
    then: () => endToken("you signed out everywhere"),
    says: { 204: () => "Every token of yours is dead from now on. Try this one.", 401: () => isAlive() ? whyDead() : WHO },
  },
  dead: {
    isDone: (answer) => answer.status === 401 && memory.death,
    request: () => memory.token ? ask("GET", "api/resource", bearer(memory.token)) : NO_TOKEN,
    says: { 200: () => "It still opens the door, since nobody signed out yet.", 401: whyDead },
  },
  change: {
    request: () => memory.id ? ask("PUT", `api/users/${memory.id}`, basic(password()), { password: $("[name=new-password]").value }) : NO_ID,
    then: () => {
      $("[name=password]").value = $("[name=new-password]").value;
      endToken("the password was changed");
    },
    says: { 204: () => "Changed, and every token is dead. The new password stands in step 1 now; get a token for it in step 4.", 401: () => WHO },
  },
  remove: {
    request: () => memory.id ? ask("DELETE", `api/users/${memory.id}`, basic(password())) : NO_ID,
    then: () => {
      memory.id = null;
      endToken("the user was deleted");
    },
    says: { 204: () => "Gone. Knock with the password in step 3, and see: nobody knows you any more.", 401: () => WHO },
  },
};

function opened(answer) {
  return `The door opened: “${answer.json.data}”`;
}

// Why a token that was good isn't; the server tells nobody, but here it is known.
function whyDead() {
  if (memory.death) return `Refused: it can't be seen in the token, but it is dead, since ${memory.death}. Get another one in step 4.`;
  if (secondsLeft() === 0) return "Refused: it has expired. The signature still fits, but the hour it names is past. Now it takes the password: step 4.";
  return "Refused. The account may have been changed elsewhere; get a new token in step 4.";
}

// Sending.

// A request as plain values, to be both sent and shown. Addresses are relative, so the page may stand below a path.
function ask(method, path, authorization = null, json = null) {
  const fields = [];
  if (authorization) fields.push(["Authorization", authorization]);
  if (json) fields.push(["Content-Type", "application/json"]);
  return { method, url: new URL(path, location.href), fields, body: json && JSON.stringify(json) };
}

const basic = (secret) => `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${username()}:${secret}`)))}`;
const bearer = (token) => `Bearer ${token}`;

// The server gives what is asked for, or less.
function chosenLifetime() {
  const seconds = $("[name=lifetime]:checked").value;
  return seconds && `?duration=${seconds}`;
}

// The answer as plain values; null where none came. Without `omit` the browser would meet a 401 with a dialog of its own.
async function send({ method, url, fields, body }) {
  try {
    const response = await fetch(url, { method, headers: fields, body, credentials: "omit", cache: "no-store" });
    const text = await response.text();
    const { status, statusText, headers } = response;
    return { status, statusText, fields: [...headers], field: (name) => headers.get(name), text, json: readJson(text) };
  } catch {
    return null;
  }
}

function readJson(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

// One press of a button, from the request to the words about its answer.
async function perform(button) {
  const step = button.closest("section");
  const action = ACTIONS[button.dataset.action];
  if (step.ariaBusy === "true") return;
  delete step.dataset.status;
  say(step, "", "");
  const request = action.request(button);
  if (typeof request === "string") return say(step, "missing", request);
  step.ariaBusy = "true";
  showRequest(step, request);
  const answer = await send(request);
  step.ariaBusy = "false";
  showAnswer(step, answer);
  if (answer && answer.status < 300) action.then?.(answer);
  const words = answer && action.says[answer.status];
  if (words) {
    say(step, answer.status, words(answer, button), answer.status < 300 ? "good" : "refused");
    if (action.isDone ? action.isDone(answer) : answer.status < 300) markDone(step);
  } else {
    say(step, answer?.status ?? "none", trouble(answer), "trouble");
    waitOut(step, answer);
  }
}

// What went wrong, for a person: what it means, and what to do.
function trouble(answer) {
  if (!answer) return "No answer came. Is the server running, and are you connected? Then press again: nothing is lost.";
  const { error, message = "" } = answer.json;
  switch (answer.status) {
    case 401: return "Refused: the server doesn't take what was shown.";
    case 429: return "Too many tries. The server counts them, and for a while it doesn't even look at passwords from here, "
      + "wrong or right: that is what keeps guessers from getting anywhere.";
    case 503: return error === "busy"
      ? "The server has its hands full with other people's passwords. Nothing is wrong with yours: try again in a moment."
      : "The server can't use its database just now. Nothing is wrong with your request: try again later.";
    case 500: return "The server failed, and that isn't your doing. Its log says why.";
  }
  if (error === "registration_closed") {
    return "Registration is closed here. If the operator has given you an account, write its name and password into the "
      + "fields above and go on with step 2.";
  }
  return message || "This answer wasn't expected; it may be a proxy's, in front of the server.";
}

// Counts down what a 429 or 503 asks to wait.
function waitOut(step, answer) {
  const seconds = Number(answer?.field("retry-after"));
  if (!seconds) return;
  const until = Date.now() + seconds * 1000;
  const line = $(".wait", step);
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    line.textContent = left > 0 ? `You can try again in ${inWords(left)}.` : "You can try again now.";
    if (left <= 0) clearInterval(timers.get(step));
  };
  timers.set(step, setInterval(tick, 250));
  tick();
}

// A step has one countdown at most.
const timers = new Map();

// Showing.

// Makes an element of a class, with texts and elements inside.
function make(tag, className, ...inside) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...inside);
  return element;
}

function say(step, status, words, tone = "") {
  clearInterval(timers.get(step));
  $(".wait", step).textContent = "";
  const verdict = $(".verdict", step);
  verdict.className = `verdict ${tone}`;
  verdict.replaceChildren(...(Number(status) ? [make("b", "", String(status)), ` ${words}`] : [words]));
  if (status) step.dataset.status = status;
}

function markDone(step) {
  step.classList.add("done");
  $(`nav a[href="#${step.id}"]`).classList.add("done");
}

function showRequest(step, request) {
  const { method, url, fields, body } = request;
  const length = body ? [["Content-Length", String(new TextEncoder().encode(body).length)]] : [];
  const head = [["Host", url.host], ...fields, ...length];
  $(".shown", step).hidden = false;
  $(".request", step).replaceChildren(...message(`${method} ${url.pathname}${url.search} HTTP/1.1`, head, body ?? ""));
  $(".answer", step).replaceChildren("…");
  $(".reading", step).replaceChildren(...reading(fields));
  $(".curl pre", step).textContent = curlLine(request);
}

function showAnswer(step, answer) {
  const parts = answer ? message(`${answer.status} ${answer.statusText}`, answer.fields.map(spelt), answer.text) : ["none"];
  $(".answer", step).replaceChildren(...parts);
}

// Names of fields come from the browser in lower case; they have none (RFC 9110 section 5.1).
const spelt = ([name, value]) => [name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase()).replace("Www", "WWW"), value];

// A message as HTTP/1.1 has it: first line, fields, an empty line, body.
function message(first, fields, body) {
  const lines = fields.flatMap(([name, value]) => ["\n", make("span", "name", `${name}: `), ...withTokens(value)]);
  return [make("span", "first", first), ...lines, ...(body ? ["\n\n", ...withTokens(body)] : [])];
}

// A text in which tokens have their colours.
function withTokens(text) {
  return text.split(/([\w-]{20,}\.[\w-]{20,}\.[\w-]{20,})/).flatMap((piece, at) => at % 2 ? coloured(piece) : [piece]);
}

const PARTS = ["header", "payload", "signature"];

function coloured(token) {
  const spans = token.split(".").map((part, at) => make("span", PARTS[at], ...markChange(token, at, part)));
  return [spans[0], ".", spans[1], ".", spans[2]];
}

// The character in which a broken token differs from the good one.
function markChange(token, at, part) {
  const good = memory.token?.split(".")[at] ?? "";
  const where = token.length === memory.token?.length ? [...part].findIndex((letter, n) => letter !== good[n]) : -1;
  return where < 0 ? [part] : [part.slice(0, where), make("mark", "", part[where]), part.slice(where + 1)];
}

// What the Authorization field says, for a person.
function reading(fields) {
  const [scheme, value] = fields.find(([name]) => name === "Authorization")?.[1].split(" ") ?? [];
  if (scheme === "Basic") {
    const decoded = new TextDecoder().decode(bytes(value));
    return [make("code", "", value), " read back from base64 is ", make("code", "decoded", decoded), ": whoever sees the one has the other."];
  }
  return scheme === "Bearer" ? ["Bearer: whoever bears this token is taken for you. There is no name in it, and no password."] : [];
}

function curlLine({ method, url, fields, body }) {
  const words = ["curl", "-i"];
  if (method !== "GET" && !(method === "POST" && body)) words.push("-X", method);
  for (const [name, value] of fields) {
    if (value.startsWith("Basic ")) words.push("-u", new TextDecoder().decode(bytes(value.slice(6))));
    else words.push("-H", `${name}: ${value}`);
  }
  if (body) words.push("-d", body);
  return [...words, url.href].map(quoted).join(" ");
}

// A word as a POSIX shell takes it literally: between single quotes nothing has a meaning but their end.
const quoted = (word) => /^[\w@%+:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

// The token.

function bytes(base64) {
  return Uint8Array.from(atob(base64.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
}

const decodePart = (part) => readJson(new TextDecoder().decode(bytes(part)));

function keepToken({ json: { token, duration } }) {
  Object.assign(memory, { token, lifetime: duration, expiresAt: Date.now() + duration * 1000, death: null });
  memory.id = decodePart(token.split(".")[1]).id ?? memory.id;
  showToken();
  tick();
}

function endToken(why) {
  if (memory.token) memory.death = why;
  tick();
}

function showToken() {
  const spans = memory.token.split(".").map((part, at) => {
    const span = make("span", PARTS[at], part);
    Object.assign(span, { role: "button", tabIndex: 0, ariaLabel: `Read the ${PARTS[at]}` });
    for (const event of ["pointerenter", "focus", "click"]) span.addEventListener(event, () => showClaims(at, spans));
    return span;
  });
  $("#anatomy").hidden = false;
  $("#parts").replaceChildren(spans[0], ".", spans[1], ".", spans[2]);
  showClaims(1, spans);
}

function showClaims(at, spans) {
  spans.forEach((span, n) => { span.ariaPressed = String(n === at); });
  const rows = at === 2 ? signatureRows(spans[2].textContent) : Object.entries(decodePart(spans[at].textContent)).map(claimRow);
  $("#claims").className = PARTS[at];
  $("#claims").replaceChildren(make("h4", "", `The ${PARTS[at]}`), make("dl", "", ...rows.flat()));
}

// With its date, where that is not today's.
function hour(seconds) {
  const [moment, now] = [new Date(seconds * 1000), new Date()];
  return moment.toDateString() === now.toDateString() ? moment.toLocaleTimeString() : moment.toLocaleString();
}

const MEANINGS = {
  alg: () => "how it was signed: HMAC with SHA-256. The server takes nothing else, whatever stands here",
  iat: (seconds) => `issued at ${hour(seconds)}: seconds since 1970`,
  exp: (seconds) => `expires at ${hour(seconds)}, to the second`,
  id: () => "whose it is: the number of a user. No name, no password",
  gen: () => "the generation: signing out everywhere counts it up, as a new password does, and older ones are dead",
  auth_time: (seconds) => `the password was last shown at ${hour(seconds)}; a renewed token carries that along`,
};

function claimRow([name, value]) {
  return [make("dt", "", name), make("dd", "", make("code", "", JSON.stringify(value)), " ", MEANINGS[name]?.(value) ?? "")];
}

function signatureRows(part) {
  const hex = Array.from(bytes(part), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const meaning = "HMAC-SHA-256 over header.payload, with a key that only the server has. It hides nothing; it proves that "
    + "the server wrote this, and that nobody changed it since.";
  return [[make("dt", "", "32 bytes"), make("dd", "", make("code", "", hex))], [make("dt", "", "is"), make("dd", "", meaning)]];
}

// The token with the middle character of a part replaced. Only a living one shows that it is the change that kills it.
function brokenRequest(at) {
  if (!memory.token) return NO_TOKEN;
  if (!isAlive()) return "This token is dead anyway. Get a fresh one in step 4, and break that.";
  const parts = memory.token.split(".");
  const middle = Math.floor(parts[at].length / 2);
  const letter = parts[at][middle] === "x" ? "y" : "x";
  parts[at] = parts[at].slice(0, middle) + letter + parts[at].slice(middle + 1);
  return ask("GET", "api/resource", bearer(parts.join(".")));
}

// The clock.

const secondsLeft = () => Math.max(0, Math.ceil((memory.expiresAt - Date.now()) / 1000));

// With a second to spare, for the way to the server.
const isAlive = () => !memory.death && secondsLeft() > 1;

function inWords(seconds) {
  if (seconds >= 7200) return `${Math.round(seconds / 3600)} hours`;
  if (seconds >= 120) return `${Math.round(seconds / 60)} minutes`;
  return seconds === 1 ? "1 second" : `${seconds} seconds`;
}

// Says how long the token has, a few times a second; and once aloud, when it ends.
function tick() {
  if (!memory.token) return;
  const left = memory.death ? 0 : secondsLeft();
  const words = memory.death ? "token dead" : left ? `token: ${inWords(left)} left` : "token expired";
  const line = $("#token-state");
  if (line.textContent === words) return;
  line.textContent = words;
  line.className = left ? "alive" : "dead";
  $("#left label").textContent = memory.death ? `The token is dead: ${memory.death}.` : left ? `${inWords(left)} left` : "The token has expired.";
  $("#bar").value = left / memory.lifetime;
  $("#news").textContent = left ? "" : $("#left label").textContent;
}

// The beginning.

function begin() {
  const random = (count) => Array.from(crypto.getRandomValues(new Uint8Array(count)), (byte) => "abcdefghjkmnpqrstuvwxyz23456789"[byte % 31]).join("");
  $("[name=username]").value = `guest-${random(4)}`;
  $("[name=password]").value = random(12);
  $("[name=new-password]").value = random(12);
  $("[name=username]").addEventListener("input", () => { memory.id = null; });
  for (const step of document.querySelectorAll("section")) {
    $("form", step).after($("#exchange").content.cloneNode(true));
    const copy = $(".copy", step);
    copy.hidden = !navigator.clipboard; // which browsers have on safe connections alone
    copy.addEventListener("click", () => navigator.clipboard.writeText($(".curl pre", step).textContent));
    $("form", step).addEventListener("submit", (event) => {
      event.preventDefault();
      perform(event.submitter ?? $("button", step));
    });
  }
  setInterval(tick, 250);
}

begin();
