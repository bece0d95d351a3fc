// What stands around every page: navigation, the connection's state, theme and help.
import { useCallback, useEffect, useRef, type ReactNode } from 'react';
import { hub, signInURL } from '../api/client.ts';
import { useAnswer, useLive, useNow, useStore } from '../live/hooks.ts';
import type { Connection } from '../live/store.ts';
import { countConditions, documentTitle, worstCondition } from '../model/fleet.ts';
import { duration } from '../model/format.ts';
import { isFiring } from '../model/story.ts';
import { Link, paths, usePath } from '../router.tsx';
import { AlertIcon, AutoIcon, FleetIcon, HubIcon, Mark, MoonIcon, ProfileIcon, SunIcon } from './icons.tsx';
import { useKeyboard } from './keyboard.ts';
import { useTelling } from './notices.ts';
import { usePrintInLight, useTheme } from './theme.ts';

const places = [
  { to: paths.fleet, name: 'Fleet', icon: <FleetIcon />, under: '/services' },
  { to: paths.alerts, name: 'Alerts', icon: <AlertIcon />, under: '/alerts' },
  { to: paths.profiles, name: 'Profiles', icon: <ProfileIcon />, under: '/profiles' },
  { to: paths.hub, name: 'Hub', icon: <HubIcon />, under: '/hub' },
];

export function Shell({ children, title }: { children: ReactNode; title: string }) {
  const path = usePath();
  const help = useRef<HTMLDialogElement>(null);
  useKeyboard(useCallback(() => help.current?.showModal(), []));
  useTitle(title);
  useTelling();
  usePrintInLight();
  const main = useFocusOnNavigation(path);
  return (
    <>
      <header className="topbar">
        <div className="topbar-inner">
          <Link to={paths.fleet} className="brand" aria-label="memwatch, to the fleet"><Mark />memwatch</Link>
          <Navigation path={path} />
          <div className="tools">
            <LinkState />
            <Person />
            <ThemeButton />
            <button type="button" className="button quiet icon desktop-only" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={() => help.current?.showModal()}>?</button>
          </div>
        </div>
      </header>
      <Banner />
      <main className="page" ref={main} tabIndex={-1}>{children}</main>
      <Help dialog={help} />
    </>
  );
}

function Navigation({ path }: { path: string }) {
  const { alerts } = useLive();
  const firing = [...alerts.values()].filter(isFiring).length;
  return (
    <nav className="nav" aria-label="Pages">
      {places.map(({ to, name, icon, under }) => {
        const current = path === to || path.startsWith(`${under}/`);
        return (
          <Link key={to} to={to} {...(current ? { 'aria-current': 'page' as const } : {})}>
            {icon}
            {name}
            {name === 'Alerts' && firing > 0 && (
              <span className="badge"><span aria-hidden="true">{firing}</span><span className="visually-hidden">, {firing} firing</span></span>
            )}
          </Link>
        );
      })}
    </nav>
  );
}

const linkWord: Record<Connection['state'], { word: string; tone: string }> = {
  live: { word: 'Live', tone: 'healthy' },
  connecting: { word: 'Connecting', tone: 'learning' },
  lost: { word: 'Offline', tone: 'suspect' },
};

function LinkState() {
  const { connection } = useLive();
  const { word, tone } = linkWord[connection.state];
  return <span className="link-state" data-tone={tone} role="status"><span className="dot" />{word}</span>;
}

/** Who is signed in, where the hub asks; one press signs out. */
function Person() {
  const { data } = useAnswer('session', 0, (signal) => hub.session(signal));
  if (!data?.required || !data.signedIn) return null;
  const out = () => void hub.signOut().finally(() => location.reload());
  return <button type="button" className="button quiet" onClick={out} title={`${data.name} (${data.role}): sign out`}>Sign out<span className="visually-hidden"> {data.name}</span></button>;
}

function Banner() {
  const { connection, loaded, error, signIn } = useLive();
  const store = useStore();
  const now = useNow(1_000);
  if (connection.state !== 'lost' || (signIn && !loaded)) return null;
  const wait = Math.max(0, Math.ceil((connection.nextTry - now) / 1000));
  const gone = Math.max(0, (now - connection.since) / 1000);
  const kept = loaded && !error ? `What you see was true ${gone < 5 ? 'a moment' : duration(gone)} ago.` : (error ?? '');
  return (
    <section className="banner" aria-label="Connection">
      <div className="banner-inner">
        <p role="alert"><b>Disconnected from the hub.</b> <span aria-live="off">{kept}</span></p>
        {signIn && <a className="button" href={signInURL()}>Sign in</a>}
        <span className="muted">{wait > 0 ? `Trying again in ${wait} s` : 'Trying again…'}</span>
        <button type="button" className="button" onClick={store.retryNow}>Try now</button>
      </div>
    </section>
  );
}

function ThemeButton() {
  const [theme, next] = useTheme();
  const icon = { auto: <AutoIcon />, light: <SunIcon />, dark: <MoonIcon /> }[theme];
  return <button type="button" className="button quiet icon" onClick={next} aria-label={`Theme: ${theme}`} title={`Theme: ${theme}`}>{icon}</button>;
}

function Help({ dialog }: { dialog: React.RefObject<HTMLDialogElement | null> }) {
  return (
    <dialog ref={dialog} aria-labelledby="help-title">
      <h2 id="help-title">Keyboard</h2>
      <dl className="help-list">
        <dt><kbd>/</kbd></dt><dd>Search</dd>
        <dt><kbd>j</kbd> <kbd>k</kbd></dt><dd>Next and previous row</dd>
        <dt><kbd>Enter</kbd></dt><dd>Open the row</dd>
        <dt><kbd>Esc</kbd></dt><dd>Clear the search, leave the zoom</dd>
        <dt><kbd>← ↑ → ↓</kbd></dt><dd>Walk a flame graph</dd>
        <dt><kbd>?</kbd></dt><dd>This list</dd>
      </dl>
      <form method="dialog"><button className="button">Close</button></form>
    </dialog>
  );
}

/** Title and icon of the tab show the worst state, wherever one reads. */
function useTitle(page: string): void {
  const { services, connection, loaded } = useLive();
  const now = useNow(10_000);
  const counts = countConditions([...services.values()], now);
  const title = documentTitle(page, counts, connection.state !== 'lost');
  const worst = worstCondition(counts);
  const icon = connection.state === 'lost' ? 'offline' : !loaded || !worst ? 'unknown' : iconOf(worst);
  useEffect(() => {
    document.title = title;
  }, [title]);
  useEffect(() => {
    document.querySelector('link[rel=icon]')?.setAttribute('href', `/icons/${icon}.svg`);
  }, [icon]);
}

function iconOf(worst: string): string {
  if (worst === 'leaking' || worst === 'suspect' || worst === 'healthy') return worst;
  return worst === 'learning' ? 'unknown' : 'offline';
}

/** After a step to another page, reading and tabbing start at its content. */
function useFocusOnNavigation(path: string): React.RefObject<HTMLElement | null> {
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  useEffect(() => {
    if (before.current !== path) main.current?.focus({ preventScroll: true });
    before.current = path;
  }, [path]);
  return main;
}
