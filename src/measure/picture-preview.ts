import type { PicturePreview } from './result.ts';

/**
 * A picture made small enough to be kept in a result: each pixel the mean of those it covers.
 *
 * @param picture [Y, X, C] red, green and blue in 0 to 255.
 * @param most pixels of its longer side. Default 256.
 */
export function picturePreview(
  picture: { readonly width: number; readonly height: number; readonly data: Uint8Array },
  most = 256,
): PicturePreview {
  const { width: W, height: H, data } = picture;
  const scale = Math.min(1, most / Math.max(W, H));
  const [width, height] = [Math.max(1, Math.round(W * scale)), Math.max(1, Math.round(H * scale))];
  let text = '';
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const sums = [0, 0, 0];
      const [top, bottom] = [Math.floor((y * H) / height), Math.floor(((y + 1) * H) / height)];
      const [left, right] = [Math.floor((x * W) / width), Math.floor(((x + 1) * W) / width)];
      for (let v = top; v < bottom; v++)
        for (let u = left; u < right; u++) for (let c = 0; c < 3; c++) sums[c]! += data[(v * W + u) * 3 + c]!;
      const count = (bottom - top) * (right - left);
      text += String.fromCharCode(...sums.map((sum) => Math.round(sum / count)));
    }
  return { width, height, rgb: btoa(text) };
}
