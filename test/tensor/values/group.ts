import { groupPlaces, groupRows, topIds } from '../../../src/tensor/index.ts';
import { check } from '../check.ts';
import { type Named, table } from '../reference.ts';

/** Rows and choices in the order of the ids, then of the rows. */
function pairs(ids: Named): { id: number; T: number; J: number }[] {
  const all = Array.from({ length: ids.sizes.T! * ids.sizes.J! }, (_, i) => {
    const [T, J] = [Math.floor(i / ids.sizes.J!), i % ids.sizes.J!];
    return { id: ids.at({ T, J }), T, J };
  });
  return all.sort((a, b) => a.id - b.id);
}

check(
  'groupRows',
  'gives the rows in which an id occurs, perhaps none',
  ['T J:natural'],
  (ids) => groupRows(ids, 'J', { groups: 7, group: 3 }, 'N'),
  (ids) => {
    const rows = pairs(ids).filter(({ id }) => id === 3);
    return table({ N: rows.length }, (i) => rows[i.N!]!.T);
  },
);
check(
  'groupRows',
  'gives all rows of one group, each as often as it chose',
  ['J T:zero'],
  (ids) => groupRows(ids, 'J', { groups: 1, group: 0 }, 'N'),
  (ids) => table({ N: 2 * ids.sizes.T! }, (i) => Math.floor(i.N! / 2)),
);
check(
  'groupPlaces',
  'says where each choice lies among those of all groups',
  ['T J:natural'],
  (ids) => groupPlaces(ids, 'J'),
  (ids) => {
    const all = pairs(ids);
    return table(ids.sizes, (i) => all.findIndex(({ T, J }) => T === i.T && J === i.J));
  },
);
check(
  'topIds',
  'gives the places of the largest, the largest first',
  ['B T E'],
  (x) => topIds(x, 'E', 3, 'K'),
  (x) => placesOfLargest(x, 3),
);
check(
  'topIds',
  'gives the place of the largest along an axis that is not last',
  ['E T'],
  (x) => topIds(x, 'E', 1, 'K'),
  (x) => placesOfLargest(x, 1),
);

function placesOfLargest(x: Named, count: number): Named {
  const { E, ...rest } = x.sizes;
  return table({ ...rest, K: count }, (i) => {
    const row = Array.from({ length: E! }, (_, e) => x.at({ ...i, E: e }));
    const places = row.map((_, e) => e).sort((a, b) => row[b]! - row[a]!);
    return places[i.K!]!;
  });
}
