import { embeddedJson } from '../escape.ts';
import { style } from './style.ts';

export interface Shell {
  /** Plain text. */
  title: string;
  /** Markup from `Builder` elements only. */
  body: HTMLElement;
  /** The page's one script, ours, and the data it reads. */
  script?: string;
  data?: unknown;
}

/**
 * A page that needs nothing but itself and may load nothing: its policy allows the one style and the one script by their hashes.
 * Untrusted text reaches it as text nodes of `body` or inside the JSON, where `<`, `>` and `&` are escaped.
 */
export async function shell({ title, body, script, data }: Shell): Promise<string> {
  const policy = [
    "default-src 'none'",
    `style-src ${await hash(style)}`,
    ...(script === undefined ? [] : [`script-src ${await hash(script)}`]),
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const head = body.ownerDocument.createElement('title');
  head.textContent = title;
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    head.outerHTML,
    '<link rel="icon" href="data:,">',
    `<style>${style}</style>`,
    '</head>',
    body.outerHTML.replace(/<\/body>$/, ''),
    ...(data === undefined ? [] : [`<script type="application/json" id="data">${embeddedJson(data)}</script>`]),
    ...(script === undefined ? [] : [`<script>${script}</script>`]),
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

async function hash(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return `'sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}'`;
}
