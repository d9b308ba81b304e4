import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type DefaultTheme, defineConfig, type MarkdownOptions } from 'vitepress'

const root = fileURLToPath(new URL('../..', import.meta.url))
const SOURCE = 'https://github.com/larder/larder/tree/main'

const PACKAGES = [
  'cache-aside',
  'tags',
  'locks',
  'sessions',
  'rate-limit',
  'response-cache',
  'write-behind',
  'events',
  'leaderboard',
  'metrics',
  'core',
].filter((name) => existsSync(join(root, 'packages', name)))

const GUIDE: [file: string, title: string][] = [
  ['start', 'Start'],
  ['connection', 'Connecting, and failing'],
  ['strategies', 'Which strategy when'],
  ['keys', 'Keys'],
  ['invalidation', 'Invalidation'],
  ['stampedes', 'Many callers at once'],
  ['beyond', 'Locks, limits, sessions, events'],
  ['data-types', 'Which data type where'],
  ['monitoring', 'Is it any good?'],
  ['operating', 'Operating Redis'],
]

/** The decisions, each under its own first heading. */
function decisions(): DefaultTheme.SidebarItem[] {
  const folder = join(root, 'docs/decisions')
  return readdirSync(folder).map((file) => {
    const [, title] = /^# (.*)$/m.exec(readFileSync(join(folder, file), 'utf8')) ?? []
    return { text: title ?? file, link: `/decisions/${file.replace(/\.md$/, '')}` }
  })
}

/** READMEs and guarantees link to each other by their places in the repository: to a page of the site where there is one, else to the source. */
const links: NonNullable<MarkdownOptions['config']> = (md) => {
  md.core.ruler.push('larder-links', ({ tokens, env }) => {
    const page: string = env.relativePath ?? ''
    const [, name] = /^packages\/([\w-]+)\.md$/.exec(page) ?? []
    const home = name ? `packages/${name}` : join('docs', dirname(page))
    for (const token of tokens.flatMap((it) => it.children ?? [])) {
      const href = token.attrGet('href')
      if (token.type === 'link_open' && href) token.attrSet('href', translate(href, home))
    }
  })
}

function translate(href: string, home: string): string {
  if (/^(\w+:|#|\/)/.test(href)) return href
  const [path = '', hash] = href.split('#')
  const file = normalize(join(home, path))
  const [, name] = /^packages\/([\w-]+)(?:\/README\.md)?\/?$/.exec(file) ?? []
  const anchor = hash ? `#${hash}` : ''
  if (name && PACKAGES.includes(name)) return `/packages/${name}${anchor}`
  if (file.startsWith('docs/') && existsSync(join(root, file))) return `/${file.slice(5).replace(/\.md$/, '')}${anchor}`
  if (existsSync(join(root, file))) return `${SOURCE}/${file}`
  // VitePress tells of it.
  return href
}

export default defineConfig({
  title: 'Larder',
  description: 'Fastify plugins on Redis that are correct, not only fast',
  cleanUrls: true,
  lastUpdated: false,
  srcExclude: ['**/README.md', 'node_modules/**', 'dist-test/**'],
  markdown: { config: links },
  themeConfig: {
    nav: [
      { text: 'Guide', link: '/guide/start' },
      { text: 'Packages', link: '/packages/cache-aside' },
      { text: 'Guarantees', link: '/guarantees' },
      { text: 'API', link: '/api/cache-aside/src' },
    ],
    sidebar: [
      { text: 'Guide', items: GUIDE.map(([file, text]) => ({ text, link: `/guide/${file}` })) },
      { text: 'Packages', items: PACKAGES.map((text) => ({ text, link: `/packages/${text}` })) },
      {
        text: 'Guarantees',
        items: [
          { text: 'What is promised', link: '/guarantees' },
          { text: 'Fencing at the resource', link: '/locks-fencing' },
        ],
      },
      { text: 'Decisions', collapsed: true, items: decisions() },
      { text: 'API', collapsed: true, items: PACKAGES.map((text) => ({ text, link: `/api/${text}/src` })) },
    ],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: 'https://github.com/larder/larder' }],
  },
})
