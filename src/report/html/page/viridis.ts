/** Viridis by linear interpolation between eleven of its colours. */
export function viridis(): (share: number) => [number, number, number] {
  const stops = '440154482475414487355f8d2a788e21918c22a88444bf707ad151bddf26fde725';
  const colors = Array.from({ length: 11 }, (_, i) =>
    [0, 2, 4].map((at) => Number.parseInt(stops.slice(i * 6 + at, i * 6 + at + 2), 16)),
  );
  return (share) => {
    const at = Math.min(1, Math.max(0, share)) * (colors.length - 1);
    const low = Math.min(colors.length - 2, Math.floor(at));
    const part = at - low;
    const mix = (i: number) => Math.round(colors[low]![i]! * (1 - part) + colors[low + 1]![i]! * part);
    return [mix(0), mix(1), mix(2)];
  };
}
