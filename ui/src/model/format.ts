// Numbers and times as people say them. Sizes are binary (MiB); every function
// is pure, so that "now" is always an argument.

const KiB = 1024;
export const MiB = KiB * KiB;
const GiB = KiB * MiB;

/** Three significant digits: 7.25, 72.5, 725. */
function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 100 || size === 0) return Math.round(value).toLocaleString('en-US');
  const places = size >= 10 ? 1 : 2;
  return String(Number(value.toFixed(places)));
}

/** "512 MiB"; the unit follows the size. */
export function bytes(value: number): string {
  const size = Math.abs(value);
  if (size >= 1024 * GiB) return `${digits(value / GiB / 1024)} TiB`;
  if (size >= GiB) return `${digits(value / GiB)} GiB`;
  if (size >= MiB) return `${digits(value / MiB)} MiB`;
  if (size >= KiB) return `${digits(value / KiB)} KiB`;
  return `${Math.round(value)} B`;
}

/** "+42 MiB", with a real minus sign when it shrank. */
export function signedBytes(value: number): string {
  return signed(value, bytes);
}

export function signed(value: number, format: (v: number) => string): string {
  const text = format(Math.abs(value));
  if (value === 0) return text;
  return value > 0 ? `+${text}` : `−${text}`;
}

/** Bytes per second as a rate per hour, the unit in which leaks are felt: "42 MiB/h". */
export function growth(bytesPerSecond: number): string {
  return `${signedBytes(bytesPerSecond * 3600)}/h`;
}

/** "38–46 MiB/h": both ends in the unit of the larger one. */
export function growthRange(low: number, high: number): string {
  const [unit, size] = unitFor(Math.max(Math.abs(low), Math.abs(high)) * 3600);
  const end = (v: number) => (v < 0 ? '−' : '') + digits(Math.abs((v * 3600) / size));
  return `${end(low)} to ${end(high)} ${unit}/h`;
}

function unitFor(size: number): [string, number] {
  if (size >= GiB) return ['GiB', GiB];
  if (size >= MiB) return ['MiB', MiB];
  if (size >= KiB) return ['KiB', KiB];
  return ['B', 1];
}

/** A sentence whose numbers never part from their units at the end of a line. */
export function together(text: string): string {
  return text.replaceAll(/(\d) (?=(?:[KMGT]i)?B\b|s\b|min\b|h\b|days\b|%)/g, '$1\u00a0');
}

/** A count with its thousands separated; large ones shortened: "12,480", "3.2 M". */
export function count(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e9) return `${digits(value / 1e9)} G`;
  if (size >= 1e6) return `${digits(value / 1e6)} M`;
  if (size < 10 && !Number.isInteger(value)) return String(Number(value.toFixed(2)));
  return Math.round(value).toLocaleString('en-US');
}

/** "1 service", "3 services". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function percent(share: number): string {
  const p = share * 100;
  if (p > 0 && p < 1) return '< 1 %';
  return `${Math.round(p)} %`;
}

/** Seconds as the largest unit that says enough: "45 s", "12 min", "9 h", "3 days". */
export function duration(seconds: number): string {
  const s = Math.abs(seconds);
  if (s < 90) return `${Math.round(s)} s`;
  const minutes = s / 60;
  if (minutes < 90) return `${Math.round(minutes)} min`;
  const hours = minutes / 60;
  if (hours < 3) return `${Number(hours.toFixed(1))} h`;
  if (hours < 48) return `${Math.round(hours)} h`;
  const days = hours / 24;
  if (days < 14) return `${Math.round(days)} days`;
  if (days < 60) return `${Math.round(days / 7)} weeks`;
  if (days < 730) return `${Math.round(days / 30.4)} months`;
  return `${Math.round(days / 365)} years`;
}

/** A very short span for axes and waits: "250 µs", "3.2 ms", "4 s". */
export function shortSeconds(seconds: number): string {
  const s = Math.abs(seconds);
  if (s === 0) return '0';
  if (s < 1e-3) return `${digits(seconds * 1e6)} µs`;
  if (s < 1) return `${digits(seconds * 1e3)} ms`;
  return duration(seconds);
}

/** "7 to 12 h" where both ends share a unit, else "50 min to 3 h"; an open end is "or never". */
export function durationRange(low: number | null, high: number | null): string {
  if (low === null && high === null) return '';
  if (low === null) return `up to ${duration(high ?? 0)}`;
  if (high === null) return `${duration(low)} or later`;
  const [a, b] = [duration(low), duration(high)];
  if (a === b) return a;
  const [aNumber, aUnit] = a.split(' ');
  const [, bUnit] = b.split(' ');
  return aUnit === bUnit ? `${aNumber} to ${b}` : `${a} to ${b}`;
}

/** How long ago: "just now", "40 s ago", "3 h ago". */
export function ago(then: number, now: number): string {
  const seconds = (now - then) / 1000;
  return seconds < 5 ? 'just now' : `${duration(seconds)} ago`;
}

const clockFormat = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const dayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const exactFormat = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'long' });

/** A point in time: the clock when it is today, else the day as well. Local zone. */
export function clock(time: number, now: number): string {
  const sameDay = new Date(time).toDateString() === new Date(now).toDateString();
  return (sameDay ? clockFormat : dayFormat).format(time);
}

/** The whole truth about a point in time, for hovering: date, seconds and zone. */
export function exact(time: number): string {
  return exactFormat.format(time);
}

/** Where a function's package begins behind its path; slashes of type arguments do not count. */
export function afterPath(name: string): number {
  const bracket = name.indexOf('[');
  return name.lastIndexOf('/', bracket < 0 ? name.length : bracket) + 1;
}

/** "pkg.(*T).Method" of a function's full import path. */
export function shortFunction(name: string): string {
  return name.slice(afterPath(name));
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** "store.go:88", "" when the file is not known. */
export function place(file: string | undefined, line: number | undefined): string {
  if (!file) return '';
  return line ? `${baseName(file)}:${line}` : baseName(file);
}
