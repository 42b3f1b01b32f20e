// An app that asks tollgate about each request, over TCP (fetch) or a Unix socket (node:http): POST /auth/v1/verify.
//
//     TOLLGATE=http://127.0.0.1:8080 TOLLGATE_TOKEN=tgs_… PORT=8000 node examples/clients/app.mjs
//
// TOLLGATE may be unix:/run/tollgate.sock. PORT 0 takes any; the first line printed is the address. Node 18, no packages.

import http from 'node:http'
import { text } from 'node:stream/consumers'

const { TOLLGATE = 'http://127.0.0.1:8080', TOLLGATE_TOKEN, PORT = '8000' } = process.env
if (!TOLLGATE_TOKEN) {
  console.error('set TOLLGATE_TOKEN: tollgate token create --quiet --scope verify')
  process.exit(1)
}
const PATIENCE = 5000 // milliseconds
const HEADERS = { Authorization: `Bearer ${TOLLGATE_TOKEN}`, 'Content-Type': 'application/json' }

// Where there is no verdict to be had, the request is refused.
const CLOSED = {
  valid: false,
  answer: {
    status: 503,
    headers: { 'Content-Type': 'text/plain' },
    body: 'This request cannot be checked right now.\n',
  },
}

// fetch keeps connections and uses them again by itself. A redirect would hand the key to somebody else.
async function overTcp(body) {
  const signal = AbortSignal.timeout(PATIENCE)
  const reply = await fetch(`${TOLLGATE}/auth/v1/verify`, { method: 'POST', headers: HEADERS, body, redirect: 'error', signal })
  return { status: reply.status, body: await reply.text() }
}

// fetch knows no Unix sockets; node:http does.
const agent = new http.Agent({ keepAlive: true })
function overUnix(body) {
  const options = {
    socketPath: TOLLGATE.slice('unix:'.length),
    path: '/auth/v1/verify',
    method: 'POST',
    headers: { ...HEADERS, 'Content-Length': Buffer.byteLength(body) },
    agent,
    signal: AbortSignal.timeout(PATIENCE),
  }
  return new Promise((resolve, reject) => {
    http
      .request(options, (reply) => text(reply).then((body) => resolve({ status: reply.statusCode, body }), reject))
      .on('error', reject)
      .end(body)
  })
}

const post = TOLLGATE.startsWith('unix:') ? overUnix : overTcp

// The deadline of a whole ask. fetch forgets its signal, once it has the head of an answer and garbage is collected.
function inTime(answer) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new DOMException('', 'TimeoutError')), PATIENCE)
  })
  return Promise.race([answer, late]).finally(() => clearTimeout(timer))
}

// tollgate's verdict on a request: { valid, account, answer, … }.
async function ask(request) {
  try {
    const { status, body } = await inTime(post(JSON.stringify(request)))
    if (status !== 200) return closed(`status ${status}`)
    const verdict = JSON.parse(body)
    const refuses = verdict.answer.status >= 400 && verdict.answer.status <= 599
    return verdict.valid === true || refuses ? verdict : closed('a refusal that looks like a pass')
  } catch (error) {
    // Whatever it was. Its text is not logged: it may quote what was sent.
    const code = (error.cause ?? error).code
    return closed(typeof code === 'string' ? code : error.name)
  }
}

function closed(why) {
  console.error(`no verdict from tollgate: ${why}`)
  return CLOSED
}

// The bearer key. What cannot be read as one is asked as an empty key, which is `malformed`.
function credential(request) {
  const given = request.headersDistinct.authorization
  if (!given) return null
  const bearer = given.length === 1 && /^bearer +(.*)$/i.exec(given[0])
  return bearer ? bearer[1] : ''
}

// tollgate names no headers of the connection; the length is that of the bytes. A header's value is UTF-8 on the wire:
// node writes one byte a character there, as long as the body is no string.
function send(response, status, headers, body) {
  const bytes = Buffer.from(body)
  const written = Object.entries(headers).map(([name, value]) => [name, Buffer.from(value).toString('latin1')])
  response.writeHead(status, { ...Object.fromEntries(written), 'Content-Length': bytes.length }).end(bytes)
}

async function handle(request, response) {
  const { valid, account, answer } = await ask({
    key: credential(request),
    method: request.method,
    path: request.url, // as it came, with its query
    ip: request.socket.remoteAddress,
  })
  if (valid === true) {
    const headers = { 'Content-Type': 'application/json', ...answer.headers }
    send(response, 200, headers, JSON.stringify({ account: account?.id ?? null }))
  } else {
    send(response, answer.status, answer.headers, answer.body)
  }
}

const server = http.createServer((request, response) => handle(request, response).catch(() => response.destroy()))
server.listen(Number(PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
