import { describe, expect, it } from 'vitest';
import { heatLayout, spotOf, square, squareAt, stepFrom } from '../src/model/heat.ts';

describe('the heat grid', () => {
  const l = heatLayout(5_000, 1_250);

  it('fills the width', () => {
    expect(l.columns).toBe(65);
    expect(l.rows).toBe(77);
    expect(spotOf(l, 64).x + square).toBe(1_250);
    expect(heatLayout(10, 0)).toMatchObject({ columns: 1, rows: 10 });
  });

  it('finds every square at its own place', () => {
    for (const i of [0, 64, 65, 4_999]) {
      const { x, y } = spotOf(l, i);
      expect(squareAt(l, 5_000, x + square / 2, y + square / 2)).toBe(i);
    }
    expect(squareAt(l, 5_000, 0, l.rows * l.pitch + 1)).toBeUndefined();
    expect(squareAt(l, 5_000, 0, -1)).toBeUndefined();
  });

  it('is walked by arrows, within its edges', () => {
    expect(stepFrom(l, 5_000, 0, 'ArrowDown')).toBe(65);
    expect(stepFrom(l, 5_000, 0, 'ArrowUp')).toBe(0);
    expect(stepFrom(l, 5_000, 4_999, 'ArrowRight')).toBe(4_999);
    expect(stepFrom(l, 5_000, 70, 'End')).toBe(4_999);
    expect(stepFrom(l, 5_000, 70, 'Enter')).toBeUndefined();
  });
});
