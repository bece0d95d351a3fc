// A profile brought by a person: by a drop anywhere on the page, or chosen.
import { useEffect, useRef, useState } from 'react';
import { hub } from '../api/client.ts';
import { navigate, paths } from '../router.tsx';

export function Upload() {
  const input = useRef<HTMLInputElement>(null);
  const [state, setState] = useState<{ busy?: string; error?: string; over?: boolean }>({});
  const bring = async (file: File | undefined) => {
    if (!file) return;
    setState({ busy: file.name });
    try {
      const capture = await hub.upload(file, AbortSignal.timeout(60_000));
      navigate(paths.profile(capture.id));
    } catch (error) {
      setState({ error: `${file.name}: ${error instanceof Error ? error.message : String(error)}` });
    }
  };
  const latest = useRef(bring);
  latest.current = bring;
  useEffect(() => {
    const holdsFile = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
    const over = (event: DragEvent) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      setState((s) => (s.over ? s : { ...s, over: true }));
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setState((s) => ({ ...s, over: false }));
    const drop = (event: DragEvent) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      setState({});
      void latest.current(event.dataTransfer?.files[0]);
    };
    addEventListener('dragover', over);
    addEventListener('dragleave', leave);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragover', over);
      removeEventListener('dragleave', leave);
      removeEventListener('drop', drop);
    };
  }, []);
  return (
    <div className="upload" data-over={state.over ?? false}>
      <button type="button" className="button" disabled={state.busy !== undefined} onClick={() => input.current?.click()}>Open a profile…</button>
      <span className="muted small desktop-only">{state.over ? 'Let go to open it' : 'or drop one anywhere here: any file that pprof reads'}</span>
      <input ref={input} type="file" hidden aria-label="Profile file" onChange={(event) => { void bring(event.target.files?.[0]); event.target.value = ''; }} />
      <span role="status" className="small">{state.busy && `Sending ${state.busy}…`}</span>
      {state.error && <p role="alert" className="failed">{state.error}</p>}
    </div>
  );
}
