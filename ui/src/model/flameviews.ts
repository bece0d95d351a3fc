// Other ways to look at a flame graph's tree: from the leaves up, and around one
// function. Pure: a tree in, a tree out.
import type { FlameNode } from '../api/types.ts';

interface Growing {
  name: string;
  file: string | undefined;
  line: number | undefined;
  value: number;
  base: number;
  children: Map<string, Growing>;
}

const grow = (node: FlameNode): Growing => ({ name: node.name, file: node.file, line: node.line, value: 0, base: 0, children: new Map() });

function childOf(parent: Growing, node: FlameNode): Growing {
  const known = parent.children.get(node.name);
  if (known) return known;
  const child = grow(node);
  parent.children.set(node.name, child);
  return child;
}

function add(to: Growing, value: number, base: number): void {
  to.value += value;
  to.base += base;
}

function grown(node: Growing, diff: boolean): FlameNode {
  const children = [...node.children.values()].map((child) => grown(child, diff));
  return {
    name: node.name,
    ...(node.file === undefined ? {} : { file: node.file }),
    ...(node.line === undefined ? {} : { line: node.line }),
    value: node.value,
    ...(diff ? { base: node.base } : {}),
    ...(children.length ? { children } : {}),
  };
}

/** Calls `visit` for every node with the calls above it, outermost first; what it answers says whether to go deeper. */
function walk(root: FlameNode, visit: (node: FlameNode, above: readonly FlameNode[]) => boolean): void {
  const above: FlameNode[] = [];
  const step = (node: FlameNode) => {
    if (!visit(node, above)) return;
    above.push(node);
    node.children?.forEach(step);
    above.pop();
  };
  step(root);
}

/** What each function holds itself, with its callers below it: where memory is allocated, whoever asks. */
export function inverted(root: FlameNode, diff: boolean): FlameNode {
  const out = grow(root);
  add(out, root.value, root.base ?? 0);
  walk(root, (node, above) => {
    let [value, base] = [node.value, node.base ?? 0];
    for (const child of node.children ?? []) {
      value -= child.value;
      base -= child.base ?? 0;
    }
    if (above.length > 0 && (value !== 0 || base !== 0)) addPath(out, [node, ...above.slice(1).reverse()], value, base);
    return true;
  });
  return grown(out, diff);
}

function addPath(root: Growing, path: readonly FlameNode[], value: number, base: number): void {
  let at = root;
  for (const node of path) {
    at = childOf(at, node);
    add(at, value, base);
  }
}

/** Everything that leads to a function, the function on top: its callers, and theirs. Recursion counts once. */
export function callers(root: FlameNode, name: string, diff: boolean): FlameNode | undefined {
  let out: Growing | undefined;
  walk(root, (node, above) => {
    if (node.name !== name || above.length === 0) return true;
    out ??= grow(node);
    add(out, node.value, node.base ?? 0);
    addPath(out, above.slice(1).reverse(), node.value, node.base ?? 0);
    return false;
  });
  return out && grown(out, diff);
}

/** A function and all that it calls, from wherever it is called. Recursion counts once. */
export function callees(root: FlameNode, name: string, diff: boolean): FlameNode | undefined {
  let out: Growing | undefined;
  const merge = (into: Growing, node: FlameNode) => {
    add(into, node.value, node.base ?? 0);
    node.children?.forEach((child) => merge(childOf(into, child), child));
  };
  walk(root, (node, above) => {
    if (node.name !== name || above.length === 0) return true;
    out ??= grow(node);
    merge(out, node);
    return false;
  });
  return out && grown(out, diff);
}
