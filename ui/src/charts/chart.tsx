// One chart: its message in words, the lines, the values under the cursor, and
// the same numbers as a table.
import { useEffect, useId, useMemo, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import './chart.css';
import { useThemeRevision } from '../components/theme.ts';
import { clock, together } from '../model/format.ts';
import { downsample, type Column, type Point } from '../model/readings.ts';
import type { Mark } from '../model/marks.ts';
import { lookAhead, type Overlay } from '../model/trend.ts';
import { chartOptions, type Series } from './options.ts';

export interface Line extends Series {
  column: Column;
  /** What the legend and the table say where it is not what is drawn (a part of a stack). */
  shown?: Column;
}

interface ChartProps {
  title: string;
  /** What it shows, in one sentence. */
  message: string;
  lines: Line[];
  format: (value: number) => string;
  binary?: boolean;
  marks: readonly Mark[];
  overlays?: readonly Overlay[];
  /** Unix ms. */
  from: number;
  to: number;
  onZoom: (fromMs: number, toMs: number) => void;
}

const none: readonly Overlay[] = [];

export function Chart({ title, message, lines, format, binary = false, marks, overlays = none, from, to, onZoom }: ChartProps) {
  const id = useId();
  const present = lines.filter((line) => line.column.values.some((v) => v !== null));
  const data = useMemo(() => joined(present.map((l) => l.column)), [lines]);
  const [cursor, setCursor] = useState<number | null>(null);
  return (
    <section className="card chart" aria-labelledby={id}>
      <header>
        <h3 id={id}>{title}</h3>
        <p className="muted small">{together(message)}</p>
      </header>
      <Plot {...{ lines: present, data, format, binary, marks, overlays, from, to, onZoom, setCursor }} label={`${title}: ${message}`} />
      <Legend lines={present} data={data} cursor={cursor} format={format} />
      <Table title={title} lines={present} format={format} />
    </section>
  );
}

function joined(columns: Column[]): uPlot.AlignedData {
  if (columns.length === 0) return [[]];
  return columns.length === 1
    ? [columns[0]?.times ?? [], columns[0]?.values ?? []]
    : uPlot.join(columns.map((c) => [c.times, c.values] as uPlot.AlignedData));
}

interface PlotProps extends Omit<ChartProps, 'title' | 'message' | 'binary' | 'overlays'> {
  binary: boolean;
  overlays: readonly Overlay[];
  data: uPlot.AlignedData;
  label: string;
  setCursor: (index: number | null) => void;
}

const height = 190;

function Plot(props: PlotProps) {
  const { lines, data, label, from, to, marks, overlays } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const look = lines.map((l) => `${l.label}|${l.color}|${l.width ?? ''}|${l.dash ?? ''}|${l.fill ?? ''}`).join(';');
  const theme = useThemeRevision();

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const options = chartOptions(
      {
        series: latest.current.lines,
        format: latest.current.format,
        binary: latest.current.binary,
        syncKey: 'service',
        onZoom: (a, b) => latest.current.onZoom(a, b),
        onCursor: (index) => latest.current.setCursor(index),
        marks: () => latest.current.marks,
        overlays: () => latest.current.overlays,
        range: () => {
          const { from, to, overlays } = latest.current;
          return [from / 1000, to / 1000 + Math.max(0, ...overlays.map((o) => lookAhead(o, (to - from) / 1000)))];
        },
      },
      element.clientWidth,
      height,
    );
    const u = new uPlot(options, latest.current.data, element);
    plot.current = u;
    const resize = new ResizeObserver(() => u.setSize({ width: element.clientWidth, height }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      plot.current = null;
      u.destroy();
    };
  }, [look, theme]);

  useEffect(() => {
    plot.current?.setData(data);
  }, [data, from, to, marks, overlays]);

  return <div className="plot" ref={box} role="img" aria-label={label} />;
}

interface LegendProps {
  lines: Line[];
  data: uPlot.AlignedData;
  cursor: number | null;
  format: (value: number) => string;
}

function Legend({ lines, data, cursor, format }: LegendProps) {
  const time = cursor === null ? undefined : data[0]?.[cursor];
  return (
    <ul className="legend">
      {lines.map((line, i) => {
        const value = cursor === null ? lastOf((line.shown ?? line.column).values) : nearest(line.shown?.values ?? (data[i + 1] as Point[] | undefined), cursor);
        return (
          <li key={line.label}>
            <span className="swatch" style={{ background: line.dash ? `repeating-linear-gradient(90deg, var(${line.color}) 0 4px, transparent 4px 6px)` : `var(${line.color})` }} />
            <span className="muted">{line.label}</span> <b>{value == null ? '–' : format(value)}</b>
          </li>
        );
      })}
      <li className="legend-time muted">{time === undefined ? '' : clockSeconds(time)}</li>
    </ul>
  );
}

const withSeconds = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const clockSeconds = (seconds: number) => withSeconds.format(seconds * 1000);

function lastOf(values: readonly Point[]): Point {
  return values.findLast((v) => v !== null) ?? null;
}

/** Instances are read at different moments: the last value at or before the cursor counts. */
function nearest(values: readonly (Point | undefined)[] | undefined, index: number): Point {
  for (let i = index; values && i >= Math.max(0, index - 12); i--) {
    const value = values[i];
    if (value != null) return value;
  }
  return null;
}

const tableRows = 30;

function Table({ title, lines, format }: { title: string; lines: Line[]; format: (value: number) => string }) {
  const [open, setOpen] = useState(false);
  return (
    <details className="chart-table" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Data table</summary>
      {open && (
        <div className="scroll-x" tabIndex={0} role="region" aria-label={`${title}: data`}>
          <table className="data">
            <thead><tr><th scope="col">Line</th><th scope="col">Time</th><th scope="col" className="num">Value</th></tr></thead>
            <tbody>{lines.flatMap((line) => rows(line, format))}</tbody>
          </table>
        </div>
      )}
    </details>
  );
}

function rows(line: Line, format: (value: number) => string) {
  const now = Date.now();
  const { times, values } = downsample(line.shown ?? line.column, tableRows);
  return times.map((time, i) => {
    const value = values[i];
    return <tr key={`${line.label} ${time}`}><td>{line.label}</td><td>{clock(time * 1000, now)}</td><td className="num">{value == null ? '–' : format(value)}</td></tr>;
  });
}
