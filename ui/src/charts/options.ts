// How a chart looks and behaves, as uPlot wants it said.
import uPlot from 'uplot';
import type { Mark } from '../model/marks.ts';
import type { Overlay, Spot } from '../model/trend.ts';
import { token } from './token.ts';

export interface Series {
  label: string;
  /** A colour token's name, such as --series-1. */
  color: string;
  width?: number;
  dash?: number[];
  /** The area below: a hint of the line's colour, or solid for what is stacked. */
  fill?: 'hint' | 'solid';
}

export interface ChartSpec {
  series: Series[];
  format: (value: number) => string;
  /** Values on the axis; bytes want powers of two. */
  binary: boolean;
  syncKey: string;
  onZoom: (fromMs: number, toMs: number) => void;
  onCursor: (index: number | null) => void;
  marks: () => readonly Mark[];
  overlays: () => readonly Overlay[];
  range: () => [number, number];
}

export function chartOptions(spec: ChartSpec, width: number, height: number): uPlot.Options {
  const axis = { stroke: token('--muted'), grid: { stroke: token('--grid'), width: 1 }, ticks: { show: false }, font: `11px ${token('--font')}` };
  return {
    width,
    height,
    legend: { show: false },
    padding: [20, 20, 0, 0],
    cursor: {
      sync: { key: spec.syncKey, setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: { size: 7 },
      y: false,
    },
    scales: { x: { time: true, range: () => spec.range() }, y: { range: (_, low, high) => yRange(low, Math.max(high ?? 0, ...spec.overlays().flatMap((o) => (o.end ? [o.line[1][1]] : [])))) } },
    axes: [
      { ...axis, space: 70, size: 28, values: timeLabels },
      { ...axis, size: 64, space: 34, values: (_, splits) => splits.map((v) => spec.format(v)), ...(spec.binary ? { incrs: binarySteps } : {}) },
    ],
    series: [{}, ...spec.series.map(toSeries)],
    hooks: {
      setSelect: [(u) => zoom(u, spec.onZoom)],
      setCursor: [(u) => spec.onCursor(u.cursor.idx ?? null)],
      draw: [
        (u) => drawOverlays(u, spec.overlays()),
        (u) => drawMarks(u, spec.marks()),
      ],
    },
  };
}

function toSeries(series: Series): uPlot.Series {
  const color = token(series.color);
  return {
    label: series.label,
    stroke: color,
    width: series.width ?? 1.75,
    points: { show: false },
    ...(series.dash ? { dash: series.dash } : {}),
    ...(series.fill ? { fill: series.fill === 'solid' ? `color-mix(in srgb, ${color} 42%, ${token('--surface')})` : `color-mix(in srgb, ${color} 12%, transparent)` } : {}),
  };
}

/** From zero, so that growth looks as large as it is, unless everything is far above. */
function yRange(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const top = high <= 0 ? 1 : high * 1.08;
  return [0, top];
}

const binarySteps = Array.from({ length: 50 }, (_, i) => 2 ** i);

const two = (n: number) => String(n).padStart(2, '0');
const days = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

/** "14:05", with seconds where they matter and the day where it changes. */
function timeLabels(_: uPlot, splits: number[], __: number, ___: number, step: number): string[] {
  let before = '';
  return splits.map((seconds) => {
    const date = new Date(seconds * 1000);
    const day = days.format(date);
    const hours = `${two(date.getHours())}:${two(date.getMinutes())}`;
    const text = step >= 86_400 || (before && day !== before) ? day : step < 60 ? `${hours}:${two(date.getSeconds())}` : hours;
    before = day;
    return text;
  });
}

function zoom(u: uPlot, onZoom: ChartSpec['onZoom']): void {
  if (u.select.width < 8) return;
  const [from, to] = [u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x')];
  u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  onZoom(Math.round(from * 1000), Math.round(to * 1000));
}

const markColor: Record<Mark['kind'], string> = { alert: '--leaking', capture: '--series-4', restart: '--muted', deploy: '--series-3' };

function drawOverlays(u: uPlot, overlays: readonly Overlay[]): void {
  const { ctx, bbox } = u;
  const unit = uPlot.pxRatio;
  const place = ([time, value]: Spot): [number, number] => [u.valToPos(time, 'x', true), u.valToPos(value, 'y', true)];
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top - 12 * unit, bbox.width, bbox.height + 12 * unit);
  ctx.clip();
  ctx.strokeStyle = ctx.fillStyle = token('--leaking');
  for (const { line, band, end } of overlays) {
    ctx.globalAlpha = 0.14;
    ctx.beginPath();
    band.forEach((spot) => ctx.lineTo(...place(spot)));
    ctx.fill();
    ctx.globalAlpha = 1;
    ctx.lineWidth = 1.5 * unit;
    ctx.setLineDash([6 * unit, 4 * unit]);
    ctx.beginPath();
    line.forEach((spot) => ctx.lineTo(...place(spot)));
    ctx.stroke();
    if (end) { // the limit itself, drawn on to where the line meets it
      const [[from], [, limit]] = [place(line[0]), place(line[1])];
      ctx.beginPath();
      ctx.moveTo(from, limit);
      ctx.lineTo(bbox.left + bbox.width, limit);
      ctx.stroke();
    }
    ctx.setLineDash([]);
    if (end) drawEnd(u, place(line[1]), end);
  }
  ctx.restore();
}

/** A dot where the line ends, with its words on the side that has room. */
function drawEnd(u: uPlot, [x, y]: [number, number], words: string): void {
  const { ctx, bbox } = u;
  const unit = uPlot.pxRatio;
  if (x > bbox.left + bbox.width) return;
  ctx.beginPath();
  ctx.arc(x, y, 4 * unit, 0, 2 * Math.PI);
  ctx.fill();
  ctx.font = `600 ${11 * unit}px ${token('--font')}`;
  ctx.textAlign = 'right';
  ctx.fillText(words, x - 8 * unit, y + 16 * unit);
}

/** A dashed line, and on top a shape that tells the kinds apart without colour. */
function drawMarks(u: uPlot, marks: readonly Mark[]): void {
  const { ctx, bbox } = u;
  const unit = uPlot.pxRatio;
  ctx.save();
  for (const mark of marks) {
    const x = Math.round(u.valToPos(mark.time / 1000, 'x', true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = token(markColor[mark.kind]);
    ctx.lineWidth = unit;
    ctx.setLineDash([3 * unit, 3 * unit]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.setLineDash([]);
    drawShape(ctx, mark.kind, x, bbox.top - (mark.kind === 'alert' ? 13 : 5) * unit, 4.5 * unit);
  }
  ctx.restore();
}

function drawShape(ctx: CanvasRenderingContext2D, kind: Mark['kind'], x: number, y: number, r: number): void {
  ctx.beginPath();
  if (kind === 'alert') {
    ctx.moveTo(x - r, y - r);
    ctx.lineTo(x + r, y - r);
    ctx.lineTo(x, y + r);
  } else if (kind === 'capture') {
    ctx.rect(x - r * 0.8, y - r * 0.8, r * 1.6, r * 1.6);
  } else if (kind === 'deploy') {
    ctx.moveTo(x, y - r);
    ctx.lineTo(x + r, y);
    ctx.lineTo(x, y + r);
    ctx.lineTo(x - r, y);
  } else {
    ctx.arc(x, y, r * 0.85, 0, 2 * Math.PI);
  }
  ctx.closePath();
  ctx.fill();
}
