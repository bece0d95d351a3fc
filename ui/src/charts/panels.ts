// Which charts a service has, and what each says. Pure: readings in, lines and
// words out.
import { bytes, count, duration, shortSeconds } from '../model/format.ts';
import { describe, downsample, level, perUnit, rate, withGaps, type Column, type Reading } from '../model/readings.ts';
import type { Signal } from '../api/types.ts';
import type { Line } from './chart.tsx';
import type { Series } from './options.ts';
import { memoryStack } from './stack.ts';

export interface Panel {
  key: string;
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
  key: string;
  title: string;
  /** Drawn for every instance, and what the words are about. */
  main: Part;
  /** Drawn besides when one instance is looked at. */
  parts: Part[];
  /** The same for all instances: drawn once. */
  common?: Part;
  /** The parts of the first instance's memory are drawn instead, on top of each other. */
  stacked?: boolean;
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
    key: 'process',
    title: 'Process memory',
    main: { label: 'RSS', color: '--series-1', width: 2.25, fill: 'hint', of: levelOf('rssBytes') },
    parts: [],
    common: { label: 'Limit', color: '--limit', dash: [6, 4], of: levelOf('limitBytes') },
    format: bytes,
    binary: true,
  },
  {
    key: 'heap',
    title: 'Heap',
    main: { label: 'Live heap', color: '--series-1', width: 2.25, fill: 'hint', of: liveHeap },
    parts: [
      { label: 'Allocated', color: '--series-2', width: 1.1, of: levelOf('heapAllocBytes') },
      { label: 'In use', color: '--series-3', width: 1.1, of: levelOf('heapInuseBytes') },
    ],
    format: bytes,
    binary: true,
  },
  { key: 'stack', title: 'Where the memory is', main: { label: 'Sys', color: '--series-1', of: levelOf('sysBytes') }, parts: [], stacked: true, format: bytes, binary: true },
  { key: 'goroutines', title: 'Goroutines', main: { label: 'Goroutines', color: '--series-1', of: levelOf('goroutines') }, parts: [], format: count },
  {
    key: 'allocation',
    title: 'Allocation rate',
    main: { label: 'Allocated', color: '--series-1', of: (r) => rate(r, 'totalAllocBytes', 15) },
    parts: [],
    format: (v) => `${bytes(v)}/s`,
    binary: true,
  },
  {
    key: 'cycles',
    title: 'GC cycles',
    main: { label: 'Cycles', color: '--series-1', of: (r) => perMinute(rate(r, 'numGC', 180)) },
    parts: [],
    format: (v) => `${count(v)}/min`,
  },
  {
    key: 'pause',
    title: 'GC pause',
    main: { label: 'Mean pause of a cycle', color: '--series-1', of: (r) => perUnit(r, 'pauseTotalSeconds', 'numGC', 60) },
    parts: [],
    format: shortSeconds,
  },
  { key: 'gccpu', title: 'GC share of the CPU', main: { label: 'Since the process began', color: '--series-1', of: levelOf('gcCPUFraction') }, parts: [], format: (v) => `${count(v * 100)} %` },
  { key: 'delay', title: 'Delay', main: { label: 'Scheduler, event loop or answer', color: '--series-1', of: levelOf('latencySeconds') }, parts: [], format: shortSeconds },
];

const mostPoints = 600;
const dashedFrom = 4;

/** `instances`: those to draw, worst first. What nothing reports has no panel: `missing` names it. */
export function panels(readings: ReadonlyMap<string, readonly Reading[]>, instances: readonly string[]): { panels: Panel[]; missing: string[] } {
  const all = specs.map((spec) => panel(spec, readings, instances));
  const hasValues = (p: Panel) => p.lines.some((line) => line.column.values.some((v) => v !== null));
  return { panels: all.filter(hasValues), missing: all.filter((p) => !hasValues(p)).map((p) => p.title) };
}

function panel(spec: PanelSpec, readings: ReadonlyMap<string, readonly Reading[]>, instances: readonly string[]): Panel {
  const of = (part: Part, instance: string) => downsample(withGaps(part.of(readings.get(instance) ?? [])), mostPoints);
  const first = instances[0] ?? '';
  const main = of(spec.main, first);
  const lines = spec.stacked ? memoryStack(readings.get(first) ?? []) : linesOf(spec, instances, of, main);
  if (spec.common && main.values.some((v) => v !== null)) lines.push({ ...spec.common, column: of(spec.common, first) });
  const about = instances.length === 1 ? spec.main.label : `${spec.main.label} of ${first}`;
  const message = spec.stacked ? stackWords(lines, first, instances.length > 1) : `${about}: ${describe(main, spec.format, duration)}.`;
  return { key: spec.key, title: spec.title, message, lines, format: spec.format, ...(spec.binary ? { binary: true } : {}) };
}

/** "316 MiB alive of 530 MiB that the runtime holds." */
function stackWords(lines: readonly Line[], instance: string, several: boolean): string {
  const last = (column: Column | undefined) => column?.values.findLast((v) => v !== null) ?? 0;
  const alive = last(lines.find((l) => l.label === 'Alive')?.column);
  return `${several ? `${instance}: ` : ''}${bytes(alive)} alive of ${bytes(last(lines[0]?.column))} that the runtime holds.`;
}

function linesOf(spec: PanelSpec, instances: readonly string[], of: (part: Part, instance: string) => Column, main: Column): Line[] {
  if (instances.length === 1) return [{ ...spec.main, column: main }, ...spec.parts.map((part) => ({ ...part, column: of(part, instances[0] ?? '') }))];
  return instances.map((name, i) => {
    const { fill: _, ...line } = spec.main;
    // Colours that are alike to some eyes differ in their dashes.
    return { ...line, width: i ? 1.4 : 2.25, label: name, color: `--series-${(i % 8) + 1}`, ...(i >= dashedFrom ? { dash: [7, 3] } : {}), column: i ? of(spec.main, name) : main };
  });
}
