// Saved profiles in words. Pure.
import type { Alert, Capture } from '../api/types.ts';

export const roleWord: Record<Capture['role'], string> = {
  baseline: 'Baseline',
  suspect: 'When it became suspect',
  leaking: 'When it leaked',
  lastgasp: 'Just before the limit',
  upload: 'Uploaded',
};

export const roleMeaning: Record<Capture['role'], string> = {
  baseline: 'taken while it was healthy',
  suspect: 'taken when it became suspect',
  leaking: 'taken on the edge to leaking',
  lastgasp: 'taken because the limit was near',
  upload: 'brought by a person',
};

export const profileWord: Record<Capture['kind'], string> = { heap: 'Heap', goroutine: 'Goroutines', goroutineleak: 'Leaked goroutines', other: 'Other' };

/** Profiles that may be compared with this one: the same service and kind, older or newer. */
export function comparable(profile: Capture, all: readonly Capture[]): Capture[] {
  return all.filter((c) => c.id !== profile.id && c.service === profile.service && c.kind === profile.kind);
}

const roleRank: Record<Capture['role'], number> = { leaking: 0, lastgasp: 1, suspect: 2, upload: 3, baseline: 4 };

/** An alert's profiles, what proves it first: of the kind that leaks, with a base to compare with, taken when it leaked. */
export function evidenceOrder(alert: Alert, captures: readonly Capture[]): Capture[] {
  const wanted = alert.kind === 'goroutine' ? 'goroutine' : 'heap';
  const rank = (c: Capture) => (c.kind === wanted ? 0 : 100) + (c.baseId ? 0 : 10) + roleRank[c.role];
  return [...captures].sort((a, b) => rank(a) - rank(b) || (b.timestamp ?? 0) - (a.timestamp ?? 0));
}
