import type { Shared } from './types.ts';

/**
 * The sound that was read, time across and frequency up, over the attention that each moment of it receives; the silence behind it is dimmed.
 * It has the horizontal scale of the cross-attention that stands below.
 */
export function spectrogram(shared: Shared): void {
  const { data, selection, find, percent } = shared;
  const shown = data.spectrogram;
  if (shown === null) return;
  const canvas = find<HTMLCanvasElement>('spectrogram-canvas');
  const output = find('spectrogram-output');
  const box = canvas.parentElement!;
  const { bins, columns, seconds, sound, frames } = shown;
  const left = 96;
  const [high, gap, low, axis] = [110, 6, 44, 18];
  const image = document.createElement('canvas');
  image.width = columns;
  image.height = bins;
  const roomOf = (width: number) => Math.max(64, width - left - 6);

  async function load(): Promise<void> {
    const packed = Uint8Array.from(atob(shown!.values), (character) => character.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    const values = new Uint8Array(await new Response(stream).arrayBuffer());
    const pixels = new ImageData(columns, bins);
    for (let y = 0; y < bins; y++)
      for (let x = 0; x < columns; x++)
        pixels.data.set([...shared.color(values[(bins - 1 - y) * columns + x]! / 255), 255], (y * columns + x) * 4);
    image.getContext('2d')!.putImageData(pixels, 0, 0);
    draw();
  }

  /** Attention received by each frame: what the memory receives on the mean, or what the page does in the layer chosen. */
  function received(): readonly number[] | null {
    if (data.cross) return data.cross.received;
    return shared.received(selection.stripLayer)?.received ?? null;
  }
  const chosen = () => (data.cross ? selection.memory : (selection.overKey ?? selection.key));

  function draw(): void {
    if (box.clientWidth === 0) return;
    const ratio = devicePixelRatio || 1;
    const width = box.clientWidth;
    const room = roomOf(width);
    const height = high + gap + low + axis;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const c = canvas.getContext('2d')!;
    const ink = getComputedStyle(box).color;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.imageSmoothingEnabled = false;
    c.drawImage(image, left, 0, room, high);
    c.font = '11px system-ui, sans-serif';
    c.textBaseline = 'middle';
    c.textAlign = 'right';
    c.fillStyle = ink;
    c.fillText(`${bins} bands ↑`, left - 5, high / 2);
    const shares = received();
    const top = high + gap;
    if (shares) {
      const most = shares.reduce((a, b) => Math.max(a, b), 0) || 1;
      c.fillText('received', left - 5, top + low / 2 - 7);
      c.fillText(`to ${percent(most)}`, left - 5, top + low / 2 + 7);
      const pixels = Math.max(1, Math.min(frames, Math.floor(room)));
      for (let x = 0; x < pixels; x++) {
        // A pixel that covers several frames shows the largest of them.
        let share = 0;
        for (let s = Math.floor((x * frames) / pixels); s < Math.floor(((x + 1) * frames) / pixels); s++)
          share = Math.max(share, shares[s]!);
        const tall = Math.sqrt(share / most) * low;
        c.fillRect(left + (x * room) / pixels, top + low - tall, Math.max(0.6, room / pixels), tall);
      }
    }
    const end = Math.min(1, sound / seconds);
    if (end < 1) {
      const x = left + end * room;
      c.fillStyle = 'rgba(128, 128, 128, 0.35)';
      c.fillRect(x, 0, left + room - x, high + gap + low);
      c.strokeStyle = '#ff7a1a';
      c.setLineDash([4, 3]);
      c.beginPath();
      c.moveTo(x, 0);
      c.lineTo(x, high + gap + low);
      c.stroke();
      c.setLineDash([]);
      c.font = '600 12px system-ui, sans-serif';
      const words = `silence from ${Number(sound.toFixed(2))} s`;
      if (c.measureText(words).width + 16 < left + room - x) {
        c.textAlign = 'left';
        c.fillStyle = '#fff';
        c.fillText(words, x + 8, 12);
      }
    }
    c.fillStyle = ink;
    c.font = '11px system-ui, sans-serif';
    c.textAlign = 'center';
    const step = [0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20].find((s) => (s / seconds) * room >= 48) ?? 60;
    for (let at = 0; at <= seconds * 1.0001; at += step) {
      const x = Math.max(left + 8, Math.min(left + room - 10, left + (at / seconds) * room));
      c.fillText(`${Number(at.toFixed(2))} s`, x, height - 7);
    }
    const frame = chosen();
    if (frame === null) return;
    c.strokeStyle = '#ff7a1a';
    c.strokeRect(left + (frame * room) / frames - 1, 0, Math.max(1, room / frames) + 2, high + gap + low);
  }

  function tell(): void {
    const frame = chosen();
    const shares = received();
    if (frame === null || !shares || shares[frame] === undefined) return;
    const at = (frame * seconds) / frames;
    const over = data.cross
      ? 'mean over layers, heads and queries'
      : selection.stripLayer === null
        ? 'mean over layers and heads'
        : `layer ${selection.stripLayer}`;
    const where = at >= sound ? ', in the silence behind the sound' : '';
    output.textContent = `Frame ${frame} from ${at.toFixed(2)} s${where}: receives ${percent(shares[frame]!)}; uniform attention ${percent(1 / frames)}; ${over}`;
  }

  canvas.addEventListener('pointermove', (event) => {
    const bounds = canvas.getBoundingClientRect();
    const place = Math.floor(((event.clientX - bounds.left - left) / roomOf(box.clientWidth)) * frames);
    const frame = place < 0 || place >= frames ? null : place;
    shared.select(data.cross ? { memory: frame } : { overKey: frame, overQuery: null });
  });
  canvas.addEventListener('pointerleave', () => {
    if (!data.cross) shared.select({ overKey: null, overQuery: null });
  });
  canvas.addEventListener('click', () => {
    if (!data.cross) shared.select({ key: selection.overKey });
  });
  shared.onSelect(() => {
    tell();
    draw();
  });
  tell();
  load();
  shared.onResize(box, draw);
}
