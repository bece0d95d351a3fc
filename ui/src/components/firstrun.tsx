// The page of a hub that nobody has spoken to yet: three lines to paste.
import { Copy } from './basics.tsx';
import { StateIcon } from './icons.tsx';

function threeLines(): string {
  const url = new URL('/', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return [
    'go install github.com/zupee/memwatch/cmd/memwatchd@latest',
    `printf 'dashboardUrl: ${url.origin === 'null' ? `${url.protocol}//${url.host}` : url.origin}\\ntargets:\\n  - service: my-service\\n    url: http://localhost:6060\\n' > config.yaml`,
    'memwatchd run --config config.yaml',
  ].join('\n');
}

export function FirstRun() {
  return (
    <>
      <div className="hero" data-tone="none">
        <h1><StateIcon state="learning" size={28} /><span>Nothing is watched yet.</span></h1>
        <p>The hub is up and listening. A first service appears here by itself.</p>
      </div>
      <section className="card">
        <header><h2>Watch a service: three lines beside it</h2></header>
        <div className="card-body stack">
          <Copy text={threeLines()} label="the three lines" />
          <p className="muted small">
            The service needs Go’s own endpoints only: <code>import _ "net/http/pprof"</code> on a port that the agent can reach, here 6060.
            Nothing else is installed in it.
          </p>
        </div>
      </section>
    </>
  );
}
