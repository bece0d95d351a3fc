// Saved profiles in words. Pure.
import type { Capture } from '../api/types.ts';

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

export const profileWord: Record<Capture['kind'], string> = { heap: 'Heap', goroutine: 'Goroutines', goroutineleak: 'Leaked goroutines' };

/** Profiles that may be compared with this one: the same service and kind, older or newer. */
export function comparable(profile: Capture, all: readonly Capture[]): Capture[] {
  return all.filter((c) => c.id !== profile.id && c.service === profile.service && c.kind === profile.kind);
}
