/** The page: its head, and the view that the address names. */

import { render } from 'preact';
import { useEffect } from 'preact/hooks';

import { cluster, exportedAt, follow, hello, keepAlive, link, readExport, rows, trail } from './data';
import { moment } from './format';
import { Icon, Logo } from './icons';
import { go, route } from './route';
import { useStore } from './store';
import { choose, theme, type Theme } from './theme';
import { DetailView } from './views/detail';
import { Overview } from './views/overview';

function App() {
  const open = useStore(route);
  useEffect(() => {
    const title = open.view === 'detail' ? `${open.namespace}/${open.name} · Ebb` : 'Ebb';
    document.title = title;
    scrollTo(0, 0);
  }, [open]);
  useEffect(() => {
    const back = (event: KeyboardEvent): void => {
      const typing = event.target instanceof HTMLTextAreaElement || event.target instanceof HTMLInputElement;
      if (event.key === 'Escape' && !typing && route.get().view === 'detail') go('#/');
    };
    addEventListener('keydown', back);
    return () => removeEventListener('keydown', back);
  }, []);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        document.querySelector<HTMLElement>('main [tabindex="0"], main a, main button')?.focus();
      }}>Skip to the content</a>
      <Bar />
      <Notices />
      {open.view === 'overview' ? <Overview /> : <DetailView key={`${open.namespace}/${open.name}`} {...open} />}
    </>
  );
}

function Bar() {
  const about = useStore(hello);
  return (
    <header class="bar">
      <a class="brand" href="#/" aria-label="Ebb: all ScaledObjects"><Logo /><b>Ebb</b></a>
      {about ? <span class="context" title={`${about.server} · ebb ${about.version}`}>{about.context}</span> : null}
      {about && about.namespaces.length > 0 ? <span class="dim">{about.namespaces.join(', ')}</span> : null}
      <span class="space" />
      <LinkState />
      <ThemeSwitch />
    </header>
  );
}

function LinkState() {
  const state = useStore(link);
  const at = useStore(exportedAt);
  const api = useStore(cluster);
  const record = useStore(trail);
  if (state === 'exported') return <span class="link quiet">Report of {at ? moment(at) : 'an unknown time'}</span>;
  const [tone, text] = state === 'connecting' ? ['quiet', 'connecting'] : state !== 'live' ? ['bad', 'not connected']
    : api.state === 'lost' ? ['bad', 'no API server'] : record && record.state !== 'ok' ? ['warn', 'live, without decisions'] : ['good', 'live'];
  return <span class={`link ${tone}`} role="status"><i class={`dot ${tone}`} />{text}</span>;
}

function Notices() {
  const state = useStore(link);
  const api = useStore(cluster);
  const record = useStore(trail);
  const open = useStore(route);
  const known = useStore(rows).size > 0;
  const texts: string[] = [];
  if (state === 'lost') texts.push('The connection to ebb ui is lost; trying again. Everything here is as it was before.');
  if (state === 'refused') texts.push('This ebb ui was started anew: open the address that it prints. Everything here is as it was before.');
  if (state === 'live' && api.state === 'lost') texts.push(`${api.message} ${known ? 'Everything here is as it was before.' : ''}`);
  if (open.view === 'overview' && state === 'live' && record && record.state !== 'ok') texts.push(`${record.message} Status, HPA and events are shown without decisions.`);
  return <div role="alert" class="notices">{texts.map((text) => <p key={text} class="notice warn"><Icon name="warning" /><span>{text}</span></p>)}</div>;
}

const NEXT: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' };

function ThemeSwitch() {
  const now = useStore(theme);
  const icon = { auto: 'auto', light: 'sun', dark: 'moon' } as const;
  return (
    <button type="button" class="theme" onClick={() => choose(NEXT[now])} aria-label={`Colors: ${now}. Switch to ${NEXT[now]}.`} title={`Colors: ${now}`}>
      <Icon name={icon[now]} />
    </button>
  );
}

if (!readExport()) keepAlive();
route.subscribe(() => follow(route.get()));
follow(route.get());
render(<App />, document.getElementById('app')!);
