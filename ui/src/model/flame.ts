// A flame graph as data: laid out once, then looked up by place, name and depth.
// Pure; sized for profiles of tens of thousands of calls.
import type { FlameNode } from '../api/types.ts';
import { afterPath } from './format.ts';

export interface Box {
  index: number;
  name: string;
  file: string;
  line: number;
  depth: number;
  /** Left edge and width as shares of the whole, 0 to 1. */
  x: number;
  width: number;
  value: number;
  base: number;
  parent: number;
}

export interface Layout {
  boxes: Box[];
  /** Indexes of each depth's boxes, from left to right. */
  rows: number[][];
  /** The width of everything, in the profile's unit. */
  total: number;
}

/**
 * A box is as wide as the larger of its two values, so that in a diff what
 * shrank to nothing is still seen. Callers above, callees below, largest first.
 */
export function layout(root: FlameNode): Layout {
  const weights = weigh(root);
  const total = weights.get(root) ?? 0;
  const boxes: Box[] = [];
  const rows: number[][] = [];
  const stack: { node: FlameNode; x: number; depth: number; parent: number }[] = [{ node: root, x: 0, depth: 0, parent: -1 }];
  for (let item = stack.pop(); item; item = stack.pop()) {
    const { node, depth, parent } = item;
    const index = boxes.length;
    const width = total > 0 ? (weights.get(node) ?? 0) / total : 0;
    boxes.push({ index, name: node.name, file: node.file ?? '', line: node.line ?? 0, depth, x: item.x, width, value: node.value, base: node.base ?? 0, parent });
    (rows[depth] ??= []).push(index);
    const children = [...(node.children ?? [])].sort((a, b) => (weights.get(b) ?? 0) - (weights.get(a) ?? 0) || (a.name < b.name ? -1 : 1));
    const placed: typeof stack = [];
    let x = item.x;
    for (const child of children) {
      placed.push({ node: child, x, depth: depth + 1, parent: index });
      x += total > 0 ? (weights.get(child) ?? 0) / total : 0;
    }
    stack.push(...placed.reverse());
  }
  return { boxes, rows, total };
}

function weigh(root: FlameNode): Map<FlameNode, number> {
  const weights = new Map<FlameNode, number>();
  const order: FlameNode[] = [root];
  for (let i = 0; i < order.length; i++) order.push(...(order[i]?.children ?? []));
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i];
    if (!node) continue;
    let inside = 0;
    for (const child of node.children ?? []) inside += weights.get(child) ?? 0;
    weights.set(node, Math.max(node.value, node.base ?? 0, inside));
  }
  return weights;
}

/** The box of this depth at this share of the width. */
export function boxAt(l: Layout, depth: number, x: number): Box | undefined {
  const row = l.rows[depth];
  if (!row) return undefined;
  let [low, high] = [0, row.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const box = l.boxes[row[middle] ?? -1];
    if (!box) return undefined;
    if (x < box.x) high = middle - 1;
    else if (x >= box.x + box.width) low = middle + 1;
    else return box;
  }
  return undefined;
}

export function ancestors(l: Layout, index: number): Set<number> {
  const out = new Set<number>();
  for (let at = l.boxes[index]?.parent ?? -1; at >= 0; at = l.boxes[at]?.parent ?? -1) out.add(at);
  return out;
}

/** The next box in an arrow's direction; the same where there is none. */
export function step(l: Layout, index: number, direction: 'up' | 'down' | 'left' | 'right'): number {
  const box = l.boxes[index];
  if (!box) return 0;
  if (direction === 'up') return Math.max(0, box.parent);
  if (direction === 'down') return l.rows[box.depth + 1]?.find((i) => l.boxes[i]?.parent === index) ?? index;
  const row = l.rows[box.depth] ?? [];
  return row[row.indexOf(index) + (direction === 'left' ? -1 : 1)] ?? index;
}

/** Indexes whose name or file contains the text; none for an empty text. */
export function search(l: Layout, text: string): Set<number> {
  const wanted = text.trim().toLowerCase();
  const out = new Set<number>();
  if (!wanted) return out;
  for (const box of l.boxes) if (box.name.toLowerCase().includes(wanted) || box.file.toLowerCase().includes(wanted)) out.add(box.index);
  return out;
}

/** What the found boxes hold together, one inside another counted once. */
export function matchedValue(l: Layout, found: ReadonlySet<number>): number {
  let sum = 0;
  const inside = new Set<number>();
  for (const box of l.boxes) { // parents come before their children
    if (inside.has(box.parent)) inside.add(box.index);
    else if (found.has(box.index)) {
      inside.add(box.index);
      sum += box.value;
    }
  }
  return sum;
}

export interface TopRow {
  name: string;
  file: string;
  line: number;
  /** In the function itself. */
  self: number;
  /** In it and all it calls, recursion counted once. */
  total: number;
  baseSelf: number;
  baseTotal: number;
}

/** The functions of the profile, those with the most of their own first. */
export function topTable(l: Layout): TopRow[] {
  const rows = new Map<string, TopRow>();
  const selfOf = new Map<number, { value: number; base: number }>();
  for (const box of l.boxes) selfOf.set(box.index, { value: box.value, base: box.base });
  for (const box of l.boxes) {
    const parent = selfOf.get(box.parent);
    if (parent) {
      parent.value -= box.value;
      parent.base -= box.base;
    }
  }
  for (const box of l.boxes) {
    if (box.parent < 0) continue; // the root is nobody
    const row = rows.get(box.name) ?? { name: box.name, file: box.file, line: box.line, self: 0, total: 0, baseSelf: 0, baseTotal: 0 };
    rows.set(box.name, row);
    const own = selfOf.get(box.index);
    row.self += own?.value ?? 0;
    row.baseSelf += own?.base ?? 0;
    if (!callsItself(l, box)) {
      row.total += box.value;
      row.baseTotal += box.base;
    }
  }
  return [...rows.values()];
}

function callsItself(l: Layout, box: Box): boolean {
  for (let at = l.boxes[box.parent]; at; at = l.boxes[at.parent]) if (at.name === box.name) return true;
  return false;
}

/** How much a box grew, from −1 (all of it went) to 1 (all of it is new). */
export function change(value: number, base: number): number {
  const most = Math.max(value, base);
  return most === 0 ? 0 : (value - base) / most;
}

/** The package of a function: what boxes are coloured by. */
export function packageOf(name: string): string {
  const dot = name.indexOf('.', afterPath(name));
  return dot < 0 ? name : name.slice(0, dot);
}
