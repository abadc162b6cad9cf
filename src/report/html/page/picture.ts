import type { Shared } from './types.ts';

/** The picture that was scanned under the attention its patches receive, with its sinks framed and its patches of high norm dotted; pointing at a patch reads it out. */
export function picture(shared: Shared): void {
  const { data, selection, find } = shared;
  const shown = data.picture;
  if (shown === null) return;
  const canvas = find<HTMLCanvasElement>('picture-canvas');
  const heat = find<HTMLInputElement>('picture-heat');
  const { width, height, rows, columns } = shown;
  const positions = new Map(
    data.tokens.flatMap(({ patch }, s) => (patch ? [[patch.row * columns + patch.column, s] as const] : [])),
  );
  const image = document.createElement('canvas');
  image.width = width;
  image.height = height;

  async function load(): Promise<void> {
    const packed = Uint8Array.from(atob(shown!.rgb), (character) => character.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    const rgb = new Uint8Array(await new Response(stream).arrayBuffer());
    const pixels = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      pixels.data.set(rgb.subarray(i * 3, i * 3 + 3), i * 4);
      pixels.data[i * 4 + 3] = 255;
    }
    image.getContext('2d')!.putImageData(pixels, 0, 0);
    draw();
  }

  function draw(): void {
    const ratio = devicePixelRatio || 1;
    const side = Math.min(384, Math.max(160, canvas.parentElement!.clientWidth - 2));
    const scale = side / Math.max(width, height);
    const [w, h] = [width * scale, height * scale];
    canvas.width = Math.round(w * ratio);
    canvas.height = Math.round(h * ratio);
    canvas.style.width = `${w}px`;
    canvas.style.height = `${h}px`;
    const c = canvas.getContext('2d')!;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.drawImage(image, 0, 0, w, h);
    const received = heat.checked ? shared.received(selection.stripLayer)?.received : undefined;
    if (received) {
      const end = shared.end(received);
      for (const [place, s] of positions) {
        const [row, column] = [Math.floor(place / columns), place % columns];
        const [left, right] = [(column * w) / columns, ((column + 1) * w) / columns];
        const [top, bottom] = [(row * h) / rows, ((row + 1) * h) / rows];
        c.fillStyle = `rgba(${shared.color(Math.sqrt(received[s]! / end)).join()}, 0.6)`;
        c.fillRect(left, top, right - left, bottom - top);
      }
    }
    const frame = (s: number, color: string, thick: number, dash: number[], inset = 0) => {
      const patch = data.tokens[s]?.patch;
      if (patch === undefined) return;
      const [x, y] = [(patch.column * w) / columns + inset, (patch.row * h) / rows + inset];
      // Light under dark, so that a frame is seen on any picture.
      for (const [style, more] of [
        ['#fff', 2],
        [color, 0],
      ] as const) {
        c.strokeStyle = style;
        c.lineWidth = thick + more;
        c.setLineDash(more > 0 ? [] : dash);
        c.strokeRect(x, y, w / columns - 2 * inset, h / rows - 2 * inset);
      }
    };
    for (const s of data.sinks) frame(s, '#c04f00', 2, []);
    // Within, where a patch is both.
    for (const s of data.highNorm) frame(s, '#0b3d91', 2, [2, 2], 4);
    const key = selection.overKey ?? selection.key;
    if (key !== null) frame(key, '#000', 1, []);
  }

  const at = (event: MouseEvent) => {
    const bounds = canvas.getBoundingClientRect();
    const row = Math.floor(((event.clientY - bounds.top) / bounds.height) * rows);
    const column = Math.floor(((event.clientX - bounds.left) / bounds.width) * columns);
    return positions.get(row * columns + column) ?? null;
  };
  canvas.addEventListener('pointermove', (event) => shared.select({ overKey: at(event), overQuery: null }));
  canvas.addEventListener('pointerleave', () => shared.select({ overKey: null, overQuery: null }));
  canvas.addEventListener('click', (event) => shared.select({ key: at(event) }));
  shared.onSelect((changed) => {
    if ('overKey' in changed || 'key' in changed || 'stripLayer' in changed) draw();
  });
  heat.addEventListener('change', draw);
  load();
  shared.onResize(canvas.parentElement!, draw);
}
