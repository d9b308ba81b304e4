import { createHash } from 'node:crypto'
import type { Assets } from './assets.js'

/** One of the two pages. */
export type PageName = 'storefront' | 'dashboard'

const TITLES: Record<PageName, [title: string, description: string]> = {
  storefront: ['The Larder shop', 'A small shop whose every page says how it was served: from the cache, or not.'],
  dashboard: ['Larder at work', 'Caches, locks, sessions and limits of the Larder shop, live, with experiments.'],
}

/** The style sheets of a page, in the order in which one overrides another. */
const STYLES: Record<PageName, string[]> = {
  storefront: ['storefront', 'views', 'beside', 'narrow'],
  dashboard: ['dashboard'],
}

/** A page and the headers that it is sent with. */
export type Document = { html: string; headers: Readonly<Record<string, string>> }

/**
 * Makes the frame of a page, which its modules fill. Nothing is fetched from elsewhere, and no script runs that is not ours.
 */
export function makeDocument(page: PageName, assets: Assets): Document {
  const [title, description] = TITLES[page]
  const importMap = JSON.stringify({ imports: assets.imports })
  const modules = [...Object.values(assets.imports), ...assets.modules('shared'), ...assets.modules(page)]
  const font = (name: string) =>
    `<link rel="preload" as="font" type="font/woff2" crossorigin href="${assets.url(`vendor/@fontsource-variable-${name}`)}">`
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="${description}">
<meta name="color-scheme" content="light dark">
<link rel="icon" type="image/svg+xml" href="${assets.url('styles/mark.svg')}">
${font('besley-besley-latin-wght-normal.woff2')}
${font('archivo-archivo-latin-wdth-normal.woff2')}
<link rel="stylesheet" href="${assets.url('vendor/uplot-uPlot.min.css')}">
${['tokens', 'base', ...STYLES[page]].map((name) => `<link rel="stylesheet" href="${assets.url(`styles/${name}.css`)}">`).join('\n')}
<script src="${assets.url('web/early.js')}"></script>
<script type="importmap">${importMap}</script>
${modules.map((url) => `<link rel="modulepreload" href="${url}">`).join('\n')}
<script type="module" src="${assets.url(`web/${page}/main.js`)}"></script>
</head>
<body>
<div id="page"><noscript><p class="plain">This page needs JavaScript. The shop itself is a JSON API:
<a href="/documentation">see all its routes</a>.</p></noscript></div>
</body>
</html>
`
  return { html, headers: headersFor(importMap) }
}

function headersFor(importMap: string): Record<string, string> {
  const hash = createHash('sha256').update(importMap).digest('base64')
  const policy = [
    "default-src 'none'",
    `script-src 'self' 'sha256-${hash}'`,
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
  return {
    'content-type': 'text/html; charset=utf-8',
    // The frame names the version of all the rest: it is asked for anew each time.
    'cache-control': 'no-cache',
    'content-security-policy': policy.join('; '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
  }
}
