import { accessSync, constants, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { ShopProcess } from '../smoke/shop-process.js'

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Windows that people have. */
export const WIDE = { width: 1440, height: 900 }
export const NARROW = { width: 390, height: 844 }

/** Where the browser is; without one the tests are skipped. */
const executablePath = process.env.LARDER_CHROMIUM || onPath()
export const NEEDS_BROWSER = executablePath === undefined ? { skip: 'there is no Chromium here' } : {}

/** A shop, a browser, and what the pages complained about. */
export class Visit implements AsyncDisposable {
  readonly address: string
  /** Errors on the console of any page, and exceptions that nobody caught. */
  readonly complaints: string[] = []
  readonly #shop: ShopProcess
  readonly #browser: Browser

  private constructor(address: string, shop: ShopProcess, browser: Browser) {
    this.address = address
    this.#shop = shop
    this.#browser = browser
  }

  /** Opens a shop and a browser. */
  static async begin(environment: NodeJS.ProcessEnv = {}): Promise<Visit> {
    const shop = new ShopProcess(environment)
    const options = { args: FLAGS, ...(executablePath && { executablePath }) }
    const [address, browser] = await Promise.all([shop.address(), chromium.launch(options)])
    return new Visit(address, shop, browser)
  }

  /** A person's browser: nobody else's cookies. */
  async person(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await this.#browser.newContext({ baseURL: this.address, viewport: WIDE, ...options })
    context.setDefaultTimeout(15_000)
    context.on('console', (message) => message.type() === 'error' && this.complaints.push(message.text()))
    context.on('weberror', (error) => this.complaints.push(error.error().stack ?? String(error.error())))
    return context
  }

  /** Opens a page in a browser of its own. */
  async open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.person(options)
    const page = await context.newPage()
    await page.goto(path)
    return page
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close()
    await this.#shop.stop()
  }
}

/** What axe finds serious or critical on a page. */
export async function seriousFindings(page: Page): Promise<string[]> {
  // The page's policy lets no script in that is not its own; what is evaluated comes in through the browser.
  await page.evaluate(AXE)
  const found = await page.evaluate(async () => {
    type Axe = { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> }
    const { axe } = globalThis as unknown as { axe: Axe }
    return (await axe.run()).violations
  })
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`)
}

/** Whether something of the page is wider than its window. */
export function overflows(page: Page): Promise<boolean> {
  return page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')
}

function onPath(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
