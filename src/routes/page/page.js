'use strict';
// A walk through the article's steps. Every request is made here, shown as it is sent, and answered by the server that this page
// came from. What the page knows stands in `known`, and is gone with the tab.

const known = { user: null, token: null, expiresAt: 0 };
const byId = (id) => document.getElementById(id);
const name = () => byId('name').value;
const secret = () => byId('secret').value;

// ---- Credentials

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

function basic(user, password) {
  const pair = `${user}:${password}`;
  return {
    field: `Basic ${base64(pair)}`,
    curl: `-u ${quoted(pair)}`,
    explained: `Basic is base64 of: ${pair}`,
  };
}

function bearer(token) {
  return { field: `Bearer ${token}`, curl: `-H ${quoted(`Authorization: Bearer ${token}`)}`, explained: '' };
}

function tokenCredentials(token) {
  return byId('scheme').value === 'basic' ? basic(token, 'unused') : bearer(token);
}

// ---- One request, and all that is shown of it

// Sends a request and shows both directions in the step's section. Never the browser's own credentials: with those, the first
// 401 would open its own dialog.
async function send(step, method, path, { credentials, body } = {}) {
  const fields = {};
  if (credentials) fields.Authorization = credentials.field;
  if (body) fields['Content-Type'] = 'application/json';
  const request = { method, path, fields, body: body && JSON.stringify(body), credentials };
  const answer = await answerTo(request);
  show(step, request, answer);
  return answer;
}

async function answerTo({ method, path, fields, body }) {
  try {
    const response = await fetch(path, { method, headers: fields, body, credentials: 'omit', cache: 'no-store', redirect: 'error' });
    const text = await response.text();
    return { status: response.status, reason: response.statusText, fields: response.headers, text };
  } catch {
    return null; // the network's failure, or nobody listens
  }
}

function show(step, request, answer) {
  const section = byId(step);
  section.querySelector('.exchange')?.remove();
  const exchange = element('div', 'exchange');
  const verdict = element('p', 'verdict');
  verdict.setAttribute('role', 'status');
  exchange.append(verdict, wires(request, answer));
  if (request.credentials?.explained) exchange.append(element('p', 'hint', request.credentials.explained));
  exchange.append(element('h3', '', 'The same by curl'), curlLine(request));
  section.append(exchange);
  tell(verdict, answer);
}

function wires(request, answer) {
  const sent = [`${request.method} ${request.path} HTTP/1.1`, `Host: ${location.host}`];
  for (const [field, value] of Object.entries(request.fields)) sent.push(`${field}: ${value}`);
  if (request.body) sent.push('', request.body);
  const both = element('div', 'wires');
  both.append(wire('You sent (and your browser adds who it is)', sent));
  if (answer) {
    const received = [`HTTP/1.1 ${answer.status} ${answer.reason}`];
    for (const [field, value] of answer.fields) received.push(`${field}: ${value}`);
    if (answer.text) received.push('', answer.text);
    both.append(wire('The server answered', received));
  }
  return both;
}

function wire(title, lines) {
  const box = element('div');
  box.append(element('h3', '', title), element('pre', '', lines.join('\n')));
  return box;
}

function curlLine({ method, path, body, credentials }) {
  const words = ['curl -i'];
  if (credentials) words.push(credentials.curl);
  if (method !== 'GET') words.push(`-X ${method}`);
  if (body) words.push("-H 'Content-Type: application/json'", `-d ${quoted(body)}`);
  words.push(quoted(location.origin + path));
  const text = words.join(' ');
  const line = element('div', 'curl');
  const copy = element('button', 'quiet', 'Copy');
  copy.type = 'button';
  copy.addEventListener('click', () => navigator.clipboard?.writeText(text).then(() => { copy.textContent = 'Copied'; }));
  line.append(element('pre', '', text), copy);
  return line;
}

