import { LoadError } from '../../error.ts';
import { quote } from '../strict-json.ts';
import type { Architecture } from './architecture.ts';
import type { GgufTensorInfo } from './header.ts';
import type { Config } from './metadata.ts';
import type { Recipe, Site } from './recipe.ts';

/** A tensor's name with `#` for the block's number and `*` for a second one, as the tables have it. */
interface Place {
  readonly pattern: string;
  readonly block: string;
  readonly index: string;
}

function placeOf(name: string): Place {
  const [, block, first, index, last] =
    /^blk\.(0|[1-9]\d{0,4})\.(.+?)(?:\.(0|[1-9]\d{0,3}))?(\.[a-z]+)?$/.exec(name) ?? [];
  if (block === undefined || first === undefined) return { pattern: name, block: '#', index: '*' };
  return { pattern: `blk.#.${first}${index === undefined ? '' : '.*'}${last ?? ''}`, block, index: index ?? '*' };
}

/**
 * How every tensor of the checkpoint comes from the file's, by Hugging Face name. Blocks from `layers` on are left out. Throws a LoadError for tensors
 * that no one knows.
 */
export function recipesOf(
  infos: ReadonlyMap<string, GgufTensorInfo>,
  { name: architecture, targets }: Architecture & { readonly name: string },
  config: Config,
  { place, layers }: { readonly place: string; readonly layers: number },
): ReadonlyMap<string, Recipe> {
  const recipes = new Map<string, Recipe>();
  for (const info of infos.values()) {
    if (info.name === 'rope_freqs.weight') continue;
    const { pattern, block, index } = placeOf(info.name);
    if (Number(block) >= layers) continue;
    const fail = (what: string): never => {
      throw new LoadError(`${place}: tensor ${quote(info.name)} ${what}`);
    };
    const target = Object.hasOwn(targets, pattern)
      ? targets[pattern]!
      : fail(`is not known for architecture ${architecture}`);
    const site: Site = {
      info,
      find: (other) => infos.get(other.replace('#', block)),
      count: (key) => config[key] as number,
      divides(ok, into) {
        if (!ok) fail(`of shape [${info.shape}] cannot be divided into ${into}`);
      },
      fail,
    };
    const made = typeof target === 'string' ? [{ name: target, parts: [info], shape: info.shape }] : target(site);
    for (const recipe of made) {
      const name = recipe.name.replace('#', block).replace('*', index);
      if (recipes.has(name)) fail(`would be ${quote(name)}, which another tensor is already`);
      recipes.set(name, recipe);
    }
  }
  return recipes;
}
