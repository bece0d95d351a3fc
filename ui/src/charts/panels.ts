// Which charts a service has, and what each says. Pure: readings in, lines and
// words out.
import { bytes, count, duration, shortSeconds } from '../model/format.ts';
import { describe, downsample, level, perUnit, rate, withGaps, type Column, type Reading } from '../model/readings.ts';
import type { Signal } from '../api/types.ts';
import type { Line } from './chart.tsx';
import type { Series } from './options.ts';

export interface Panel {
  title: string;
  message: string;
  lines: Line[];
  format: (value: number) => string;
  binary?: boolean;
}

interface Part extends Series {
  of: (readings: readonly Reading[]) => Column;
}

interface PanelSpec {
  title: string;
  /** Drawn for every instance, and what the words are about. */
  main: Part;
  /** Drawn besides when one instance is looked at. */
  parts: Part[];
  /** The same for all instances: drawn once. */
  common?: Part;
  format: (value: number) => string;
  binary?: boolean;
}

const levelOf = (signal: Signal) => (readings: readonly Reading[]) => level(readings, signal);
const perMinute = (column: Column): Column => ({ ...column, values: column.values.map((v) => (v === null ? null : v * 60)) });

/** Live heap where the runtime tells it; else what is allocated, as the original agent had it. */
function liveHeap(readings: readonly Reading[]): Column {
  const live = level(readings, 'liveHeapBytes');
  return live.values.some((v) => v !== null) ? live : level(readings, 'heapAllocBytes');
}

const specs: PanelSpec[] = [
  {
    title: 'Heap',
    main: { label: 'Live heap', color: '--series-1', width: 2.25, fill: true, of: liveHeap },
    parts: [
      { label: 'HeapAlloc', color: '--series-2', width: 1.1, of: levelOf('heapAllocBytes') },
      { label: 'HeapInuse', color: '--series-3', width: 1.1, of: levelOf('heapInuseBytes') },
    ],
    format: bytes,
    binary: true,
  },
  {
    title: 'Process memory',
    main: { label: 'RSS', color: '--series-1', width: 2.25, of: levelOf('rssBytes') },
    parts: [{ label: 'Sys', color: '--series-3', width: 1.1, of: levelOf('sysBytes') }],
    common: { label: 'Limit', color: '--limit', dash: [6, 4], of: levelOf('limitBytes') },
    format: bytes,
    binary: true,
  },
  { title: 'Goroutines', main: { label: 'Goroutines', color: '--series-1', of: levelOf('goroutines') }, parts: [], format: count },
  {
    title: 'Allocation rate',
    main: { label: 'Allocated', color: '--series-1', of: (r) => rate(r, 'totalAllocBytes', 15) },
    parts: [],
    format: (v) => `${bytes(v)}/s`,
    binary: true,
  },
  {
    title: 'GC cycles',
    main: { label: 'Cycles', color: '--series-1', of: (r) => perMinute(rate(r, 'numGC', 180)) },
    parts: [],
    format: (v) => `${count(v)}/min`,
  },
  {
    title: 'GC pause',
    main: { label: 'Mean pause of a cycle', color: '--series-1', of: (r) => perUnit(r, 'pauseTotalSeconds', 'numGC', 60) },
    parts: [],
    format: shortSeconds,
  },
];

const mostPoints = 600;

/** `instances`: those to draw, worst first. */
export function panels(readings: ReadonlyMap<string, readonly Reading[]>, instances: readonly string[]): Panel[] {
  return specs.map((spec) => panel(spec, readings, instances));
}

function panel(spec: PanelSpec, readings: ReadonlyMap<string, readonly Reading[]>, instances: readonly string[]): Panel {
  const of = (part: Part, instance: string) => downsample(withGaps(part.of(readings.get(instance) ?? [])), mostPoints);
  const first = instances[0] ?? '';
  const main = of(spec.main, first);
  const lines: Line[] =
    instances.length === 1
      ? [spec.main, ...spec.parts].map((part) => ({ ...part, column: of(part, first) }))
      : instances.map((name, i) => ({ ...spec.main, fill: false, width: i ? 1.4 : 2.25, label: name, color: `--series-${(i % 8) + 1}`, column: of(spec.main, name) }));
  if (spec.common) lines.push({ ...spec.common, column: of(spec.common, first) });
  const about = instances.length === 1 ? spec.main.label : `${spec.main.label} of ${first}`;
  const message = `${about}: ${describe(main, spec.format, duration)}.`;
  return { title: spec.title, message, lines, format: spec.format, ...(spec.binary ? { binary: true } : {}) };
}
