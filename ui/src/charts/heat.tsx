// Thousands of services as one drawing: as many elements would take longer to
// lay out than a reader waits. One link lies on the square that the pointer or
// the arrow keys are at, so that everything a link can do works.
import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type MouseEvent, type PointerEvent, type RefObject } from 'react';
import { stateShapes } from '../components/icons.tsx';
import { useThemeRevision } from '../components/theme.ts';
import { useWindow } from '../components/window.ts';
import { conditions, type Condition } from '../model/condition.ts';
import { plural } from '../model/format.ts';
import { heatLayout, spotOf, square, squareAt, stepFrom, type HeatLayout } from '../model/heat.ts';
import { Link, followLink, paths } from '../router.tsx';
import { token } from './token.ts';

interface HeatProps {
  names: readonly string[];
  stateOf: (name: string) => Condition;
  /** What a square stands for. */
  wordsOf: (name: string) => string;
}

export function HeatMap({ names, stateOf, wordsOf }: HeatProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const link = useRef<HTMLAnchorElement>(null);
  const layout = heatLayout(names.length, useWidth(box));
  const { first, last } = useWindow(box, layout.rows, layout.pitch);
  const [wanted, setAt] = useState({ index: 0, pointed: false });
  const at = Math.min(wanted.index, names.length - 1);
  const name = names[at] ?? '';
  const spot = spotOf(layout, at);
  useDrawing(canvas, names.slice(first * layout.columns, last * layout.columns).map(stateOf), layout);

  const find = (event: MouseEvent | PointerEvent): number | undefined => {
    const area = box.current?.getBoundingClientRect();
    return area && squareAt(layout, names.length, event.clientX - area.left, event.clientY - area.top);
  };
  const point = (event: PointerEvent) => {
    const index = find(event);
    if (index === undefined) setAt((a) => ({ ...a, pointed: false }));
    else if (index !== at || !wanted.pointed) setAt({ index, pointed: true });
  };
  const press = (event: KeyboardEvent) => {
    const next = stepFrom(layout, names.length, at, { j: 'ArrowRight', k: 'ArrowLeft' }[event.key] ?? event.key);
    if (next === undefined || event.metaKey || event.ctrlKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    setAt({ index: next, pointed: false });
  };
  useEffect(() => {
    if (document.activeElement === link.current) link.current?.scrollIntoView({ block: 'nearest' });
  }, [at]);
  return (
    <div
      className="heat-map"
      ref={box}
      style={{ height: layout.rows * layout.pitch }}
      onPointerMove={point}
      onPointerLeave={() => setAt((a) => ({ ...a, pointed: false }))}
      onClick={(event) => {
        const index = find(event); // a finger: its link came under it only now
        if (index !== undefined && event.target !== link.current) followLink(event, paths.service(names[index] ?? ''));
      }}
    >
      <canvas ref={canvas} aria-hidden="true" style={{ top: first * layout.pitch, height: (last - first) * layout.pitch }} />
      <Link ref={link} to={paths.service(name)} className="heat-link" data-row data-pointed={wanted.pointed} aria-label={wordsOf(name)} aria-describedby="heat-help" style={{ left: spot.x, top: spot.y }} onKeyDown={press} />
      <span className="heat-tip" style={{ top: spot.y, ...(spot.x * 2 > layout.columns * layout.pitch ? { right: layout.columns * layout.pitch - spot.x } : { left: spot.x + square }) }} aria-hidden="true">{wordsOf(name)}</span>
      <span className="visually-hidden" role="status">{wordsOf(name)}</span>
      <span className="visually-hidden" id="heat-help">{`${plural(names.length, 'service')}, worst first; arrow keys walk`}</span>
    </div>
  );
}

function useWidth(box: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => { // before the first paint
    const element = box.current;
    if (!element) return;
    setWidth(element.clientWidth);
    const resized = new ResizeObserver(() => setWidth(element.clientWidth));
    resized.observe(element);
    return () => resized.disconnect();
  }, [box]);
  return width;
}

/** Draws when a square looks different, not whenever something was read. */
function useDrawing(canvas: RefObject<HTMLCanvasElement | null>, states: readonly Condition[], layout: HeatLayout): void {
  const theme = useThemeRevision();
  const look = `${theme} ${layout.columns} ${layout.pitch} ${states.map((s) => conditions.indexOf(s)).join('')}`;
  useEffect(() => {
    if (canvas.current) draw(canvas.current, states, layout);
  }, [canvas, look]);
}

function draw(canvas: HTMLCanvasElement, states: readonly Condition[], layout: HeatLayout): void {
  const ctx = canvas.getContext('2d');
  if (!ctx) return;
  const rows = Math.ceil(states.length / layout.columns);
  canvas.width = Math.round(layout.columns * layout.pitch * devicePixelRatio);
  canvas.height = Math.round(rows * layout.pitch * devicePixelRatio);
  ctx.scale(devicePixelRatio, devicePixelRatio);
  const looks = Object.fromEntries(conditions.map((c) => [c, lookOf(c)]));
  states.forEach((state, i) => {
    const look = looks[state];
    if (!look) return;
    const { x, y } = spotOf(layout, i);
    ctx.fillStyle = look.back;
    ctx.fillRect(x, y, square, square);
    if (state !== 'healthy') drawShape(ctx, look, x, y);
  });
}

interface Look {
  back: string;
  front: string;
  path: Path2D;
  solid: boolean;
  dash: number[];
}

function lookOf(state: Condition): Look {
  const [tone, surface] = [token(`--${state}`), token('--surface')];
  const { d, solid = false, dash = [] } = stateShapes[state];
  const share = state === 'healthy' ? 34 : 24;
  return { back: state === 'leaking' ? tone : `color-mix(in srgb, ${tone} ${share}%, ${surface})`, front: state === 'leaking' ? surface : tone, path: new Path2D(d), solid, dash };
}

/** The state's shape in the middle of its square. */
function drawShape(ctx: CanvasRenderingContext2D, look: Look, x: number, y: number): void {
  const size = 12;
  ctx.save();
  ctx.translate(x + (square - size) / 2, y + (square - size) / 2);
  ctx.scale(size / 16, size / 16);
  ctx.fillStyle = ctx.strokeStyle = look.front;
  ctx.lineWidth = 1.7;
  ctx.lineCap = ctx.lineJoin = 'round';
  ctx.setLineDash(look.dash);
  if (look.solid) ctx.fill(look.path);
  else ctx.stroke(look.path);
  ctx.restore();
}
