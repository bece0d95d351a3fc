// The connection to the hub's /ws: frames in, nothing kept. It comes back by
// itself, waiting longer after every failure.
import type { LiveEvent } from '../api/types.ts';

export interface SocketEvents {
  /** Every frame's events, oldest first. */
  received(events: LiveEvent[]): void;
  /** The connection is gone; the next try comes at this time (Unix ms). */
  lost(nextTry: number): void;
}

const firstWaitMs = 500;
const longestWaitMs = 15_000;

/** How long to wait before a try, the n-th failure being 1; half of it by chance, so that browsers do not come all at once. */
export function backoff(failures: number, random: number): number {
  const full = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(failures - 1, 10));
  return full / 2 + (full / 2) * random;
}

export class LiveSocket {
  private socket: WebSocket | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  private stopped = true;

  constructor(
    /** Asked before every try. */
    private readonly url: () => string,
    private readonly events: SocketEvents,
  ) {}

  start(): void {
    this.stopped = false;
    addEventListener('online', this.retryNow);
    this.open();
  }

  stop(): void {
    this.stopped = true;
    removeEventListener('online', this.retryNow);
    clearTimeout(this.timer);
    this.drop();
  }

  /** Does not wait for the rest of the backoff. */
  readonly retryNow = (): void => {
    if (this.stopped || this.socket) return;
    clearTimeout(this.timer);
    this.open();
  };

  /** Gives the connection up and starts anew after the backoff. */
  restart(): void {
    if (this.stopped) return;
    this.drop();
    this.fail();
  }

  /** Whoever uses the events says when a connection has proven good. */
  settled(): void {
    this.failures = 0;
  }

  private open(): void {
    const socket = new WebSocket(this.url());
    this.socket = socket;
    socket.onmessage = (message) => {
      const events = parseFrame(message.data);
      if (events) this.events.received(events);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = undefined;
      if (!this.stopped) this.fail();
    };
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
  }

  private fail(): void {
    this.failures++;
    const wait = backoff(this.failures, Math.random());
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), wait);
    this.events.lost(Date.now() + wait);
  }
}

/** One event, or an array of them; undefined for what is neither. */
export function parseFrame(data: unknown): LiveEvent[] | undefined {
  if (typeof data !== 'string') return undefined;
  try {
    const parsed: unknown = JSON.parse(data);
    const list: unknown[] = Array.isArray(parsed) ? parsed : [parsed];
    return list.filter((e): e is LiveEvent => typeof e === 'object' && e !== null && 'type' in e);
  } catch {
    return undefined;
  }
}

/** How far the page has come in the events of one run of a hub. */
export interface Place {
  epoch: string;
  seq: number;
}

/** With a place, the hub goes on after it where it still can. */
export function socketURL(place: Place | undefined): string {
  const url = new URL(place ? `/ws?epoch=${encodeURIComponent(place.epoch)}&since=${place.seq}` : '/ws', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}
