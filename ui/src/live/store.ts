// The fleet as the page knows it: a snapshot over REST, then events over the
// socket. socket → inbox → frame → subscribers; at most four frames a second.
import { hub, HubError } from '../api/client.ts';
import type { Hello, LiveEvent, MetricsUpdate, ProfileSaved } from '../api/types.ts';
import { Inbox } from './inbox.ts';
import { emptyFleet, reduce, type FleetState } from './reduce.ts';
import { LiveSocket, socketURL } from './socket.ts';

export type Connection =
  | { state: 'connecting' }
  | { state: 'live' }
  /** `since`: when it was lost; `nextTry`: when it is tried again (Unix ms). */
  | { state: 'lost'; since: number; nextTry: number };

export interface LiveState extends FleetState {
  connection: Connection;
  /** A first snapshot is there. */
  loaded: boolean;
  /** Why there is none. */
  error: string | null;
  /** The hub wants a person to sign in first. */
  signIn: boolean;
  version: string;
  /** Rises with every saved profile and every changed alert: a reason to read lists again. */
  profilesSaved: number;
}

type Listener = () => void;
type Hear = (event: MetricsUpdate | ProfileSaved) => void;

const frameMs = 250;
const newestAlerts = 500;
/** As many as the hub gives at once: one that fires must not be pushed out by newer ones that do not. */
const firingAlerts = 1_000;
const refetchMs = 1_500;

export class LiveStore {
  private state: LiveState = { ...emptyFleet, connection: { state: 'connecting' }, loaded: false, error: null, signIn: false, version: '', profilesSaved: 0 };
  private readonly listeners = new Set<Listener>();
  private readonly hearers = new Set<Hear>();
  private readonly inbox = new Inbox();
  private readonly socket: LiveSocket;
  /** Under way: events wait in the inbox until it is there. */
  private snapshot: AbortController | undefined;
  /** Events up to this are known already: part of the snapshot, or received. */
  private seenSeq = 0;
  /** The run of the hub that seenSeq is of; none while what is shown may miss something. */
  private epoch: string | undefined;
  private frameTimer: ReturnType<typeof setTimeout> | undefined;
  private refetchTimer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.socket = new LiveSocket(() => socketURL(this.epoch === undefined ? undefined : { epoch: this.epoch, seq: this.seenSeq }), {
      received: (events) => events.forEach((event) => this.receive(event)),
      lost: (nextTry) => this.lost(nextTry),
    });
  }

  start(): void {
    this.socket.start();
  }

  stop(): void {
    this.socket.stop();
    this.dropSnapshot();
    clearTimeout(this.frameTimer);
    clearTimeout(this.refetchTimer);
  }

  readonly subscribe = (listener: Listener): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly get = (): LiveState => this.state;

  /** Every reading and saved profile as it comes in, uncoalesced. */
  readonly hear = (hearer: Hear): (() => void) => {
    this.hearers.add(hearer);
    return () => this.hearers.delete(hearer);
  };

  readonly retryNow = (): void => this.socket.retryNow();

  private receive(event: LiveEvent): void {
    if (event.type === 'hello') {
      this.greeted(event);
      return;
    }
    if (event.seq <= this.seenSeq) return;
    this.seenSeq = event.seq;
    this.inbox.put(event);
    if (event.type === 'metricsUpdate' || event.type === 'profileSaved') this.hearers.forEach((hear) => hear(event));
    this.schedule();
  }

  /** Nothing was missed: what waits and what comes now is the whole difference. Else all is asked for anew. */
  private greeted(hello: Hello): void {
    this.seenSeq = hello.seq;
    if (hello.resumed && this.epoch === hello.epoch) {
      this.set({ version: hello.version, connection: { state: 'live' } });
      this.socket.settled();
      this.schedule();
      return;
    }
    this.inbox.clear();
    this.epoch = undefined;
    this.set({ version: hello.version });
    void this.takeSnapshot(true, hello.epoch);
  }

  private lost(nextTry: number): void {
    if (this.snapshot) this.epoch = undefined; // what it was asked for is still not known
    this.dropSnapshot();
    const before = this.state.connection;
    this.set({ connection: { state: 'lost', since: before.state === 'lost' ? before.since : Date.now(), nextTry } });
    // Says why there is nothing to show, or shows what REST gives where only the socket fails.
    if (!this.state.loaded) void this.takeSnapshot(false);
  }

  private dropSnapshot(): void {
    this.snapshot?.abort();
    this.snapshot = undefined;
  }

  /** `epoch`: of the connection that events come by, when the snapshot makes the page whole. */
  private async takeSnapshot(connected: boolean, epoch = this.epoch): Promise<void> {
    this.dropSnapshot();
    clearTimeout(this.refetchTimer); // this is the answer to it
    this.refetchTimer = undefined;
    const abort = new AbortController();
    this.snapshot = abort;
    try {
      const [services, firing, newest] = await Promise.all([
        hub.services(abort.signal),
        hub.alerts({ state: 'firing', limit: firingAlerts }, abort.signal),
        hub.alerts({ limit: newestAlerts }, abort.signal),
      ]);
      if (abort.signal.aborted) return;
      this.snapshot = undefined;
      this.epoch = epoch;
      this.set({
        services: new Map(services.map((s) => [s.name, s])),
        alerts: new Map([...(firing.alerts ?? []), ...(newest.alerts ?? [])].map((a) => [a.id, a])),
        loaded: true,
        error: null,
        signIn: false,
        ...(connected ? { connection: { state: 'live' } as const } : {}),
      });
      if (connected) this.socket.settled();
      this.schedule();
    } catch (error) {
      if (abort.signal.aborted) return;
      this.dropSnapshot(); // of its requests, others may be under way
      this.set({ error: error instanceof Error ? error.message : String(error), signIn: error instanceof HubError && error.status === 401 });
      if (!connected) return;
      this.epoch = undefined; // what it was asked for is still not known
      this.socket.restart();
    }
  }

  private schedule(): void {
    // Timers run in hidden tabs too (slowly), so that the title stays true there.
    this.frameTimer ??= setTimeout(() => {
      this.frameTimer = undefined;
      if (document.hidden) this.flush();
      else requestAnimationFrame(() => this.flush());
    }, frameMs);
  }

  private flush(): void {
    if (this.inbox.empty || !this.state.loaded || this.snapshot) return;
    const { events, overflowed } = this.inbox.take();
    if (overflowed) {
      void this.takeSnapshot(true);
      return;
    }
    const { state, refetch } = reduce(this.state, events);
    const saved = events.filter((e) => e.type === 'profileSaved').length;
    this.set({ ...state, profilesSaved: this.state.profilesSaved + saved });
    if (refetch) this.refetchSoon();
  }

  private refetchSoon(): void {
    this.refetchTimer ??= setTimeout(() => {
      this.refetchTimer = undefined;
      if (this.state.connection.state === 'live') void this.takeSnapshot(true);
      else this.epoch = undefined;
    }, refetchMs);
  }

  private set(change: Partial<LiveState>): void {
    this.state = { ...this.state, ...change };
    this.listeners.forEach((listener) => listener());
  }
}
