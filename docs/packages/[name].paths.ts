import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const packages = fileURLToPath(new URL('../../packages', import.meta.url))
const readme = (name: string): string => `${packages}/${name}/README.md`

/** A page for each package: its README. */
export default {
  watch: ['../../packages/*/README.md'],
  paths: (): { params: { name: string }; content: string }[] =>
    readdirSync(packages)
      .filter((name) => existsSync(readme(name)))
      .map((name) => ({ params: { name }, content: readFileSync(readme(name), 'utf8') })),
}
