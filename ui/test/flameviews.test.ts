import { describe, expect, it } from 'vitest';
import type { FlameNode } from '../src/api/types.ts';
import { layout } from '../src/model/flame.ts';
import { callees, callers, inverted } from '../src/model/flameviews.ts';

// root 100 ─ a 70 ─ make 40 (a itself 30); b 30 ─ make 25 ─ b 5
const root: FlameNode = {
  name: 'root', value: 100, base: 40,
  children: [
    { name: 'a', value: 70, base: 30, children: [{ name: 'make', value: 40, base: 10 }] },
    { name: 'b', value: 30, base: 10, children: [{ name: 'make', value: 25, base: 10, children: [{ name: 'b', value: 5, base: 0 }] }] },
  ],
};

const brief = (node: FlameNode | undefined): unknown => node && [node.name, node.value, node.base, ...(node.children ?? []).map(brief)];

describe('inverted', () => {
  it('gathers what functions hold themselves, their callers below', () => {
    expect(brief(inverted(root, true))).toEqual([
      'root', 100, 40,
      ['a', 30, 20],
      ['make', 60, 20, ['a', 40, 10], ['b', 20, 10]],
      ['b', 10, 0, ['make', 5, 0, ['b', 5, 0]]],
    ]);
  });

  it('keeps the whole: the parts of the first row sum up to it', () => {
    const sum = (inverted(root, false).children ?? []).reduce((n, c) => n + c.value, 0);
    expect(sum).toBe(root.value);
  });

  it('says no base where there is none', () => {
    expect(inverted(root, false).base).toBeUndefined();
  });
});

describe('around a function', () => {
  it('merges its callers', () => {
    expect(brief(callers(root, 'make', true))).toEqual(['make', 65, 20, ['a', 40, 10], ['b', 25, 10]]);
  });

  it('merges what it calls', () => {
    expect(brief(callees(root, 'make', true))).toEqual(['make', 65, 20, ['b', 5, 0]]);
  });

  it('counts recursion once', () => {
    expect(callees(root, 'b', false)?.value).toBe(30);
    expect(callers(root, 'b', false)?.value).toBe(30);
  });

  it('is nothing for a function that is not there', () => {
    expect(callers(root, 'nobody', false)).toBeUndefined();
    expect(callees(root, 'root', false)).toBeUndefined();
  });
});

describe('a profile of 50,000 calls', () => {
  const large: FlameNode = { name: 'root', value: 50_000, children: Array.from({ length: 500 }, (_, i) => ({ name: `f${i}`, value: 100, children: Array.from({ length: 100 }, (_, j) => ({ name: `g${j}`, value: 1 })) })) };

  it('is laid out and turned over whole', () => {
    expect(layout(large).boxes.length).toBe(50_501);
    expect(layout(inverted(large, false)).boxes.length).toBe(1 + 100 + 50_000);
  });
});
