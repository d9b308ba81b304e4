import t from 'tap'
import { NARROW, NEEDS_BROWSER, overflows, seriousFindings, Visit, WIDE } from './pages/browser.js'

t.test('the pages, in a browser', NEEDS_BROWSER, async (t) => {
  const visit = await Visit.begin()
  t.teardown(() => visit[Symbol.asyncDispose]())

  await t.test('a stranger searches, opens a product and is told how it was served', async (t) => {
    const page = await visit.open('/')
    await page.getByRole('searchbox').fill('bike')
    await page.getByRole('heading', { level: 1, name: '“bike”' }).waitFor()
    await page.waitForURL(/\?q=bike$/)
    await page.locator('main [aria-busy=false]').waitFor()
    const first = page.locator('.item').first().getByRole('link')
    const name = (await first.locator('.item-name').textContent()) ?? ''
    t.match(name, /bike/i)
    await first.click()
    await page.getByRole('heading', { level: 1, name }).waitFor()
    t.equal(await page.locator('.view-head .badge-word').textContent(), 'miss')
    t.match(await page.locator('.view-head .badge-time').textContent(), /^[\d.]+ m?s$/)
    await page.reload()
    await page.getByRole('heading', { level: 1, name }).waitFor()
    t.equal(await page.locator('.view-head .badge-word').textContent(), 'hit')
    await page
      .locator('.facts')
      .getByText(/^2 \(\d+ on their way\)$|^2$/)
      .waitFor()
    await page.goBack()
    await page.getByRole('heading', { level: 1, name: '“bike”' }).waitFor()
    t.same(visit.complaints, [])
  })

  await t.test('a category has pages', async (t) => {
    const page = await visit.open('/')
    await page.getByRole('navigation', { name: 'Categories' }).getByRole('link').nth(1).click()
    await page.waitForURL(/category=\d+$/)
    await page.getByRole('link', { name: 'The next page' }).click()
    await page.waitForURL(/category=\d+&page=2$/)
    await page.getByRole('link', { name: 'Page 2' }).and(page.locator('[aria-current=page]')).waitFor()
    t.same(visit.complaints, [])
  })

  await t.test('somebody logs in, orders, and sees it among the orders and best-sellers of now', async (t) => {
    const page = await visit.open('/?product=77')
    await page.getByRole('button', { name: 'Put into the cart' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Email').fill('user3@example.com')
    await dialog.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('link', { name: /^Cart 1/ }).click()
    await page.getByRole('button', { name: 'Order', exact: true }).click()
    await page.locator('.thanks').waitFor()
    t.match(await page.locator('.thanks').textContent(), /^Order \d+ is yours: €[\d.,]+/)
    await page
      .locator('.live li')
      .filter({ has: page.locator('[href="/?product=77"]') })
      .waitFor()
    await page.locator('.best').getByRole('link').first().waitFor()
    t.match(await page.locator('.best a').first().getAttribute('href'), 'product=77')
    t.same(visit.complaints, [])
  })

  await t.test('who logs out everywhere is logged out in the other browser too', async (t) => {
    const logIn = async () => {
      const page = await visit.open('/?view=account')
      await page.getByRole('main').getByRole('button', { name: 'Log in' }).click()
      await page.getByRole('dialog').getByRole('button', { name: 'Log in' }).click()
      await page.getByRole('heading', { level: 1, name: 'user1@example.com' }).waitFor()
      return page
    }
    const [here, there] = [await logIn(), await logIn()]
    await here.reload()
    await here.locator('.devices li').nth(1).waitFor()
    t.equal(await here.locator('.devices li').count(), 2)
    await here.getByRole('button', { name: 'Log out everywhere' }).click()
    await here.getByText('You are not logged in.').waitFor()
    t.same(visit.complaints, [])
    await there.reload()
    await there.getByText('You are not logged in.').waitFor()
    t.match(visit.complaints.splice(0), [/401/], 'the other browser was refused once')
  })

  await t.test('a flood of a cold key is one load, and the charts move', async (t) => {
    const page = await visit.open('/dashboard')
    await page.getByRole('button', { name: 'Flood', exact: true }).click()
    await page.getByText('1 load', { exact: true }).waitFor()
    t.match(await page.locator('.flood').textContent(), /1 load for 200 requests/)
    const chart = page.locator('.panel canvas').first()
    const before = await chart.screenshot()
    const saved = page.locator('.headline dd').nth(1)
    const counted = await saved.textContent()
    await page.getByRole('button', { name: '5', exact: true }).click()
    await saved.and(page.locator(`:text-matches("^(?!${counted}$)")`)).waitFor()
    t.notOk(before.equals(await chart.screenshot()), 'the chart has moved')
    await page.getByRole('button', { name: 'Nobody' }).click()
    t.same(visit.complaints, [])
  })

  await t.test('wide and narrow, light and dark, axe finds nothing serious', async (t) => {
    const pages = { '/': '.item', '/?product=42': '.facts', '/?view=cart': '.empty', '/dashboard': '.panel canvas' }
    for (const [path, sight] of Object.entries(pages)) {
      const page = await visit.open(path, { reducedMotion: 'reduce' })
      await page.locator(sight).first().waitFor()
      for (const viewport of [WIDE, NARROW])
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.setViewportSize(viewport)
          await page.emulateMedia({ colorScheme })
          const name = `${path} ${colorScheme} at ${viewport.width}`
          t.same(await seriousFindings(page), [], name)
          t.notOk(await overflows(page), `${name} is no wider than its window`)
        }
      await page.context().close()
    }
    t.same(visit.complaints, [])
  })
})
