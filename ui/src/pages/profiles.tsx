// Every saved profile.
import { useState } from 'react';
import { hub } from '../api/client.ts';
import type { Capture } from '../api/types.ts';
import { Failure, Loading, Notice, Search, When } from '../components/basics.tsx';
import { Download } from '../components/evidence.tsx';
import { Upload } from '../components/upload.tsx';
import { useAnswer, useLive, useNow } from '../live/hooks.ts';
import { profileWord, roleWord } from '../model/captures.ts';
import { bytes, clock, plural } from '../model/format.ts';
import { Link, paths, useQuery } from '../router.tsx';

export function ProfilesPage() {
  const { profilesSaved } = useLive();
  const now = useNow();
  const [query, setQuery] = useQuery();
  const text = query.get('q') ?? '';
  const answer = useAnswer('profiles', profilesSaved, (signal) => hub.profiles({ limit: 500 }, signal));
  if (answer.error && !answer.data) return <Failure error={answer.error} retry={answer.reload} />;
  if (!answer.data) return <Loading height={320} label="Loading profiles" />;
  const all = answer.data.profiles ?? [];
  const shown = all.filter((p) => found(p, text));
  return (
    <>
      <div className="stack">
        <h1>{plural(answer.data.total, 'saved profile')}</h1>
        <p className="muted">Taken while a service was healthy, and again when it leaked: the difference names the function.</p>
      </div>
      <div className="toolbar">
        <Search value={text} onChange={(q) => setQuery({ q })} label="Search service, instance, role" />
        <Upload />
      </div>
      <section className="card" aria-label="Profiles">
        {shown.length > 0 ? <List profiles={shown} all={all} now={now} /> : all.length > 0 ? (
          <Notice title="No profile matches" state="none"><button type="button" className="button" onClick={() => setQuery({ q: undefined })}>Show all</button></Notice>
        ) : (
          <Notice title="No profile yet" state="learning"><p>A first one is saved when a service turns suspect or leaks, together with the baseline from its healthy time.</p></Notice>
        )}
      </section>
    </>
  );
}

function found(p: Capture, text: string): boolean {
  const hay = `${p.service} ${p.instance} ${p.kind} ${p.role} ${roleWord[p.role]} ${p.filename}`.toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => hay.includes(word));
}

/** Two may be chosen and compared; a third takes the place of the first. */
function List({ profiles, all, now }: { profiles: Capture[]; all: readonly Capture[]; now: number }) {
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const toggle = (id: string) => setChosen((ids) => (ids.includes(id) ? ids.filter((i) => i !== id) : [...ids, id].slice(-2)));
  const pair = chosen.map((id) => all.find((p) => p.id === id)).filter((p) => p !== undefined).sort((a, b) => (a.timestamp ?? 0) - (b.timestamp ?? 0));
  return (
    <div className="profile-list">
      <table className="data">
        <thead><tr><th scope="col"><span className="visually-hidden">Compare</span></th><th scope="col">Service</th><th scope="col">Profile</th><th scope="col">Instance</th><th scope="col">Saved</th><th scope="col" className="num">Size</th><th scope="col"><span className="visually-hidden">Open</span></th></tr></thead>
        <tbody>
          {profiles.map((p) => (
            <tr key={p.id}>
              <td className="pick"><input type="checkbox" checked={chosen.includes(p.id)} onChange={() => toggle(p.id)} aria-label={`Compare ${p.service}, ${profileWord[p.kind]}, ${roleWord[p.role]}`} /></td>
              <td><Link to={paths.profile(p.id)} data-row aria-label={`${p.service}, ${profileWord[p.kind]}, ${roleWord[p.role]}`}>{p.service}</Link></td>
              <td>{profileWord[p.kind]} · {roleWord[p.role].toLowerCase()}</td>
              <td className="muted wide">{p.instance}</td>
              <td className="muted"><When time={p.timestamp} now={now} /></td>
              <td className="num muted">{bytes(p.size)}</td>
              <td className="wide"><div className="chips actions">{p.baseId && <Link className="button" to={paths.profile(p.id, p.baseId)}>What grew</Link>}<Download capture={p} /></div></td>
            </tr>
          ))}
        </tbody>
      </table>
      {pair.length > 0 && <Pair pair={pair} now={now} leave={() => setChosen([])} />}
    </div>
  );
}

function Pair({ pair: [older, newer], now, leave }: { pair: Capture[]; now: number; leave: () => void }) {
  const words = (p: Capture) => `${p.service} ${roleWord[p.role].toLowerCase()}, ${p.timestamp === null ? 'time unknown' : clock(p.timestamp, now)}`;
  const alike = older && newer && older.kind === newer.kind;
  return (
    <div className="pair" role="status">
      <span className="grow">{older && words(older)} {newer ? <>→ {words(newer)}</> : <span className="muted">and one more to compare it with</span>}{newer && !alike && <span className="failed"> These are of two kinds.</span>}</span>
      {alike && <Link className="button primary" to={paths.profile(newer.id, older.id)}>Compare</Link>}
      <button type="button" className="button" onClick={leave}>Cancel</button>
    </div>
  );
}
