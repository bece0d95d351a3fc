'use strict';

// Shop takes orders. A healthy one keeps the newest few hundred receipts; one
// that leaks also keeps every customer's session for good.
class Shop {
  constructor() {
    this.leaking = false;
    this.receipts = [];
    this.sessions = new Map();
    this.orders = 0;
  }

  // serveOrder makes honest garbage, a bounded cache, and perhaps the leak.
  serveOrder() {
    const id = ++this.orders;
    const lines = Array.from({ length: 20 }, (_, i) => ({ article: `article-${i}`, price: i * id }));
    this.printReceipt(id, lines);
    if (this.leaking) this.rememberSession(id, lines);
  }

  printReceipt(id, lines) {
    this.receipts.push(`order ${id}: ${lines.reduce((sum, line) => sum + line.price, 0)}`);
    if (this.receipts.length > 500) this.receipts.splice(0, 100);
  }

  // rememberSession is the leak: nothing ever takes a session out again.
  rememberSession(id, lines) {
    const visited = [];
    for (const line of lines) visited.push({ ...line, seen: new Array(100).fill(id) });
    this.sessions.set(`session-${id}`, { id, visited });
  }

  forget() {
    this.sessions.clear();
  }
}

module.exports = { Shop };
