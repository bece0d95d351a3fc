// What has come in since the last frame. Bounded: of readings only the newest of
// an instance stays (with the newest verdict), and when too many other events
// wait, all are given up for a new snapshot.
import type { AlertEvent, LiveEvent, MetricsUpdate, ProfileSaved, ServiceUpdate } from '../api/types.ts';

type Other = AlertEvent | ServiceUpdate | ProfileSaved;

export interface Batch {
  events: (MetricsUpdate | Other)[];
  /** Events were given up: only a snapshot can tell the state now. */
  overflowed: boolean;
}

export const mostWaiting = 2_000;

export class Inbox {
  private readings = new Map<string, MetricsUpdate>();
  private others: Other[] = [];
  private overflowed = false;

  get empty(): boolean {
    return this.readings.size === 0 && this.others.length === 0 && !this.overflowed;
  }

  put(event: Exclude<LiveEvent, { type: 'hello' }>): void {
    if (event.type === 'metricsUpdate') this.putReading(event);
    else if (this.others.length < mostWaiting) this.others.push(event);
    else this.overflowed = true;
  }

  private putReading(event: MetricsUpdate): void {
    const key = `${event.service}\n${event.instance ?? ''}`;
    const before = this.readings.get(key);
    if (before && !event.verdict && before.verdict) event = { ...event, verdict: before.verdict };
    this.readings.set(key, event);
  }

  /** Everything in the order of its sequence numbers; the inbox is empty afterwards. */
  take(): Batch {
    const events = [...this.readings.values(), ...this.others].sort((a, b) => a.seq - b.seq);
    const batch = { events, overflowed: this.overflowed };
    this.clear();
    return batch;
  }

  clear(): void {
    this.readings = new Map();
    this.others = [];
    this.overflowed = false;
  }
}