// One word for a POSIX shell, whatever it holds.
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function element(tag, className = '', text = '') {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

// ---- What an answer means, for a person

function tell(verdict, answer) {
  const [kind, text, retryAfter] = meaning(answer);
  verdict.dataset.kind = kind;
  verdict.dataset.status = answer ? answer.status : 'none';
  verdict.textContent = text;
  if (retryAfter) countDown(verdict, text, performance.now() + retryAfter * 1000);
}

function meaning(answer) {
  if (!answer) return ['bad', 'No answer. Does the server still run, and is it reachable from here?'];
  const retryAfter = Number(answer.fields.get('Retry-After')) || 0;
  const said = errorMessage(answer.text);
  if (answer.status < 300) return ['good', `${answer.status}: ${successes[answer.status] ?? 'done.'}`];
  if (answer.status === 401) return ['bad', '401: not let in. The server never says what was wrong: name, password or token.'];
  if (answer.status === 429) return ['wait', '429: too many tries. The server looks at nothing more of this kind for now.', retryAfter];
  if (answer.status === 503) return ['wait', `503: not now. ${said}`, retryAfter];
  return ['bad', `${answer.status}: ${said || answer.reason}`];
}

const successes = { 200: 'let in.', 201: 'registered.', 204: 'done; there is nothing more to say.' };

function errorMessage(text) {
  try {
    return JSON.parse(text).message ?? '';
  } catch {
    return '';
  }
}

// Keeps saying how long it takes until another try is worth it, for as long as this is what is shown.
function countDown(verdict, text, until) {
  const seconds = Math.ceil((until - performance.now()) / 1000);
  verdict.textContent = seconds > 0 ? `${text} Try again in ${duration(seconds)}.` : 'You can try again now.';
  // Read out at the start and at the end, not every second.
  verdict.setAttribute('aria-live', seconds > 0 ? 'off' : 'polite');
  if (seconds > 0 && verdict.isConnected) setTimeout(countDown, 1000, verdict, text, until);
}

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

function sayFirst(step, text) {
  const section = byId(step);
  section.querySelector('.exchange')?.remove();
  const exchange = element('div', 'exchange');
  const verdict = element('p', 'verdict', text);
  verdict.setAttribute('role', 'status');
  verdict.dataset.kind = 'wait';
  exchange.append(verdict);
  section.append(exchange);
}

// ---- The token

function take(answer) {
  if (answer?.status !== 200) return;
  const { token, duration: seconds } = JSON.parse(answer.text);
  known.token = token;
  known.expiresAt = performance.now() + seconds * 1000;
  byId('note').hidden = false;
  byId('position').max = token.length - 1;
  byId('position').value = Math.floor(token.length / 2);
  showParts(token);
  showChange();
  tick();
}

const partNames = ['header', 'payload', 'signature'];

function showParts(token) {
  const parts = token.split('.');
  const shown = parts.map((part, index) => {
    // No button element: browsers don't break the lines of its text.
    const shown = element('span', `part-${index}`, part);
    const attributes = { role: 'button', tabindex: '0', 'aria-label': `The ${partNames[index]}`, 'aria-describedby': 'decoded' };
    for (const [attribute, value] of Object.entries(attributes)) shown.setAttribute(attribute, value);
    for (const event of ['mouseenter', 'focus', 'click']) {
      shown.addEventListener(event, () => { byId('decoded').textContent = explained(part, index); });
    }
    return shown;
  });
  byId('parts').replaceChildren(shown[0], '.', shown[1], '.', shown[2]);
}

function explained(part, index) {
  const bytes = bytesOf(part);
  if (index === 2) {
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return `The signature: HMAC-SHA-256 over the two other parts, under the server's key.\n${hex}`;
  }
  const object = JSON.parse(new TextDecoder().decode(bytes));
  const means = { alg: 'signed by HMAC-SHA-256', id: "the user's id", gen: "the number in the user's row", auth_time: 'the password was shown', iat: 'issued', exp: 'expires' };
  const lines = Object.entries(object).map(([member, value]) => {
    const isTime = ['iat', 'exp', 'auth_time'].includes(member);
    const at = isTime ? ` ${new Date(value * 1000).toLocaleTimeString()}` : '';
    return `  ${`${member}: ${value}`.padEnd(24)}${means[member] ?? ''}${at}`;
  });
  return `The ${partNames[index]}, base64url of JSON:\n${lines.join('\n')}`;
}

function bytesOf(base64url) {
  const text = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function tick() {
  clearTimeout(tick.timer);
  const seconds = Math.ceil((known.expiresAt - performance.now()) / 1000);
  byId('countdown').textContent = seconds > 0 ? `Expires in ${duration(seconds)}` : 'Expired. Use it now, and see.';
  if (seconds > 0) tick.timer = setTimeout(tick, 250);
}

// The token with one character changed, and the words that say which.
function changed(token, position) {
  const old = token[position];
  const other = old === 'A' ? 'B' : 'A';
  const part = partNames[token.slice(0, position).split('.').length - 1];
  return {
    token: token.slice(0, position) + other + token.slice(position + 1),
    words: `character ${position + 1}, ${old === '.' ? 'a dot between parts' : `in the ${part}`}: ${old} becomes ${other}`,
  };
}

function showChange() {
  if (known.token) byId('changed').textContent = changed(known.token, Number(byId('position').value)).words;
}

// ---- The steps

const steps = {
  async register() {
    const answer = await send('register', 'POST', '/api/users', { body: { username: name(), password: secret() } });
    if (answer?.status === 201) known.user = new URL(answer.fields.get('Location'), location.href).pathname;
  },

  knock: () => send('knock', 'GET', '/api/resource'),

  password(choice) {
    const shown = choice === 'wrong' ? `${secret()}?` : secret();
    return send('password', 'GET', '/api/resource', { credentials: basic(name(), shown) });
  },

  async token() {
    const seconds = byId('lifetime').value;
    const path = seconds ? `/api/token?duration=${seconds}` : '/api/token';
    take(await send('token', 'GET', path, { credentials: basic(name(), secret()) }));
  },

  async use(choice) {
    if (!known.token) return sayFirst('use', 'There is no token yet: get one in step 4.');
    const credentials = tokenCredentials(known.token);
    if (choice !== 'renew') return send('use', 'GET', '/api/resource', { credentials });
    const seconds = byId('lifetime').value;
    take(await send('use', 'GET', seconds ? `/api/token?duration=${seconds}` : '/api/token', { credentials }));
  },

  tamper() {
    if (!known.token) return sayFirst('tamper', 'There is no token yet: get one in step 4.');
    const { token } = changed(known.token, Number(byId('position').value));
    return send('tamper', 'GET', '/api/resource', { credentials: bearer(token) });
  },

  async leave(choice) {
    const credentials = basic(name(), secret());
    if (choice === 'sign-out') return send('leave', 'DELETE', '/api/token', { credentials });
    const user = known.user ?? userOfToken();
    if (!user) return sayFirst('leave', 'Register first, or get a token: the account has to be known.');
    if (choice === 'delete') return send('leave', 'DELETE', user, { credentials });
    const password = byId('new-secret').value;
    const answer = await send('leave', 'PUT', user, { credentials, body: { password } });
    if (answer?.status === 204) byId('secret').value = password;
  },
};

// Of whoever registered before this tab: the payload says the id.
function userOfToken() {
  if (!known.token) return null;
  return `/api/users/${JSON.parse(new TextDecoder().decode(bytesOf(known.token.split('.')[1]))).id}`;
}

for (const form of document.querySelectorAll('form')) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    steps[form.dataset.does](event.submitter?.value);
  });
}
byId('position').addEventListener('input', showChange);
byId('name').value = `guest-${crypto.getRandomValues(new Uint16Array(1))[0]}`;
byId('secret').value = 'correct horse';
byId('new-secret').value = 'battery staple';
