/**
 * The legend of axis letters, defined once:
 *
 * B batch · T query position · S key position · L layers · H query heads · G key/value heads · R query heads per key/value head (H = G·R) ·
 * D head width · M model width · F feed-forward width · V vocabulary · E experts · K chosen experts · C classes · P patches ·
 * I rotary index · J pair or part. Names of more than one letter are allowed and come after these.
 */
const order = ['L', 'B', 'G', 'R', 'H', 'E', 'K', 'C', 'P', 'T', 'S', 'M', 'F', 'V', 'J', 'I', 'D'];

const rank = (axis: string) => {
  const place = order.indexOf(axis);
  return place < 0 ? order.length : place;
};

/** Axes in the one canonical order: letters of the legend first, other names after them, alphabetically. */
export function canonical(axes: Iterable<string>): string[] {
  return [...axes].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0));
}
