import type { AxesPainter } from './axes.ts';
import type { PatternRenderer } from './render.ts';
import type { PageData, Shared } from './types.ts';

/** The pattern of one head: queries down, keys across, the learned sink as a column of its own; zoom, pan, pointer and keys. */
export function viewer(shared: Shared, render: PatternRenderer, axes: AxesPainter): void {
  const { data, selection, find, make, percent } = shared;
  const box = find('pattern');
  const canvas = find<HTMLCanvasElement>('pattern-canvas');
  const output = find('pattern-output');
  const heads = find<HTMLSelectElement>('pattern-head');
  const stretch = find<HTMLInputElement>('pattern-stretch');
  const sinkWidth = 12;
  const gap = 8;
  type Sample = { source: PageData['patterns'][number]; values: Uint8Array; sink: Uint8Array | null };
  let sample: Sample | null = null;
  let view = { query: 0, key: 0, n: 1 };
  let area = { left: 0, top: 0, size: 0 };
  let picture: ImageData | null = null;

  const bytes = (base64: string) => {
    const text = atob(base64);
    const values = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) values[i] = text.charCodeAt(i);
    return values;
  };
  const inflated = async (base64: string) => {
    const stream = new Blob([bytes(base64)]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };
  data.patterns.forEach(({ layer, head }, i) => {
    const option = make('option', `layer ${layer}, head ${head}`);
    option.value = String(i);
    heads.append(option);
  });
  const other = make('option', 'no pattern kept');
  other.value = '';
  other.hidden = true;
  heads.append(other);

  let loads = 0;

  async function load(): Promise<void> {
    const turn = ++loads;
    const { layer, head } = selection;
    const i = data.patterns.findIndex((pattern) => pattern.layer === layer && pattern.head === head);
    const source = data.patterns[i];
    const values = source === undefined ? null : await inflated(source.values);
    // Another head was chosen while this one was unpacked.
    if (turn !== loads) return;
    heads.value = source === undefined ? '' : String(i);
    find('pattern-title').textContent = `Layer ${layer}, head ${head}`;
    find('pattern-controls').hidden = data.patterns.length === 0;
    canvas.hidden = source === undefined;
    if (source === undefined || values === null) {
      sample = null;
      const kept = !data.received[layer]
        ? 'the layer has none.'
        : data.patterns.length === 0
          ? 'none was kept in this scan.'
          : 'choose a head from the list, or one with a dot in the map.';
      output.textContent = `No pattern of layer ${layer}, head ${head} was kept; ${kept}`;
      return;
    }
    const T = sample?.source.T;
    sample = { source, values, sink: source.sink === undefined ? null : bytes(source.sink) };
    if (T !== source.T) view = { query: 0, key: 0, n: source.T };
    tell();
    draw();
  }

  /** 256 colours as the pixels of an ImageData hold them (bytes R, G, B, A). */
  function palette(): Uint32Array {
    const colors = new Uint8ClampedArray(256 * 4);
    for (let i = 0; i < 256; i++) {
      const share = i / 255;
      colors.set([...shared.color(stretch.checked ? Math.sqrt(share) : share), 255], i * 4);
    }
    return new Uint32Array(colors.buffer);
  }

  function draw(repaint = true): void {
    if (sample === null || box.clientWidth === 0) return;
    const ratio = devicePixelRatio || 1;
    const width = Math.min(box.clientWidth, 720);
    const narrow = width < 480;
    const left = (narrow ? 44 : 84) + (sample.sink ? sinkWidth + gap : 0);
    const top = narrow ? 40 : sample.sink ? 88 : 64;
    const size = Math.max(64, width - left - 6);
    area = { left, top, size };
    const height = top + size + 4;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const c = canvas.getContext('2d')!;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, canvas.width, canvas.height);
    const pixels = Math.floor(size * ratio);
    if (repaint || picture?.width !== pixels) {
      const colors = palette();
      picture = new ImageData(pixels, pixels);
      render(new Uint32Array(picture.data.buffer), pixels, sample.values, sample.source.T, view, colors, data.causal);
    }
    c.putImageData(picture!, Math.round(left * ratio), Math.round(top * ratio));
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    const ink = getComputedStyle(box).color;
    const each = size / view.n;
    if (sample.sink) drawSink(c, sample.sink, each);
    axes(c, { ...area, view, ink, sinkAt: sample.sink ? left - gap - sinkWidth : null, narrow }, shared.token);
    cross(c, each);
  }

  function drawSink(c: CanvasRenderingContext2D, sink: Uint8Array, each: number): void {
    const x = area.left - gap - sinkWidth;
    const rows = Math.min(view.n, Math.ceil(area.size));
    for (let i = 0; i < rows; i++) {
      let top = 0;
      const from = view.query + Math.floor((i * view.n) / rows);
      const to = view.query + Math.floor(((i + 1) * view.n) / rows);
      for (let t = from; t < to; t++) top = Math.max(top, sink[t]!);
      const share = top / 255;
      c.fillStyle = `rgb(${shared.color(stretch.checked ? Math.sqrt(share) : share).join()})`;
      c.fillRect(x, area.top + (from - view.query) * each, sinkWidth, (to - from) * each + 0.5);
    }
  }

  function cross(c: CanvasRenderingContext2D, each: number): void {
    const { left, top, size } = area;
    const key = selection.overKey ?? selection.key;
    const query = selection.overQuery ?? selection.query;
    const thick = each + 3;
    c.strokeStyle = '#ff7a1a';
    c.lineWidth = 1;
    if (key !== null && key >= view.key && key < view.key + view.n)
      c.strokeRect(left + (key - view.key + 0.5) * each - thick / 2, top, thick, size);
    if (query !== null && query >= view.query && query < view.query + view.n)
      c.strokeRect(left, top + (query - view.query + 0.5) * each - thick / 2, size, thick);
  }

  function tell(): void {
    if (sample === null) return;
    const { T } = sample.source;
    const key = selection.overKey ?? selection.key;
    const query = selection.overQuery ?? selection.query;
    const within = (s: number | null): s is number => s !== null && s < T;
    const learned = sample.sink && within(query) ? `; learned sink ${percent(sample.sink[query]! / 255)}` : '';
    if (within(key) && within(query)) {
      const value = data.causal && key > query ? 'not visible' : percent(sample.values[query * T + key]! / 255);
      output.textContent = `Query ${shared.token(query)} → key ${shared.token(key)}: ${value}${learned}`;
    } else if (within(key)) {
      let sum = 0;
      const from = data.causal ? key + 1 : 0;
      for (let t = from; t < T; t++) sum += sample.values[t * T + key]!;
      const mean = T > from ? percent(sum / 255 / (T - from)) : '–';
      output.textContent = `Key ${shared.token(key)}: ${mean} on the mean over the ${T - from}${data.causal ? ' later' : ''} queries`;
    } else
      output.textContent = 'Point at a cell to read it; arrow keys move a cell, + and − zoom, dragging moves the view.';
  }

  function zoom(factor: number, query: number, key: number): void {
    if (sample === null) return;
    const { T } = sample.source;
    const n = Math.max(Math.min(T, 8), Math.min(T, Math.round(view.n * factor)));
    const clamped = (from: number, at: number) =>
      Math.max(0, Math.min(T - n, Math.round(at - ((at - from) / view.n) * n)));
    view = { query: clamped(view.query, query), key: clamped(view.key, key), n };
    draw();
  }
  const center = () => [selection.query ?? view.query + view.n / 2, selection.key ?? view.key + view.n / 2] as const;
  const at = (event: MouseEvent) => {
    const bounds = canvas.getBoundingClientRect();
    const place = (pixel: number, from: number) => Math.floor((pixel / area.size) * view.n) + from;
    const x = event.clientX - bounds.left - area.left;
    const y = event.clientY - bounds.top - area.top;
    if (y < 0 || x >= area.size || y >= area.size || x < -gap - sinkWidth) return null;
    return { query: place(y, view.query), key: x < 0 ? null : place(x, view.key) };
  };

  let drag: { x: number; y: number; query: number; key: number; moved: boolean } | null = null;
  canvas.addEventListener('pointerdown', (event) => {
    drag = { x: event.clientX, y: event.clientY, query: view.query, key: view.key, moved: false };
    if (event.pointerType === 'mouse') canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (sample === null) return;
    if (drag !== null && event.buttons !== 0) {
      const shift = (pixels: number) => Math.round((pixels / area.size) * view.n);
      const { T } = sample.source;
      const clamp = (from: number) => Math.max(0, Math.min(T - view.n, from));
      if (Math.abs(event.clientX - drag.x) + Math.abs(event.clientY - drag.y) > 4) drag.moved = true;
      view = {
        ...view,
        query: clamp(drag.query - shift(event.clientY - drag.y)),
        key: clamp(drag.key - shift(event.clientX - drag.x)),
      };
      requestDraw();
      return;
    }
    const cell = at(event);
    shared.select({ overQuery: cell?.query ?? null, overKey: cell?.key ?? null });
  });
  canvas.addEventListener('pointerleave', () => shared.select({ overQuery: null, overKey: null }));
  canvas.addEventListener('click', (event) => {
    const cell = at(event);
    if (cell !== null && drag?.moved !== true) shared.select({ query: cell.query, key: cell.key });
    drag = null;
  });
  canvas.addEventListener('dblclick', (event) => {
    const cell = at(event);
    if (cell !== null) zoom(0.5, cell.query, cell.key ?? view.key);
  });
  canvas.addEventListener(
    'wheel',
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      const cell = at(event);
      if (cell === null) return;
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1.25 : 0.8, cell.query, cell.key ?? view.key);
    },
    { passive: false },
  );
  canvas.addEventListener('keydown', (event) => {
    if (sample === null) return;
    const { T } = sample.source;
    const step = event.shiftKey ? 10 : 1;
    const move = (
      { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] } as Record<string, number[]>
    )[event.key];
    const inside = (s: number) => Math.max(0, Math.min(T - 1, s));
    if (move !== undefined)
      shared.select({
        query: inside((selection.query ?? view.query) + move[0]! * step),
        key: inside((selection.key ?? view.key) + move[1]! * step),
      });
    else if (event.key === '+' || event.key === '=') zoom(0.5, ...center());
    else if (event.key === '-') zoom(2, ...center());
    else if (event.key === '0') zoom(T, ...center());
    else return;
    event.preventDefault();
  });
  find('pattern-in').addEventListener('click', () => zoom(0.5, ...center()));
  find('pattern-out').addEventListener('click', () => zoom(2, ...center()));
  find('pattern-all').addEventListener('click', () => zoom(1e9, ...center()));
  stretch.addEventListener('change', () => draw());
  heads.addEventListener('change', () => {
    const source = data.patterns[Number(heads.value)];
    if (source) shared.select({ layer: source.layer, head: source.head });
  });

  let waiting = false;
  let paint = false;
  function requestDraw(repaint = true): void {
    paint ||= repaint;
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw(paint);
      paint = false;
    });
  }
  shared.onSelect((changed) => {
    if ('layer' in changed || 'head' in changed) load();
    else {
      tell();
      requestDraw(false);
    }
  });
  load();
  shared.onResize(box, () => draw());
}
