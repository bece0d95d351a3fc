// A pretend hub for work on the dashboard: believable data over the same REST
// paths and WebSocket as the real one, and the built page itself.
//   node dev/mock.mjs [--port 4000] [--scene fleet|empty|calm|large] [--delay ms]
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { world } from './world.mjs';

const args = Object.fromEntries(process.argv.slice(2).join(' ').split('--').filter(Boolean).map((a) => a.trim().split(/[ =]/)));
const scene = args.scene ?? 'fleet';
const port = Number(args.port ?? 4000);
const dist = path.join(path.dirname(fileURLToPath(import.meta.url)), '../dist');
const hub = world(scene);

const json = (res, body, status = 200) => {
  res.writeHead(status, { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' });
  res.end(JSON.stringify(body));
};

const routes = [
  [/^\/api\/services$/, () => hub.services()],
  [/^\/api\/services\/([^/]+)$/, (_, name) => hub.services().find((s) => s.name === name)],
  [/^\/api\/services\/([^/]+)\/metrics$/, (q, name) => hub.metrics(name, q)],
  [/^\/api\/alerts$/, () => ({ alerts: hub.alerts(), total: hub.alerts().length })],
  [/^\/api\/alerts\/([^/]+)$/, (_, id) => hub.alerts().find((a) => a.id === id)],
  [/^\/api\/profiles$/, (q) => hub.profiles(q)],
  [/^\/api\/profiles\/([^/]+)\/flamegraph$/, (q, id) => hub.flamegraph(id, q.get('base'))],
  [/^\/api\/stats$/, () => hub.stats()],
  [/^\/api\/agents$/, () => hub.agents()],
];

// The policy that the hub sends, so that a violation shows here first.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

async function serveFile(pathname, res) {
  const name = path.extname(pathname) ? pathname : '/index.html';
  try {
    const body = await readFile(path.join(dist, path.normalize(name)));
    res.writeHead(200, { 'Content-Type': types[path.extname(name)] ?? 'application/octet-stream', 'Content-Security-Policy': policy });
    res.end(body);
  } catch {
    res.writeHead(404).end();
  }
}

const server = createServer(async (req, res) => {
  const url = new URL(req.url, 'http://localhost');
  for (const [pattern, answer] of routes) {
    const found = url.pathname.match(pattern);
    if (!found) continue;
    if (args.delay) await new Promise((resolve) => setTimeout(resolve, Number(args.delay)));
    const body = answer(url.searchParams, ...found.slice(1).map(decodeURIComponent));
    return body ? json(res, body) : json(res, { type: 'about:blank', title: 'Not found', status: 404, detail: `nothing is known at ${url.pathname}` }, 404);
  }
  return serveFile(url.pathname, res);
});

const sockets = new WebSocketServer({ server, path: '/ws' });
sockets.on('connection', (socket) => socket.send(JSON.stringify({ type: 'hello', seq: hub.seq(), version: '0.1.0-mock', epoch: 'mock' })));
setInterval(() => {
  const events = hub.tick();
  if (events.length === 0) return;
  const frame = JSON.stringify(events.length === 1 ? events[0] : events);
  for (const socket of sockets.clients) if (socket.readyState === 1) socket.send(frame);
}, 1000);

server.listen(port, '127.0.0.1', () => console.log(`mock hub (${scene}): http://127.0.0.1:${server.address().port}`));
