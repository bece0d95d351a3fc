// Every saved profile.
import { hub } from '../api/client.ts';
import type { Capture } from '../api/types.ts';
import { Failure, Loading, Notice, Search, When } from '../components/basics.tsx';
import { Download } from '../components/evidence.tsx';
import { useAnswer, useLive, useNow } from '../live/hooks.ts';
import { profileWord, roleWord } from '../model/captures.ts';
import { bytes, plural } from '../model/format.ts';
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
      <div className="toolbar"><Search value={text} onChange={(q) => setQuery({ q })} label="Search service, instance, role" /></div>
      <section className="card" aria-label="Profiles">
        {shown.length > 0 ? <List profiles={shown} now={now} /> : all.length > 0 ? (
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

function List({ profiles, now }: { profiles: Capture[]; now: number }) {
  return (
    <div className="profile-list">
      <table className="data">
        <thead><tr><th scope="col">Service</th><th scope="col">Profile</th><th scope="col">Instance</th><th scope="col">Saved</th><th scope="col" className="num">Size</th><th scope="col"><span className="visually-hidden">Open</span></th></tr></thead>
        <tbody>
          {profiles.map((p) => (
            <tr key={p.id}>
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
    </div>
  );
}
