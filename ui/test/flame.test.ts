import { describe, expect, it } from 'vitest';
import type { FlameNode } from '../src/api/types.ts';
import * as flame from '../src/model/flame.ts';

const node = (name: string, value: number, children: FlameNode[] = [], base?: number): FlameNode => ({ name, value, children, ...(base === undefined ? {} : { base }) });
const tree = node('root', 100, [node('a.small', 20), node('a.big', 80, [node('b.leaf', 30, [node('a.big', 10)])])]);
const laid = flame.layout(tree);
const named = (name: string) => laid.boxes.find((b) => b.name === name);

describe('the layout', () => {
  it('puts the largest first, inside their caller', () => {
    expect(laid.rows.map((row) => row.map((i) => laid.boxes[i]?.name))).toEqual([['root'], ['a.big', 'a.small'], ['b.leaf'], ['a.big']]);
    expect(named('a.small')).toMatchObject({ x: 0.8, width: 0.2, depth: 1 });
  });

  it('shows in a diff what shrank to nothing', () => {
    const diff = flame.layout(node('root', 10, [node('new', 10, [], 0), node('gone', 0, [], 30)], 30));
    expect(diff.total).toBe(40);
    expect(diff.boxes.map((b) => [b.name, b.width])).toEqual([['root', 1], ['gone', 0.75], ['new', 0.25]]);
  });

  it('survives an empty profile and a very deep one', () => {
    expect(flame.layout(node('root', 0)).boxes).toHaveLength(1);
    let deep = node('leaf', 1);
    for (let i = 0; i < 20_000; i++) deep = node(`f${i}`, 1, [deep]);
    expect(flame.layout(deep).rows).toHaveLength(20_001);
  });
});

describe('finding', () => {
  it('a box by its place', () => {
    expect(flame.boxAt(laid, 1, 0.5)?.name).toBe('a.big');
    expect(flame.boxAt(laid, 1, 0.81)?.name).toBe('a.small');
    expect(flame.boxAt(laid, 2, 0.9)).toBeUndefined();
    expect(flame.boxAt(laid, 9, 0.5)).toBeUndefined();
  });

  it('a neighbour by an arrow', () => {
    const big = named('a.big')?.index ?? -1;
    expect(laid.boxes[flame.step(laid, big, 'down')]?.name).toBe('b.leaf');
    expect(laid.boxes[flame.step(laid, big, 'right')]?.name).toBe('a.small');
    expect(flame.step(laid, big, 'left')).toBe(big);
    expect(flame.step(laid, big, 'up')).toBe(0);
    expect(flame.step(laid, 0, 'up')).toBe(0);
  });

  it('by text, counting one inside another once', () => {
    const found = flame.search(laid, 'A.BIG');
    expect(found.size).toBe(2);
    expect(flame.matchedValue(laid, found)).toBe(80);
    expect(flame.search(laid, '  ').size).toBe(0);
  });

  it('the callers of a box', () => {
    expect(flame.ancestors(laid, named('b.leaf')?.index ?? -1)).toEqual(new Set([0, named('a.big')?.index]));
  });
});

describe('the top table', () => {
  it('counts recursion once and the root never', () => {
    const rows = flame.topTable(laid);
    expect(rows.find((r) => r.name === 'a.big')).toMatchObject({ self: 60, total: 80 });
    expect(rows.find((r) => r.name === 'b.leaf')).toMatchObject({ self: 20, total: 30 });
    expect(rows.some((r) => r.name === 'root')).toBe(false);
  });
});

it('change runs from all gone to all new', () => {
  expect([flame.change(10, 0), flame.change(0, 10), flame.change(5, 5), flame.change(0, 0)]).toEqual([1, -1, 0, 0]);
});

it.each([['github.com/a/b.(*T).M', 'github.com/a/b'], ['main.main', 'main'], ['net/http.Get', 'net/http'], ['cgo', 'cgo']])('the package of %s', (name, pkg) => expect(flame.packageOf(name)).toBe(pkg));
