// Joins the live store, the router and the pages. The fleet comes with the first
// load; the pages with charts and flame graphs come when they are asked for.
import { Component, lazy, Suspense, useEffect, useState, type ReactNode } from 'react';
import { Loading, Notice } from './components/basics.tsx';
import { Shell } from './components/shell.tsx';
import { LiveContext } from './live/hooks.ts';
import { LiveStore } from './live/store.ts';
import { Fleet } from './pages/fleet.tsx';
import { Link, paths, usePath } from './router.tsx';

const Service = lazy(() => import('./pages/service.tsx').then((m) => ({ default: m.ServicePage })));
const Alerts = lazy(() => import('./pages/alerts.tsx').then((m) => ({ default: m.AlertsPage })));
const Alert = lazy(() => import('./pages/alert.tsx').then((m) => ({ default: m.AlertPage })));
const Profiles = lazy(() => import('./pages/profiles.tsx').then((m) => ({ default: m.ProfilesPage })));
const Profile = lazy(() => import('./pages/profile.tsx').then((m) => ({ default: m.ProfilePage })));
const Hub = lazy(() => import('./pages/hub.tsx').then((m) => ({ default: m.HubPage })));

export function App() {
  const [store] = useState(() => new LiveStore());
  useEffect(() => {
    store.start();
    return () => store.stop();
  }, [store]);
  const path = usePath();
  const { page, title } = pageOf(path);
  return (
    <LiveContext value={store}>
      <Shell title={title}>
        <Boundary key={path}>
          <Suspense fallback={<Loading height={320} />}>{page}</Suspense>
        </Boundary>
      </Shell>
    </LiveContext>
  );
}

function pageOf(path: string): { page: ReactNode; title: string } {
  const [room = '', raw = '', ...rest] = path.split('/').slice(1);
  const name = decode(raw);
  if (rest.length === 0 && name !== undefined) {
    if (room === '') return { page: <Fleet />, title: '' };
    if (room === 'services' && name) return { page: <Service key={name} name={name} />, title: name };
    if (room === 'alerts') return name ? { page: <Alert key={name} id={name} />, title: 'Alert' } : { page: <Alerts />, title: 'Alerts' };
    if (room === 'profiles') return name ? { page: <Profile key={name} id={name} />, title: 'Profile' } : { page: <Profiles />, title: 'Profiles' };
    if (room === 'hub' && !name) return { page: <Hub />, title: 'Hub' };
  }
  return { page: <NotFound />, title: 'Not found' };
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

function NotFound() {
  return (
    <div className="card">
      <Notice title="There is no such page" state="none" page>
        <Link className="button" to={paths.fleet}>To the fleet</Link>
      </Notice>
    </div>
  );
}

/** A page that fails says so and leaves the rest standing. */
class Boundary extends Component<{ children: ReactNode }, { error: Error | undefined }> {
  override state: { error: Error | undefined } = { error: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render() {
    if (!this.state.error) return this.props.children;
    return (
      <div className="card" role="alert">
        <Notice title="This page failed" state="unreachable" page>
          <p>{this.state.error.message}</p>
          <button type="button" className="button" onClick={() => location.reload()}>Load the page anew</button>
        </Notice>
      </div>
    );
  }
}
