import type { Shared } from './types.ts';

/** The page's tokens coloured by the attention they receive, in one layer or on the mean; choosing one marks it as key in the pattern. */
export function strip(shared: Shared): void {
  const { data, selection, find, make, percent } = shared;
  const box = find('strip');
  const output = find('strip-output');
  const choice = find<HTMLSelectElement>('strip-layer');
  const S = data.tokens.length;
  const average = (rows: readonly (readonly number[])[]) =>
    Array.from({ length: S }, (_, s) => rows.reduce((sum, row) => sum + row[s]!, 0) / rows.length);
  const uniformRows = data.uniform.of.map((i) => data.uniform.rows[i]!);
  const mean = { received: average(data.received), uniform: average(uniformRows) };
  const current = () =>
    selection.stripLayer === null
      ? mean
      : { received: data.received[selection.stripLayer]!, uniform: uniformRows[selection.stripLayer]! };

  const all = make('option', 'mean over layers');
  all.value = '';
  choice.append(all);
  for (let l = 0; l < data.layers; l++) {
    const option = make('option', `layer ${l}`);
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
  box.append(...spans);
  for (const position of data.sinks) spans[position]?.classList.add('top');
  let reachable = 0;

  function color(): void {
    const { received } = current();
    spans.forEach((span, s) => {
      const strength = Math.sqrt(received[s]!);
      span.style.backgroundColor = `rgba(var(--heat), ${strength.toFixed(3)})`;
      span.style.color = strength > 0.6 ? 'var(--paper)' : '';
    });
  }

  function tell(s: number): void {
    const { received, uniform } = current();
    const rank = data.sinks.indexOf(s);
    const sink = rank < 0 ? '' : `; sink ${rank + 1} of ${data.sinks.length}`;
    const where = selection.stripLayer === null ? 'mean over layers' : `layer ${selection.stripLayer}`;
    output.textContent = `Token ${shared.token(s)} (${data.tokens[s]!.about}) received ${percent(received[s]!)}, uniform attention ${percent(uniform[s]!)}; ${where}${sink}`;
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
    mark();
  });
  color();
  const first = data.sinks[0];
  output.textContent = 'Point at a token to read it, choose it to mark its column in the pattern.';
  if (first !== undefined) tell(first);
}
