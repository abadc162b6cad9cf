import type { Shared } from './types.ts';

/** Attention to the memory in one head: queries of the page down, keys of the memory across; pointer and arrow keys read a cell out. */
export function cross(shared: Shared): void {
  const { data, find, make, percent } = shared;
  const memory = data.cross;
  if (memory === null) return;
  const box = find('cross');
  const canvas = find<HTMLCanvasElement>('cross-canvas');
  const output = find('cross-output');
  const choice = find<HTMLSelectElement>('cross-head');
  const left = 96;
  const top = 22;
  const cellHeight = 14;
  let values = new Uint8Array(0);
  let at = { query: 0, key: memory.top };
  let loads = 0;

  memory.patterns.forEach(({ layer, head }, i) => {
    const option = make('option', `layer ${layer}, head ${head}`);
    option.value = String(i);
    choice.append(option);
  });
  const source = () => memory.patterns[Number(choice.value)];

  async function load(): Promise<void> {
    const turn = ++loads;
    const pattern = source();
    find('cross-controls').hidden = pattern === undefined;
    canvas.hidden = pattern === undefined;
    if (pattern === undefined) {
      output.textContent = 'No pattern was kept in this scan.';
      return;
    }
    const packed = Uint8Array.from(atob(pattern.values), (character) => character.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    const inflated = new Uint8Array(await new Response(stream).arrayBuffer());
    // Another head was chosen while this one was unpacked.
    if (turn !== loads) return;
    values = inflated;
    at = { query: Math.min(at.query, pattern.T - 1), key: at.key };
    find('cross-scale').textContent = `scale: 0 to ${percent(values.reduce((a, b) => Math.max(a, b), 0) / 255)}`;
    tell();
    draw();
  }

  function draw(): void {
    const pattern = source();
    if (pattern === undefined || values.length === 0 || box.clientWidth === 0) return;
    const { T, S } = pattern;
    const ratio = devicePixelRatio || 1;
    const width = box.clientWidth;
    const room = Math.max(64, width - left - 6);
    const height = top + T * cellHeight + 4;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const c = canvas.getContext('2d')!;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.font = '11px system-ui, sans-serif';
    c.textBaseline = 'middle';
    const each = room / S;
    const pixels = Math.min(S, Math.floor(room));
    // Over many keys shares are small: the scale ends at the largest of the head.
    const largest = values.reduce((a, b) => Math.max(a, b), 1);
    for (let t = 0; t < T; t++)
      for (let x = 0; x < pixels; x++) {
        // A pixel that covers several keys shows the largest of them.
        let most = 0;
        for (let s = Math.floor((x * S) / pixels); s < Math.floor(((x + 1) * S) / pixels); s++)
          most = Math.max(most, values[t * S + s]!);
        c.fillStyle = `rgb(${shared.color(Math.sqrt(most / largest)).join()})`;
        c.fillRect(left + (x * room) / pixels, top + t * cellHeight, room / pixels + 0.3, cellHeight);
      }
    c.fillStyle = getComputedStyle(box).color;
    c.textAlign = 'right';
    for (let t = 0; t < T; t++) {
      let text = shared.token(t);
      while (text.length > 2 && c.measureText(text).width > left - 10) text = `${text.slice(0, -2)}…`;
      c.fillText(text, left - 5, top + (t + 0.5) * cellHeight);
    }
    const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((n) => n * each >= 64) ?? 2000;
    c.textAlign = 'center';
    for (let s = 0; s < S; s += step)
      c.fillText(memory!.keys[s]!.text, Math.max(left + 16, Math.min(width - 22, left + (s + 0.5) * each)), top - 10);
    c.strokeStyle = '#ff7a1a';
    c.strokeRect(left + at.key * each - 1, top, Math.max(1, each) + 2, T * cellHeight);
    c.strokeRect(left, top + at.query * cellHeight, room, cellHeight);
  }

  function tell(): void {
    const { query, key } = at;
    const { text, about } = memory!.keys[key]!;
    const share = percent(values[query * memory!.keys.length + key]! / 255);
    shared.select({ memory: key });
    output.textContent = `Query ${shared.token(query)} → key ${key} ${text} (${about}): ${share}; uniform attention ${percent(1 / memory!.keys.length)}`;
  }

  function move(query: number, key: number): void {
    const pattern = source();
    if (pattern === undefined || values.length === 0) return;
    const within = (value: number, end: number) => Math.max(0, Math.min(end - 1, value));
    at = { query: within(query, pattern.T), key: within(key, pattern.S) };
    tell();
    draw();
  }
  canvas.addEventListener('pointermove', (event) => {
    const pattern = source();
    if (pattern === undefined) return;
    const bounds = canvas.getBoundingClientRect();
    const room = Math.max(64, box.clientWidth - left - 6);
    const key = Math.floor(((event.clientX - bounds.left - left) / room) * pattern.S);
    move(Math.floor((event.clientY - bounds.top - top) / cellHeight), key);
  });
  canvas.addEventListener('keydown', (event) => {
    const step = event.shiftKey ? 10 : 1;
    const by = (
      { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] } as Record<string, number[]>
    )[event.key];
    if (by === undefined) return;
    event.preventDefault();
    move(at.query + by[0]! * step, at.key + by[1]! * step);
  });
  // The spectrogram above was pointed at.
  shared.onSelect(({ memory: key }) => {
    if (typeof key === 'number' && key !== at.key) move(at.query, key);
  });
  choice.addEventListener('change', load);
  const first = memory.patterns.findIndex(
    ({ layer, head }) => layer === memory.start.layer && head === memory.start.head,
  );
  if (first >= 0) choice.value = String(first);
  load();
  shared.onResize(box, draw);
}
