import type { Shared } from './types.ts';

/** The sink map: layers down, heads across, on a canvas; pointer and arrow keys choose a head. */
export function map(shared: Shared): void {
  const { data, selection, find, make, percent } = shared;
  const box = find('map');
  const canvas = find<HTMLCanvasElement>('map-canvas');
  const output = find('map-output');
  const choice = find<HTMLSelectElement>('map-choice');
  const left = 34;
  const top = 22;
  const right = Math.max(46, ...data.marks.map((mark) => 50 + mark.length * 6));
  const sampled = new Set(data.patterns.map(({ layer, head }) => `${layer} ${head}`));
  let cellWidth = 1;
  let cellHeight = 1;
  let over: { layer: number; head: number } | null = null;

  data.maps.forEach(({ title }, i) => {
    const option = make('option', title);
    option.value = String(i);
    choice.append(option);
  });
  const chosen = () => data.maps[Number(choice.value)] ?? data.maps[0]!;
  const write = (value: number) => {
    const { unit } = chosen();
    return unit === null ? percent(value) : `${short(value)} ${unit}`;
  };
  const short = (value: number) => (value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(2))));

  function draw(): void {
    const ratio = devicePixelRatio || 1;
    const width = box.clientWidth;
    cellWidth = Math.max(1.5, Math.min(34, (width - left - right) / data.heads));
    cellHeight = Math.max(5, Math.min(18, 1100 / data.layers, Math.max(cellWidth, 12)));
    const height = top + data.layers * cellHeight + 6;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const c = canvas.getContext('2d')!;
    const ink = getComputedStyle(box).color;
    c.scale(ratio, ratio);
    c.font = '11px system-ui, sans-serif';
    c.textBaseline = 'middle';
    const { values, most, unit } = chosen();
    const brief = (value: number) => (unit === null ? String(Math.round(value * 100)) : short(value));
    const headStep = [1, 2, 4, 5, 8, 10, 16, 20, 32, 64, 128].find((step) => step * cellWidth >= 20) ?? 256;
    const layerStep = [1, 2, 4, 5, 10, 20].find((step) => step * cellHeight >= 12) ?? 50;
    c.fillStyle = ink;
    c.textAlign = 'center';
    for (let h = 0; h < data.heads; h += headStep) c.fillText(String(h), left + (h + 0.5) * cellWidth, top - 8);
    values.forEach((row, l) => {
      const y = top + l * cellHeight;
      c.fillStyle = ink;
      c.textAlign = 'right';
      if (l % layerStep === 0) c.fillText(String(l), left - 6, y + cellHeight / 2);
      row?.forEach((value, h) => {
        const [red, green, blue] = shared.color(value / most);
        const x = left + h * cellWidth;
        c.fillStyle = `rgb(${red},${green},${blue})`;
        c.fillRect(x, y, cellWidth + 0.3, cellHeight + 0.3);
        const bright = value > 0.45 * most;
        c.fillStyle = bright ? '#000' : '#fff';
        if (cellWidth >= 22 && cellHeight >= 13) {
          c.textAlign = 'center';
          c.fillText(brief(value), x + cellWidth / 2, y + cellHeight / 2 + 0.5);
        }
        if (sampled.has(`${l} ${h}`)) c.fillRect(x + Math.max(0, cellWidth - 4), y + 1, 3, 3);
      });
      if (row === null) hatch(c, y, ink);
      c.fillStyle = ink;
      c.textAlign = 'left';
      const x = left + data.heads * cellWidth + 6;
      if (l % layerStep !== 0) return;
      const mean =
        row === null ? 'n/a' : `${brief(row.reduce((a, b) => a + b, 0) / row.length)}${unit === null ? ' %' : ''}`;
      c.fillText(`${mean}  ${data.marks[l] ?? ''}`, x, y + cellHeight / 2);
    });
    c.lineWidth = 2;
    const outline = (layer: number, head: number, style: string) => {
      c.strokeStyle = style;
      c.strokeRect(left + head * cellWidth, top + layer * cellHeight, Math.max(3, cellWidth), cellHeight);
    };
    if (over !== null) outline(over.layer, over.head, ink);
    outline(selection.layer, selection.head, '#ff7a1a');
  }

  /** A layer without values: slanted lines, in no colour of the scale. */
  function hatch(c: CanvasRenderingContext2D, y: number, ink: string): void {
    c.save();
    c.beginPath();
    c.rect(left, y, data.heads * cellWidth, cellHeight);
    c.clip();
    c.globalAlpha = 0.35;
    c.strokeStyle = ink;
    c.lineWidth = 1;
    c.beginPath();
    for (let x = left - cellHeight; x < left + data.heads * cellWidth; x += 6) {
      c.moveTo(x, y + cellHeight);
      c.lineTo(x + cellHeight, y);
    }
    c.stroke();
    c.restore();
  }

  function tell(layer: number, head: number): void {
    const { values, uniform, none } = chosen();
    const row = values[layer];
    const value = row ? write(row[head]!) : `n/a, ${none}`;
    const even = uniform?.[layer] ?? null;
    const baseline = row && even !== null ? ` (uniform attention: ${write(even)})` : '';
    const mark = data.marks[layer] ? `; this layer: ${data.marks[layer]}` : '';
    const sample = sampled.has(`${layer} ${head}`) ? '; its pattern was kept' : '';
    output.textContent = `Layer ${layer}, head ${head}: ${value}${baseline}${mark}${sample}`;
  }

  const at = (event: PointerEvent | MouseEvent) => {
    const bounds = canvas.getBoundingClientRect();
    const head = Math.floor((event.clientX - bounds.left - left) / cellWidth);
    const layer = Math.floor((event.clientY - bounds.top - top) / cellHeight);
    return layer >= 0 && layer < data.layers && head >= 0 && head < data.heads ? { layer, head } : null;
  };
  const choose = (layer: number, head: number) => {
    shared.select({ layer, head, ...(selection.stripLayer === null ? {} : { stripLayer: layer }) });
  };
  canvas.addEventListener('pointermove', (event) => {
    over = at(event);
    if (over !== null) tell(over.layer, over.head);
    draw();
  });
  canvas.addEventListener('pointerleave', () => {
    over = null;
    tell(selection.layer, selection.head);
    draw();
  });
  canvas.addEventListener('click', (event) => {
    const cell = at(event);
    if (cell !== null) choose(cell.layer, cell.head);
  });
  canvas.addEventListener('keydown', (event) => {
    const step = (
      { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] } as Record<string, number[]>
    )[event.key];
    if (step === undefined) return;
    event.preventDefault();
    choose(
      Math.min(data.layers - 1, Math.max(0, selection.layer + step[0]!)),
      Math.min(data.heads - 1, Math.max(0, selection.head + step[1]!)),
    );
  });
  choice.addEventListener('change', () => {
    describe();
    tell(selection.layer, selection.head);
    list();
    draw();
  });

  function describe(): void {
    find('map-about').textContent = chosen().about;
    find('ramp-least').textContent = write(0);
    find('ramp-most').textContent = write(chosen().most);
    find('map-none').hidden = !chosen().values.includes(null);
    find('map-none-text').textContent = `n/a: ${chosen().none}`;
  }

  const details = find<HTMLDetailsElement>('map-details');
  /** The same numbers as a table, made when it is opened. */
  function list(): void {
    if (!details.open) return;
    const table = make('table');
    const head = table.createTHead().insertRow();
    head.append(make('th', 'layer'), ...Array.from({ length: data.heads }, (_, h) => make('th', `head ${h}`)));
    const body = table.createTBody();
    chosen().values.forEach((row, l) => {
      const line = body.insertRow();
      line.append(make('th', String(l)));
      for (let h = 0; h < data.heads; h++) line.insertCell().textContent = row === null ? 'n/a' : write(row[h]!);
    });
    find('map-table').replaceChildren(table);
  }
  details.addEventListener('toggle', list);
  const legend = find<HTMLCanvasElement>('ramp').getContext('2d')!;
  for (let x = 0; x < 256; x++) {
    legend.fillStyle = `rgb(${shared.color(x / 255).join()})`;
    legend.fillRect(x, 0, 1, 10);
  }
  if (data.patterns.length > 0) find('map-sampled').textContent = 'dot: a pattern was kept';
  describe();
  shared.onSelect((changed) => {
    if (!('layer' in changed || 'head' in changed)) return;
    tell(selection.layer, selection.head);
    draw();
  });
  shared.onResize(box, draw);
  tell(selection.layer, selection.head);
}
