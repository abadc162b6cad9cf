import type { Shared } from './types.ts';

/** The page's tokens coloured by the attention they receive, in one layer or on the mean; choosing one marks it as key in the pattern. */
export function strip(shared: Shared): void {
  const { data, selection, find, make, percent } = shared;
  const box = find('strip');
  const output = find('strip-output');
  const choice = find<HTMLSelectElement>('strip-layer');
  const S = data.tokens.length;
  const current = () => shared.received(selection.stripLayer);

  const all = make('option', 'mean over layers');
  all.value = '';
  choice.append(all);
  for (let l = 0; l < data.layers; l++) {
    const option = make('option', data.received[l] ? `layer ${l}` : `layer ${l} (n/a)`);
    option.value = String(l);
    choice.append(option);
  }

  const spans = data.tokens.map((token, s) => {
    const span = make('span', token.text);
    span.className = 'token';
    span.dataset.position = String(s);
    span.tabIndex = s === 0 ? 0 : -1;
    span.setAttribute('role', 'option');
    return span;
  });
  /** Patches stand as in their picture, everything else in a row before it. */
  let picture: HTMLElement | null = null;
  spans.forEach((span, s) => {
    const { patch, about } = data.tokens[s]!;
    if (patch === undefined) picture = null;
    else {
      if (picture === null) {
        picture = make('div');
        picture.className = 'patches';
        picture.style.gridTemplateColumns = `repeat(${data.picture?.columns ?? 0}, minmax(0, 1.25rem))`;
        box.append(picture);
      }
      span.textContent = '';
      span.setAttribute('aria-label', about);
      span.style.gridRow = String(patch.row + 1);
      span.style.gridColumn = String(patch.column + 1);
    }
    (picture ?? box).append(span);
  });
  for (const position of data.sinks) spans[position]?.classList.add('top');
  for (const position of data.highNorm) spans[position]?.classList.add('high');
  let reachable = 0;

  function color(): void {
    const received = current()?.received;
    const end = received ? shared.end(received) : 1;
    const scale = data.picture ? 'patches from dark for 0 to yellow for' : 'scale: 0 to';
    find('strip-scale').textContent = received && (data.picture || data.frames) ? `${scale} ${percent(end)}` : '';
    spans.forEach((span, s) => {
      const { text, patch, beside } = data.tokens[s]!;
      const share = received ? received[s]! : 0;
      if (beside) span.textContent = received ? `${text} ${percent(share)}` : text;
      const viridis = received && data.picture && (patch || beside);
      const strength = Math.sqrt(Math.min(1, share / (viridis || data.frames ? end : 1)));
      span.style.backgroundColor = viridis
        ? `rgb(${shared.color(strength).join()})`
        : `rgba(var(--heat), ${strength.toFixed(3)})`;
      span.style.color = viridis ? (strength > 0.6 ? '#000' : '#fff') : strength > 0.6 ? 'var(--paper)' : '';
    });
  }

  function tell(s: number): void {
    const row = current();
    const rank = data.sinks.indexOf(s);
    const sink = rank < 0 ? '' : `; sink ${rank + 1} of ${data.sinks.length}`;
    const where = selection.stripLayer === null ? 'mean over layers' : `layer ${selection.stripLayer}`;
    const high = data.highNorm.includes(s) ? '; of high norm' : '';
    const share = row
      ? `received ${percent(row.received[s]!)}, uniform attention ${percent(row.uniform[s]!)}`
      : 'n/a, no attention pattern';
    output.textContent = `Token ${shared.token(s)} (${data.tokens[s]!.about}) ${share}; ${where}${sink}${high}`;
  }

  const position = (event: Event) => {
    const named = (event.target as HTMLElement).dataset.position;
    return named === undefined ? null : Number(named);
  };
  box.addEventListener('pointerover', (event) => {
    const s = position(event);
    if (s !== null) tell(s);
    shared.select({ overKey: s, overQuery: null });
  });
  box.addEventListener('pointerleave', () => shared.select({ overKey: null, overQuery: null }));
  box.addEventListener('click', (event) => {
    const s = position(event);
    if (s !== null) choose(s);
  });
  box.addEventListener('keydown', (event) => {
    const s = position(event);
    if (s === null) return;
    const next = ({ ArrowLeft: s - 1, ArrowRight: s + 1, Home: 0, End: S - 1 } as Record<string, number>)[event.key];
    if (next !== undefined) {
      event.preventDefault();
      const to = Math.min(S - 1, Math.max(0, next));
      reach(to);
      spans[to]!.focus();
      tell(to);
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      choose(s);
    }
  });
  function reach(s: number): void {
    spans[reachable]!.tabIndex = -1;
    spans[s]!.tabIndex = 0;
    reachable = s;
  }
  function choose(s: number): void {
    reach(s);
    tell(s);
    shared.select({ key: selection.key === s ? null : s });
  }
  choice.addEventListener('change', () =>
    shared.select({ stripLayer: choice.value === '' ? null : Number(choice.value) }),
  );

  let marked: HTMLElement[] = [];
  function mark(): void {
    for (const span of marked) {
      span.classList.remove('chosen', 'query');
      span.removeAttribute('aria-selected');
    }
    const key = selection.overKey ?? selection.key;
    const query = selection.overQuery ?? selection.query;
    marked = [key, query].flatMap((s) => (s === null || spans[s] === undefined ? [] : [spans[s]!]));
    if (query !== null) spans[query]?.classList.add('query');
    if (key !== null) spans[key]?.classList.add('chosen');
    if (key !== null) spans[key]?.setAttribute('aria-selected', 'true');
  }
  shared.onSelect((changed) => {
    if ('stripLayer' in changed) {
      choice.value = selection.stripLayer === null ? '' : String(selection.stripLayer);
      color();
      if (selection.key !== null) tell(selection.key);
    }
    if ('key' in changed && selection.key !== null) {
      const span = spans[selection.key];
      if (span && document.activeElement !== span) {
        box.scrollTop = span.offsetTop - box.clientHeight / 2;
        tell(selection.key);
      }
    }
    if ('overKey' in changed && selection.overKey !== null) tell(selection.overKey);
    mark();
  });
  color();
  const first = data.sinks[0];
  output.textContent = 'Point at a token to read it, choose it to mark its column in the pattern.';
  if (first !== undefined) tell(first);
}
