import { describe, expect, it } from 'vitest';
import type { Agent } from '../src/api/types.ts';
import { lagWords, versionsOf } from '../src/model/agents.ts';
import { pastOf } from '../src/model/past.ts';
import { now } from './make.ts';

const agent = (change: Partial<Agent>): Agent => ({ remote: '10.0.0.1:4', since: now, heard: now, targets: 1, readings: 10, refused: 0, lagSeconds: 0.2, version: 'v1', ...change });

describe('the agents', () => {
  it('lag only when it can be felt', () => {
    expect(lagWords(agent({}))).toBe('none');
    expect(lagWords(agent({ lagSeconds: 300 }))).toBe('5 min');
    expect(lagWords(agent({ readings: 0 }))).toBe('–');
  });

  it('have one version, or several', () => {
    const { version: _, ...original } = agent({});
    expect(versionsOf([agent({})])).toBe('1 agent, v1');
    expect(versionsOf([agent({}), agent({})])).toBe('2 agents, all v1');
    expect(versionsOf([agent({}), agent({}), agent({ version: 'v2' }), original])).toBe('2 of v1, 1 of v2, 1 of the original agent');
    expect(versionsOf([])).toBe('');
  });
});

describe('a culprit’s past', () => {
  it('is drawn over even time, straight between profiles', () => {
    const line = pastOf([{ timestamp: 0, liveBytes: 0 }, { timestamp: 470, liveBytes: 100 }, { timestamp: 940, liveBytes: 400 }]);
    expect(line?.stepMs).toBe(20);
    expect(line?.values?.[0]).toBe(0);
    expect(line?.values?.[47]).toBe(400);
    expect(line?.values?.[24]).toBeCloseTo(100 + (300 * 10) / 470);
  });

  it('of one moment is no line', () => {
    expect(pastOf([])).toBeUndefined();
    expect(pastOf([{ timestamp: 5, liveBytes: 1 }])).toBeUndefined();
  });
});
