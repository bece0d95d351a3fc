// The health of notification channels, as the alerts' deliveries tell it. Pure.
import type { Alert } from '../api/types.ts';

export interface Channel {
  name: string;
  delivered: number;
  /** To be told yet: held back or tried again. */
  waiting: number;
  failed: number;
  /** Unix ms of the newest delivery or try. */
  last: number | null;
  /** Why the newest that failed or waits does so. */
  reason: string;
}

export function channelsOf(alerts: readonly Alert[]): Channel[] {
  const channels = new Map<string, Channel>();
  const deliveries = alerts.flatMap((a) => a.deliveries ?? []).sort((a, b) => (a.timestamp ?? 0) - (b.timestamp ?? 0));
  for (const d of deliveries) {
    const channel = channels.get(d.channel) ?? { name: d.channel, delivered: 0, waiting: 0, failed: 0, last: null, reason: '' };
    channels.set(d.channel, channel);
    if (d.state === 'delivered') channel.delivered++;
    else if (d.state === 'failed') channel.failed++;
    else channel.waiting++;
    if (d.state !== 'delivered') channel.reason = d.reason ?? '';
    channel.last = d.timestamp ?? channel.last;
  }
  return [...channels.values()].sort((a, b) => b.failed - a.failed || b.waiting - a.waiting || a.name.localeCompare(b.name));
}
