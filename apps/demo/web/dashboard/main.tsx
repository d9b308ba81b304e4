import { render } from 'preact'
import { Mark } from '../shared/mark.js'
import { ThemeButton } from '../shared/theme.js'
import { Flood } from './flood.js'
import { Headline } from './headline.js'
import { Limit } from './limit.js'
import { Panels } from './panels.js'
import { Renewal } from './renewal.js'
import { connected, listen } from './stream.js'
import { CacheSwitch, LockQueue, RedisSwitch, Visitors } from './switches.js'

function Dashboard() {
  return (
    <>
      <a class="skip" href="#main">
        Skip to the figures
      </a>
      <header class="top">
        <Mark here="dashboard" />
        <p class="state" role="status">
          {connected.value ? 'live' : 'The shop does not answer'}
        </p>
        <nav class="top-links" aria-label="More">
          <a href="/documentation">API</a>
          <ThemeButton />
        </nav>
      </header>
      <div class="board">
        <main id="main" tabIndex={-1}>
          <h1>Larder at work</h1>
          <Headline />
          <Panels />
        </main>
        <aside aria-labelledby="experiments">
          <h2 id="experiments">Experiments</h2>
          <p class="about">They are real: they happen to this shop, now.</p>
          <Visitors />
          <Flood />
          <Renewal />
          <LockQueue />
          <Limit />
          <CacheSwitch />
          <RedisSwitch />
        </aside>
      </div>
    </>
  )
}

const page = document.getElementById('page')
if (page) {
  page.replaceChildren()
  render(<Dashboard />, page)
}
listen()
