import { normal, seededRandom } from '../../random.ts';

/** Numbers of a frame's picture: two colour channels of a strip of eight points. */
const [channels, points] = [2, 8] as const;
/** Latent tokens of a frame, and numbers of each. */
export const clipTokens = 2;
export const clipLatent = 8;
/** Numbers of a frame's condition: where the blob is to be, and its identity where that is told. */
export const clipCondition = points + channels;
const spread = 0.35;

/** A blob's two colours, drawn so that E‖c‖² = 1: whoever knows nothing of them errs by 1. */
export type Identity = readonly [number, number];

export interface Clip {
  readonly identity: Identity;
  /** Where the blob is in each frame, from −1 to 1. */
  readonly places: readonly number[];
}

/** A clip whose blob swings to and fro in a way of its own. */
export function motionClip(random: () => number, frames: number): Clip {
  const colour = () => Math.sqrt(1.5) * (2 * random() - 1);
  const waves = [0.25, 0.6].map((rate) => ({ rate: rate * (0.6 + 0.8 * random()), phase: 2 * Math.PI * random() }));
  return {
    identity: [colour(), colour()],
    places: Array.from(
      { length: frames },
      (_, f) => 0.4 * waves.reduce((sum, { rate, phase }) => sum + Math.sin(rate * f + phase), 0),
    ),
  };
}

/** Brightness of a blob at every point of the strip. */
const blob = (place: number) =>
  Array.from({ length: points }, (_, i) => Math.exp(-((place - (2 * i) / (points - 1) + 1) ** 2) / (2 * spread ** 2)));

/** What is told of a frame: the blob's brightness, and its colours or zeros. */
export const conditionOf = (place: number, identity?: Identity): number[] => [...blob(place), ...(identity ?? [0, 0])];

const size = channels * points;
/** Rows of a fixed orthonormal map from pictures to latents (Gram–Schmidt on numbers from a seed). */
const map: readonly (readonly number[])[] = (() => {
  const draw = normal(seededRandom(2511));
  const rows: number[][] = [];
  while (rows.length < size) {
    let row = Array.from({ length: size }, draw);
    for (const other of rows) {
      const along = row.reduce((sum, value, i) => sum + value * other[i]!, 0);
      row = row.map((value, i) => value - along * other[i]!);
    }
    const length = Math.hypot(...row);
    rows.push(row.map((value) => value / length));
  }
  return rows;
})();

/** Latents of a frame, [tokens · latent]. */
export function latentsOf(place: number, identity: Identity): number[] {
  const light = blob(place);
  const picture = identity.flatMap((colour) => light.map((value) => colour * value));
  return map.map((row) => row.reduce((sum, value, i) => sum + value * picture[i]!, 0));
}

export interface FrameErrors {
  /** Distance of the colours found at the blob's place from those of the clip; 1: as if nothing were known of them. */
  readonly identity: number;
  /** Distance of the blob from where it was to be, on the strip of length 2. Means little where the blob has faded. */
  readonly control: number;
  /** Sum of squares of the picture that the blob found explains. */
  readonly energy: number;
}

/** What a frame's latents show, beside what they should. */
export function frameErrors(latents: ArrayLike<number>, place: number, identity: Identity): FrameErrors {
  const picture = Array.from({ length: size }, (_, i) => map.reduce((sum, row, j) => sum + row[i]! * latents[j]!, 0));
  const colours = (at: number) => {
    const light = blob(at);
    const norm = light.reduce((sum, value) => sum + value * value, 0);
    return [0, 1].map((c) => light.reduce((sum, value, i) => sum + value * picture[c * points + i]!, 0) / norm);
  };
  const found = colours(place);
  // Where one blob of any colours explains most of the picture.
  let [best, at] = [Number.NEGATIVE_INFINITY, 0];
  for (let candidate = -1; candidate <= 1.0001; candidate += 0.02) {
    const energy = blob(candidate).reduce((sum, value) => sum + value * value, 0);
    const explained = colours(candidate).reduce((sum, colour) => sum + colour * colour * energy, 0);
    if (explained > best) [best, at] = [explained, candidate];
  }
  return {
    identity: Math.hypot(found[0]! - identity[0], found[1]! - identity[1]),
    control: Math.abs(at - place),
    energy: best,
  };
}
