import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type ChatProcess, startChat } from '../examples/chat.process.js'
import { launchBrowser, missingBrowser } from '../support/browser.js'

const PHONE = { viewport: { width: 320, height: 560 }, isMobile: true, hasTouch: true }

describe.skipIf(missingBrowser !== undefined)('the chat in a browser', () => {
  let chat: ChatProcess
  let browser: Browser
  /** What no page may ever say: an error of its own, or a breach of its policy. */
  const complaints: string[] = []

  beforeAll(async () => {
    ;[chat, browser] = await Promise.all([startChat({ WORKERS: '3' }), launchBrowser()])
  })
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()))
    expect(complaints.splice(0)).toEqual([])
  })
  afterAll(async () => {
    await browser?.close()
    await chat?.stop()
  })

  /** Opens the chat as a new visitor. */
  async function visit(room: string, options: object = {}): Promise<Page> {
    const context = await browser.newContext(options)
    const page = await context.newPage()
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('console', (message) => {
      // A killed worker's connections are refused for a moment; the browser says so by itself.
      if (message.type() === 'error' && !message.text().includes('WebSocket')) complaints.push(message.text())
    })
    await page.goto(`${chat.url}/#${room}`)
    return page
  }

  async function enter(room: string, name: string, options: object = {}): Promise<Page> {
    const page = await visit(room, options)
    await page.getByLabel('Your name').fill(name)
    await page.getByRole('button', { name: 'Enter' }).click()
    await isBack(page)
    return page
  }

  const isBack = (page: Page) => page.locator('[data-room-joined="true"]').waitFor()
  const composer = (page: Page) => page.getByRole('textbox', { name: /^Message to/ })
  const texts = (page: Page) => page.locator('.message .text').allTextContents()
  const people = async (page: Page) => (await page.locator('.person-name').allTextContents()).sort()

  async function say(page: Page, text: string): Promise<void> {
    await composer(page).fill(text)
    await composer(page).press('Enter')
  }

  async function servedBy(page: Page): Promise<{ worker: number; pid: number }> {
    const status = page.getByRole('status').filter({ hasText: 'Connected to worker' })
    const [, worker, pid] = /worker (\d+) \(pid (\d+)\)/.exec((await status.textContent()) ?? '') ?? []
    return { worker: Number(worker), pid: Number(pid) }
  }

  /** Reloads the page until a worker other than this one serves it. */
  async function moveAwayFrom(worker: number, page: Page): Promise<void> {
    for (let attempt = 0; attempt < 30; attempt += 1) {
      if ((await servedBy(page)).worker !== worker) return
      await page.reload()
      await isBack(page)
    }
    throw new Error(`30 reloads in a row came to worker ${worker}`)
  }

  it('brings every page back when a worker is killed under them, with nothing lost and nothing doubled', async () => {
    const ada = await enter('crash', 'Ada')
    const bo = await enter('crash', 'Bo')
    const cleo = await enter('crash', 'Cleo')
    const victim = await servedBy(ada)
    await moveAwayFrom(victim.worker, bo)
    const pages = [ada, bo, cleo]
    const workers = new Set((await Promise.all(pages.map(servedBy))).map(({ worker }) => worker))
    expect(workers.size).toBeGreaterThanOrEqual(2)
    const everybody = ['Ada', 'Bo', 'Cleo']
    for (const page of pages) await expect.poll(() => people(page)).toEqual(everybody)

    const expected = ['ada before', 'bo before', 'cleo before']
    await say(ada, 'ada before')
    await expect.poll(() => texts(cleo)).toEqual(expected.slice(0, 1))
    await say(bo, 'bo before')
    await expect.poll(() => texts(cleo)).toEqual(expected.slice(0, 2))
    await say(cleo, 'cleo before')
    for (const page of pages) await expect.poll(() => texts(page)).toEqual(expected)

    // Three are on their way while the worker dies, and three are written before anything can have been repaired.
    const sent = pages.map((page, index) => say(page, `in the last moment ${index}`))
    process.kill(victim.pid, 'SIGKILL')
    await Promise.all(sent)
    for (const [index, page] of pages.entries()) await say(page, `while it was down ${index}`)

    const all = [...expected, ...pages.flatMap((_, n) => [`in the last moment ${n}`, `while it was down ${n}`])].sort()
    for (const page of pages) {
      await expect.poll(async () => (await texts(page)).sort(), { timeout: 20_000 }).toEqual(all)
      await expect.poll(() => page.locator('.unsent').count()).toBe(0)
      await expect.poll(() => people(page)).toEqual(everybody)
    }
    const [first, ...others] = await Promise.all(pages.map(texts))
    for (const other of others) expect(other).toEqual(first)
    expect((await servedBy(ada)).pid).not.toBe(victim.pid)

    // What somebody sees who only comes now is the same again.
    const dan = await enter('crash', 'Dan')
    await expect.poll(() => texts(dan)).toEqual(first)
  })

  it('keeps what was written through a reload of the page', async () => {
    const ada = await enter('reload', 'Ada')
    await say(ada, 'still here')
    await ada.locator('.message:not(.unsent)').getByText('still here').waitFor()
    await ada.reload()
    await isBack(ada)
    expect(await texts(ada)).toEqual(['still here'])
    expect(await people(ada)).toEqual(['Ada'])
  })

  it('shows markup in a name, a message or an address as text, or not at all', async () => {
    const attack = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
    const mallory = await enter('markup', '<img onerror=hacked=1 src=x>')
    const ada = await enter('markup', 'Ada')
    await say(mallory, attack)
    await say(mallory, 'javascript:window.hacked=1 and https://a.example/"onmouseover="window.hacked=1')
    await expect.poll(() => texts(ada)).toHaveLength(2)
    expect(await texts(ada)).toContain(attack)
    await composer(mallory).pressSequentially('x')
    await ada.getByText('<img onerror=hacked=1 src=x> is typing…').waitFor()
    expect(await people(ada)).toEqual(['<img onerror=hacked=1 src=x>', 'Ada'])

    const stranger = await visit(encodeURIComponent(attack))
    await stranger.getByRole('heading', { level: 1, name: 'lobby' }).waitFor({ state: 'attached' })
    await mallory.getByLabel('Open a room by its name').fill(attack)
    await mallory.getByLabel('Open a room by its name').press('Enter')
    await mallory.getByRole('alert').getByText('Up to 32 letters').waitFor()

    for (const page of [mallory, ada, stranger]) {
      expect(await page.evaluate(() => 'hacked' in globalThis)).toBe(false)
      expect(await page.locator('img, .messages script, .people script').count()).toBe(0)
    }
    const links = await ada
      .locator('.messages a')
      .evaluateAll((found) => found.map((link) => link.getAttribute('href')))
    expect(links).toEqual(['https://a.example/'])
  })

  it('answers at the composer, and gives the draft back', async () => {
    const ada = await enter('limits', 'Ada')
    const long = 'x'.repeat(10_240)
    await say(ada, long)
    await ada.getByRole('alert').getByText('A message has at most 2000 characters. Take out 8240').waitFor()
    expect(await composer(ada).inputValue()).toBe(long)
    await composer(ada).fill('short enough')
    await composer(ada).press('Enter')
    await expect.poll(() => texts(ada)).toEqual(['short enough'])

    // Faster than a person, and than a slow machine could type for one: all of them arrive in the end, in order, once.
    const many = Array.from({ length: 14 }, (_, n) => `quick ${n}`)
    await composer(ada).evaluate((box: HTMLTextAreaElement, quick) => {
      for (const text of quick) {
        box.value = text
        box.form?.requestSubmit()
      }
    }, many)
    await ada.getByRole('alert').getByText('too fast').waitFor()
    await expect.poll(() => texts(ada), { timeout: 15_000 }).toEqual(['short enough', ...many])
    await expect.poll(() => ada.locator('.unsent').count()).toBe(0)
  })

  it('refuses a name that is taken where it was chosen', async () => {
    await enter('names', 'Ada')
    const other = await visit('names')
    await other.getByLabel('Your name').fill('ADA')
    await other.keyboard.press('Enter')
    await other.getByRole('dialog').getByText('is called “Ada” already').waitFor()
    await other.getByLabel('Your name').fill('Ida')
    await other.keyboard.press('Enter')
    await isBack(other)
  })

  it('says how many messages are unread, where they begin, and in which other rooms', async () => {
    const ada = await enter('unread', 'Ada', { viewport: { width: 900, height: 420 } })
    const bo = await enter('unread', 'Bo')
    for (let n = 0; n < 9; n += 1) await say(bo, `line ${n}\nand more`)
    await expect.poll(() => texts(ada)).toHaveLength(9)
    await ada.getByRole('log').evaluate((log) => log.scrollTo(0, 0))
    await expect.poll(() => ada.getByRole('log').evaluate((log) => log.scrollTop)).toBe(0)
    await say(bo, 'below the fold')
    const button = ada.getByRole('button', { name: '1 new message' })
    await button.click()
    await button.waitFor({ state: 'hidden' })

    await ada.getByRole('log').evaluate((log) => log.scrollTo(0, 0))
    await expect.poll(() => ada.getByRole('log').evaluate((log) => log.scrollTop)).toBe(0)
    await say(bo, 'still below')
    await button.waitFor()
    await ada.getByRole('link', { name: '# lobby' }).click()
    await isBack(ada)
    await say(bo, 'are you gone?')
    await ada.getByRole('link', { name: /unread new messages/ }).click()
    await isBack(ada)
    await expect.poll(() => texts(ada)).toHaveLength(12)
    await ada.locator('.unread-separator + .message').getByText('still below').waitFor()
    // It is the list that scrolls, never the page.
    expect(await ada.evaluate(() => document.documentElement.scrollHeight <= window.innerHeight)).toBe(true)
  })

  it('needs no mouse', async () => {
    const page = await visit('keyboard')
    const { keyboard } = page
    const focused = () => page.evaluate(() => document.activeElement?.id)
    await expect.poll(focused).toBe('name-input')
    await keyboard.type('Ada')
    await keyboard.press('Enter')
    await isBack(page)
    expect(await focused()).toBe('composer-text')

    await keyboard.type('one line')
    await keyboard.press('Shift+Enter')
    await keyboard.type('and another')
    await keyboard.press('Enter')
    await expect.poll(() => texts(page)).toEqual(['one line\nand another'])
    expect(await composer(page).inputValue()).toBe('')

    await keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Send message')
    await keyboard.press('Shift+Tab')
    await keyboard.press('Shift+Tab')
    expect(await focused()).toBe('log')

    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur())
    await page.reload()
    await isBack(page)
    await page.locator('#skip-link').focus()
    await keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.getAttribute('href'))).toBe('#lobby')
    await keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'lobby' }).waitFor()
    await page.locator('#skip-link').focus()
    await keyboard.press('Enter')
    expect(await focused()).toBe('composer-text')
  })

  it('has the roles and names that a screen reader goes by', async () => {
    const page = await enter('roles', 'Ada')
    const bo = await enter('roles', 'Bo')
    await say(bo, 'first')
    await say(bo, 'second')
    const log = page.getByRole('log', { name: 'Messages in #roles' })
    await expect.poll(() => log.getByRole('listitem').filter({ hasText: 'Bo' }).count()).toBe(2)
    expect(await log.getAttribute('aria-live')).toBe('polite')
    await page.getByRole('heading', { level: 1, name: 'roles' }).waitFor()
    await page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: /roles/ }).waitFor()
    await page.getByRole('textbox', { name: 'Message to #roles' }).waitFor()
    await page.getByRole('status').filter({ hasText: 'Connected to worker' }).waitFor()
    await page.getByRole('button', { name: 'Wave at Bo' }).click()
    await bo.getByRole('status').filter({ hasText: 'Ada waves at you' }).waitFor()
    // Every control has something that a screen reader can call it.
    const controls = /(?:button|link|textbox|log|navigation)\b.*/g
    const found = (await page.locator('body').ariaSnapshot()).match(controls) ?? []
    expect(found.length).toBeGreaterThan(10)
    expect(found.filter((control) => !/^\w+ "[^"]+"/.test(control))).toEqual([])
  })

  it('fits a small phone: the rooms are a drawer, and nothing is wider than the screen', async () => {
    const page = await enter('phone', 'Somebody with quite a long name', PHONE)
    await say(page, 'x'.repeat(400))
    await expect.poll(() => texts(page)).toHaveLength(1)
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320)
    const link = page.getByRole('link', { name: '# garden' })
    expect(await link.isVisible()).toBe(false)
    const menu = page.getByRole('button', { name: 'Rooms and people', exact: true })
    await menu.click()
    await link.waitFor()
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('close-sidebar')
    await page.keyboard.press('Escape')
    await link.waitFor({ state: 'hidden' })
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('open-sidebar')
    await menu.click()
    await link.click()
    await page.getByRole('heading', { level: 1, name: 'garden' }).waitFor()
    await link.waitFor({ state: 'hidden' })
  })

  it.each(['light', 'dark'] as const)('can be read: AA contrast in the %s scheme', async (colorScheme) => {
    const room = `contrast-${colorScheme}`
    const page = await enter(room, 'Ada', { colorScheme })
    const bo = await enter(room, 'Bo')
    await say(bo, 'hello, see https://a.example')
    await say(page, 'yes, https://b.example')
    await expect.poll(() => page.locator('.message:not(.unsent)').count()).toBe(2)
    await page.getByRole('status').filter({ hasText: 'Connected to worker' }).waitFor()
    expect(await page.evaluate(findPoorContrast)).toEqual([])
  })
})

/** Runs in the page: text whose contrast with what is behind it is below 4.5 to 1. */
function findPoorContrast(): string[] {
  const parse = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number)
  const luminance = (color: number[]) => {
    const [red = 0, green = 0, blue = 0] = color
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const behind = (element: Element | null): number[] => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor)
      if (color[3] === undefined || color[3] === 1) return color
    }
    return [255, 255, 255]
  }
  const poor: string[] = []
  for (const element of document.querySelectorAll('body *')) {
    const ownText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim())
    if (!ownText || !element.checkVisibility({ visibilityProperty: true })) continue
    const [one = 0, other = 0] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))].sort(
      (a, b) => b - a,
    )
    const ratio = (one + 0.05) / (other + 0.05)
    if (ratio < 4.5)
      poor.push(`${ratio.toFixed(2)} “${element.textContent?.trim().slice(0, 40)}” .${element.className}`)
  }
  return poor
}
