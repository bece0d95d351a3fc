// One saved profile: what it is, and every way to open it.
import { pprofURL, profileURL } from '../api/client.ts';
import type { Capture } from '../api/types.ts';
import { profileWord, roleMeaning, roleWord } from '../model/captures.ts';
import { bytes } from '../model/format.ts';
import { pprofLine } from '../model/pprof.ts';
import { Link, paths } from '../router.tsx';
import { Copy, When } from './basics.tsx';
import { DownloadIcon } from './icons.tsx';

export function Evidence({ capture, now, first }: { capture: Capture; now: number; first: boolean }) {
  const base = capture.baseId;
  return (
    <>
      <div className="evidence-head">
        <div>
          <h3>{profileWord[capture.kind]}: {roleWord[capture.role].toLowerCase()}</h3>
          <p className="muted small">{capture.instance} · <When time={capture.timestamp} now={now} /> · {bytes(capture.size)} · {roleMeaning[capture.role]}</p>
        </div>
        <div className="actions">
          <Link className={base && first ? 'button primary' : 'button'} to={paths.profile(capture.id, base)}>{base ? 'See what grew' : 'Flame graph'}</Link>
          <a className="button" href={pprofURL(capture.id, base)} target="_blank" rel="noopener">pprof</a>
          <Download capture={capture} />
        </div>
      </div>
      <Copy label={base ? 'the pprof line for what grew' : 'the pprof line'} text={pprofLine(profileURL(capture.id), base ? profileURL(base) : undefined)} />
    </>
  );
}

export function Download({ capture }: { capture: Capture }) {
  return (
    <a className="button" href={profileURL(capture.id)} download={capture.filename} aria-label={`Download ${capture.filename}`}>
      <DownloadIcon />Download
    </a>
  );
}
