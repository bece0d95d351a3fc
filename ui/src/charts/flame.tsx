// A flame graph on a canvas: callers above, callees below. Zoom by click or
// Enter, walk by arrows; what is selected is said to screen readers.
import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';
import './flame.css';
import { useThemeRevision } from '../components/theme.ts';
import { place, percent, shortFunction, signed } from '../model/format.ts';
import { ancestors, boxAt, change, packageOf, step, type Box, type Layout } from '../model/flame.ts';
import { token } from './token.ts';

interface FlameProps {
  layout: Layout;
  diff: boolean;
  found: ReadonlySet<number>;
  format: (value: number) => string;
  label: string;
  /** Asked to show a function between its callers and callees. */
  around: (name: string) => void;
}

/** What the colours of a diff mean. */
export const Key = () => <p className="key"><span><i className="grew" />grew</span><span><i className="same" />same</span><span><i className="shrank" />shrank</span></p>;

const rowHeight = 22;
const smallest = 0.7; // CSS pixels: narrower boxes cannot be seen

export function FlameGraph({ layout, diff, found, format, label, around }: FlameProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [zoomed, setZoomed] = useState(0);
  const [selected, setSelected] = useState(0);
  const [hover, setHover] = useState<{ index: number; x: number; y: number } | undefined>();
  const theme = useThemeRevision();
  const above = useMemo(() => ancestors(layout, zoomed), [layout, zoomed]);
  const shownIndex = hover?.index ?? selected;
  const shown = layout.boxes[shownIndex];
  const chosen = layout.boxes[selected];

  useEffect(() => {
    setZoomed(0);
    setSelected(0);
    setHover(undefined);
  }, [layout]);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const paint = () => draw(element, { layout, diff, found, zoomed, above, selected: document.activeElement === element ? selected : -1, hover: hover?.index ?? -1 });
    paint();
    const resized = new ResizeObserver(paint);
    resized.observe(element);
    return () => resized.disconnect();
  }, [layout, diff, found, zoomed, above, selected, hover?.index, theme]);

  const at = (event: PointerEvent<HTMLCanvasElement>): Box | undefined => {
    const area = event.currentTarget.getBoundingClientRect();
    const depth = Math.floor((event.clientY - area.top) / rowHeight);
    const zoom = layout.boxes[zoomed];
    if (!zoom) return undefined;
    if (depth < zoom.depth) return [...above].map((i) => layout.boxes[i]).find((b) => b?.depth === depth);
    return boxAt(layout, depth, zoom.x + ((event.clientX - area.left) / area.width) * zoom.width);
  };
  const choose = (index: number) => {
    setSelected(index);
    setZoomed(index);
  };
  const press = (event: KeyboardEvent) => {
    const arrow = ({ ArrowUp: 'up', ArrowDown: 'down', ArrowLeft: 'left', ArrowRight: 'right' } as const)[event.key];
    if (arrow) setSelected((now) => step(layout, now, arrow));
    else if (event.key === 'Enter') setZoomed(selected);
    else if (event.key === 'Escape') choose(0);
    else return;
    setHover(undefined);
    event.preventDefault();
  };

  return (
    <div className="flame">
      <div className="flame-info small" aria-live="polite">{shown && <Info box={shown} layout={layout} diff={diff} format={format} />}</div>
      {selected > 0 && chosen && <p className="flame-more"><button type="button" className="button" onClick={() => around(chosen.name)}>Callers and callees of {shortFunction(chosen.name)}</button></p>}
      <div className="flame-box">
        <canvas
          ref={canvas}
          style={{ height: Math.max(3, layout.rows.length) * rowHeight }}
          tabIndex={0}
          role="application"
          aria-roledescription="flame graph"
          aria-label={`${label}. Arrow keys walk, Enter zooms, Escape shows all.`}
          onPointerMove={(event) => {
            const box = at(event);
            setHover(box && { index: box.index, x: event.clientX, y: event.clientY });
          }}
          onPointerLeave={() => setHover(undefined)}
          onPointerUp={(event) => {
            const box = at(event);
            if (box) choose(box.index);
          }}
          onKeyDown={press}
          onFocus={() => setSelected((n) => n)}
        />
        {zoomed > 0 && <button type="button" className="button flame-reset" onClick={() => choose(0)}>Show all</button>}
      </div>
    </div>
  );
}

/** The whole is nobody; around a function, the whole is that function. */
const nameOf = (box: Box) => (box.parent < 0 && box.name === 'root' ? 'all' : shortFunction(box.name));

function Info({ box, layout, diff, format }: { box: Box; layout: Layout; diff: boolean; format: (value: number) => string }) {
  const whole = layout.boxes[0];
  return (
    <>
      <code title={box.name}>{nameOf(box)}</code>
      <span className="muted">{place(box.file, box.line)}</span>
      <span><b>{format(box.value)}</b>{whole && whole.value > 0 && <span className="muted"> {percent(box.value / whole.value)}</span>}</span>
      {diff && <span><b data-grew={box.value >= box.base}>{signed(box.value - box.base, format)}</b> <span className="muted">was {format(box.base)}</span></span>}
    </>
  );
}

