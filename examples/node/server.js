// A small Node.js service that memwatch can watch. It serves, as any service can
// with two packages from npm,
//
//   /metrics            what prom-client measures by default
//   /debug/pprof/heap   the live heap by the function that allocated it
//
// and it leaks when told to: node server.js --leak, or POST /leak/trigger.
//
//   node server.js [--port 9464] [--rate 100] [--leak]
'use strict';

const http = require('node:http');
const { parseArgs } = require('node:util');
const v8 = require('node:v8');
const pprof = require('@datadog/pprof');
const prometheus = require('prom-client');
const { Shop } = require('./shop');

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '9464' },
    rate: { type: 'string', default: '100' }, // orders a second
    leak: { type: 'boolean', default: false },
  },
});

// V8 blames what an inlined function allocates on the function that it was
// inlined into: without this, the leak would be said to be the timer's.
v8.setFlagsFromString('--no-turbo-inlining');

// Started once, for as long as the process lives. V8 knows what is live only of
// what it sampled since the start: a handler that starts and stops the sampler
// at each request throws away the answer (see README.md).
pprof.heap.start(512 * 1024, 64);
prometheus.collectDefaultMetrics();

const shop = new Shop();
shop.leaking = options.leak;
const load = setInterval(() => {
  for (let i = 0; i < Number(options.rate) / 20; i++) shop.serveOrder();
}, 50);

const routes = {
  'GET /metrics': async (res) => {
    res.setHeader('Content-Type', prometheus.register.contentType);
    res.end(await prometheus.register.metrics());
  },
  'GET /debug/pprof/heap': async (res) => {
    const profile = await pprof.encode(pprof.heap.profile());
    res.setHeader('Content-Type', 'application/octet-stream');
    res.end(profile);
  },
  'POST /leak/trigger': (res) => {
    shop.leaking = true;
    res.end('leaking\n');
  },
  'POST /leak/clear': (res) => {
    shop.leaking = false;
    shop.forget();
    res.end('clear\n');
  },
};

const server = http.createServer(async (req, res) => {
  const path = req.url.split('?')[0];
  const route = routes[`${req.method} ${path}`];
  if (!route) {
    res.writeHead(404).end('not found\n');
    return;
  }
  try {
    await route(res);
  } catch (err) {
    console.error(`${req.method} ${path}:`, err);
    res.writeHead(500).end('failed\n');
  }
});

server.listen(Number(options.port), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    clearInterval(load);
    pprof.heap.stop();
    server.close();
    server.closeAllConnections();
  });
}
