import { axes } from './page/axes.ts';
import { boot, type Parts } from './page/boot.ts';
import { cross } from './page/cross.ts';
import { map } from './page/map.ts';
import { picture } from './page/picture.ts';
import { render } from './page/render.ts';
import { spectrogram } from './page/spectrogram.ts';
import { strip } from './page/strip.ts';
import { viewer } from './page/viewer.ts';
import { viridis } from './page/viridis.ts';

/** The text of the page's one script: the functions of `page/`, as they are. */
export function pageScript(): string {
  const parts: Parts = { viridis, map, strip, viewer, picture, cross, spectrogram, render, axes };
  const texts = Object.entries(parts).map(([name, part]) => `${name}: ${part}`);
  const text = `'use strict';\n(${boot})({\n${texts.join(',\n')}\n});`;
  return text.replace(/<(?=\/script|!--|script)/gi, '\\x3c');
}
