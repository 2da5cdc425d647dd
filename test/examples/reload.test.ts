import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freePort } from '../support/free-port.js'
import { type ExampleProcess, startExample } from './example.process.js'
import { HttpConnection } from './http-connection.js'

const directory = mkdtempSync(join(tmpdir(), 'troupe-reload-'))
const file = join(directory, 'release.txt')
let example: ExampleProcess
let url: string
let load: Load

beforeAll(async () => {
  const port = await freePort()
  url = `http://127.0.0.1:${port}`
  example = startExample('reload', { PORT: String(port), WORKERS: '2', RELEASE_FILE: file })
  await example.printed(/Release one is live/)
  load = new Load()
})
afterAll(async () => {
  await load?.end()
  await example?.stop()
  rmSync(directory, { recursive: true })
})

/** Requests without a pause, half of them over a connection of its own each, from the first test to the last. */
class Load {
  /** The release that answered last. */
  last = ''
  answers = 0
  readonly failures: unknown[] = []
  #goesOn = true
  readonly #clients = [true, true, false, false].map((keepAlive) => this.#run(keepAlive))

  async end(): Promise<void> {
    this.#goesOn = false
    await Promise.all(this.#clients)
  }

  async #run(keepAlive: boolean): Promise<void> {
    let connection = new HttpConnection(url)
    while (this.#goesOn) {
      try {
        const { status, body } = await connection.send('GET', '/')
        if (status !== 200) throw new Error(`${status} ${body}`)
        this.last = /Release (\w+)/.exec(body)![1]!
        this.answers += 1
      } catch (error) {
        this.failures.push(error)
      }
      if (keepAlive) continue
      connection.close()
      connection = new HttpConnection(url)
    }
    connection.close()
  }
}

/** Writes a release's name into the file, and waits for what is said when the deploy has ended. */
async function deploy(release: string): Promise<string> {
  const from = example.output().length
  writeFileSync(file, `${release}\n`)
  const [outcome] = await example.printed(RegExp(`Release ${release} (is live|does not go live).*`, 's'), from)
  return outcome
}

it('goes from one release to the next without a failed request, and a slow one is finished by the old release', async () => {
  const slow = fetch(`${url}/slow`)
  await expect.poll(() => load.answers, { timeout: 10_000 }).toBeGreaterThan(100)
  expect(load.last).toBe('one')
  expect(await deploy('two')).toMatch(/^Release two is live/)
  expect(await (await slow).text()).toMatch(/^Release one/)
  await expect.poll(() => load.last).toBe('two')
  expect(load.failures).toEqual([])
})

it.each([
  ['broken', 'cannot start', /exited with code 1.*PRICE_LIST is not set: where are the prices\?/s],
  ['flaky', 'dies soon after', /exited with code 1.*the cache cannot be warmed/s],
])('gives up %s, which %s, and says why, while the old release serves on', async (release, _, why) => {
  const outcome = await deploy(release)
  expect(outcome).toMatch(RegExp(`^Release ${release} does not go live. The reload was given up`))
  await example.printed(why)
  const { answers } = load
  await expect.poll(() => load.answers, { timeout: 10_000 }).toBeGreaterThan(answers + 100)
  expect(load.last).toBe('two')
  expect(load.failures).toEqual([])
})

it('starts the release that is live again on SIGHUP, after a failed deploy too', async () => {
  const before = await (await fetch(url)).text()
  process.kill(example.pid, 'SIGHUP')
  await expect.poll(async () => (await fetch(url)).text(), { timeout: 20_000 }).not.toBe(before)
  expect(load.last).toBe('two')
  expect(load.failures).toEqual([])
})

it('ends on SIGTERM with exit code 0', async () => {
  await load.end()
  expect(await example.stop()).toEqual({ code: 0, signal: null })
})