interface Scene {
  layout: Layout;
  diff: boolean;
  found: ReadonlySet<number>;
  zoomed: number;
  above: ReadonlySet<number>;
  selected: number;
  hover: number;
}

function draw(canvas: HTMLCanvasElement, scene: Scene): void {
  const ctx = canvas.getContext('2d');
  const zoom = scene.layout.boxes[scene.zoomed];
  if (!ctx || !zoom) return;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const scale = devicePixelRatio;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  ctx.scale(scale, scale);
  ctx.font = `12px ${token('--font')}`;
  ctx.textBaseline = 'middle';
  const colors = palette();
  scene.layout.rows.forEach((row, depth) => {
    const y = depth * rowHeight;
    for (const index of row) {
      const box = scene.layout.boxes[index];
      if (!box) continue;
      const above = scene.above.has(index);
      if (depth < zoom.depth && !above) continue;
      const x = above ? 0 : ((box.x - zoom.x) / zoom.width) * width;
      const w = above ? width : (box.width / zoom.width) * width;
      if (w < smallest || x + w <= 0 || x >= width) continue;
      const dim = above || (scene.found.size > 0 && !scene.found.has(index));
      drawBox(ctx, scene, colors, box, x, y, w, dim, width);
    }
  });
}

function drawBox(ctx: CanvasRenderingContext2D, scene: Scene, colors: Palette, box: Box, x: number, y: number, w: number, dim: boolean, width: number): void {
  const left = Math.max(0, x);
  const right = Math.min(width, x + w);
  ctx.globalAlpha = dim ? 0.34 : 1;
  ctx.fillStyle = scene.diff ? diffColor(colors, box) : colors.ofPackage(box);
  ctx.fillRect(left, y + 0.5, Math.max(0.5, right - left - 1), rowHeight - 1.5);
  const outlined = box.index === scene.selected || box.index === scene.hover;
  if (outlined) {
    ctx.globalAlpha = 1;
    ctx.strokeStyle = colors.text;
    ctx.lineWidth = 2;
    ctx.strokeRect(left + 1, y + 1.5, Math.max(1, right - left - 3), rowHeight - 3.5);
  }
  if (right - left < 34) return;
  ctx.globalAlpha = dim ? 0.75 : 1;
  ctx.fillStyle = scene.diff ? colors.text : colors.flameText;
  if (dim) ctx.fillStyle = colors.text;
  ctx.fillText(fitted(ctx, nameOf(box), right - left - 12), left + 6, y + rowHeight / 2 + 0.5);
}

/** As much of the text as fits, by a first guess from the mean letter's width. */
function fitted(ctx: CanvasRenderingContext2D, text: string, room: number): string {
  if (text.length * 5 > room || ctx.measureText(text).width > room) {
    let letters = Math.min(text.length, Math.floor(room / 5));
    while (letters > 1 && ctx.measureText(`${text.slice(0, letters)}…`).width > room) letters--;
    return letters > 1 ? `${text.slice(0, letters)}…` : '';
  }
  return text;
}

interface Palette {
  text: string;
  flameText: string;
  neutral: string;
  grew: string;
  shrank: string;
  ofPackage: (box: Box) => string;
}

/** Warm hues by package; the standard library and the runtime stay grey, so that own code stands out. */
function palette(): Palette {
  const neutral = token('--flame-neutral');
  const text = token('--text');
  const known = new Map<string, string>();
  const dark = isDark();
  return {
    text,
    neutral,
    flameText: dark ? '#f7ead9' : token('--flame-text'),
    grew: token('--grew'),
    shrank: token('--shrank'),
    ofPackage(box) {
      const name = packageOf(box.name);
      let color = known.get(name);
      if (!color) {
        const standard = box.parent < 0 || !(name.includes('.') || name === 'main');
        const hue = 10 + (hash(name) % 36);
        color = standard ? neutral : dark ? `hsl(${hue} 52% ${28 + (hash(name) % 7)}%)` : `hsl(${hue} 86% ${68 + (hash(name) % 9)}%)`;
        known.set(name, color);
      }
      return color;
    },
  };
}

function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

function hash(text: string): number {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return h >>> 0;
}

function diffColor(colors: Palette, box: Box): string {
  const by = change(box.value, box.base);
  if (Math.abs(by) < 0.02) return colors.neutral;
  const part = Math.round(14 + 56 * Math.min(1, Math.abs(by)));
  return `color-mix(in srgb, ${by > 0 ? colors.grew : colors.shrank} ${part}%, ${colors.neutral})`;
}
