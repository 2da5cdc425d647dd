import { createHash } from 'node:crypto'
import { setTimeout as after } from 'node:timers/promises'
import { Connection } from '../clients/connection.js'
import { upload } from '../clients/uploads.js'
import { Cluster } from '../cluster.js'
import { Ledger, type Outcome, reasons } from '../ledger.js'
import { memoryOf } from '../programs/sockets.mjs'
import type { Report, Run, Size } from '../report.js'

const CLIENTS = { brief: 60, quick: 300, full: 1_000 }
const WORKERS = 4
/** Clients that are at it at once. */
const TOGETHER = 40
/** Between the two pieces of a head, ms: the primary has read the first one long before. */
const BETWEEN = 5
/** Requests that follow the first one on its connection, one by one; and in one piece. */
const FOLLOWING = 4

/** What goes through the port in one connection, MB; the download read this fast, MB/s. */
const TRANSFERS = {
  brief: { up: 20, down: 30, speed: 30 },
  quick: { up: 100, down: 100, speed: 30 },
  full: { up: 100, down: 300, speed: 20 },
}
/** By how much the primary's memory may grow meanwhile, MB: what a garbage collection more or less comes to. */
const FLAT = 16

export const sticky: Run = {
  name: 'sticky',
  about: 'clients known by their cookie, whose heads come in pieces, and big transfers',
  async run(size, report) {
    const cluster = await Cluster.start({ workers: WORKERS, balance: { cookie: 'sid', issue: true } })
    try {
      await serveClients(cluster, CLIENTS[size], report)
      await transfer(cluster, size, report)
    } finally {
      await cluster.end()
    }
  },
}

async function serveClients(cluster: Cluster, clients: number, report: Report): Promise<void> {
  const crowd = new StickyClients(cluster.port)
  const waiting = Array.from({ length: clients }, (_, index) => index)
  const serveInTurn = async (): Promise<void> => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) await crowd.client(index, clients)
  }
  await Promise.all(Array.from({ length: TOGETHER }, serveInTurn))

  const { ledger, wrong, places } = crowd
  const { begun, failures, hung } = ledger
  report.none(`sticky: requests on the wrong worker, of ${begun} of ${clients} clients`, wrong)
  report.none('sticky: failed requests', failures.length, reasons(failures))
  report.none('sticky: hung requests', hung.length, reasons(hung))
  const bytes = headOf('0'.repeat(40)).length - 1
  report.figure('sticky: places at which a head was split', places.size, `${bytes}, all`, places.size === bytes)
  report.figure(
    'sticky: clients that were given a cookie',
    crowd.returned,
    `${clients}, all`,
    crowd.returned === clients,
  )
  report.figure(
    'sticky: workers that clients were spread over',
    ledger.byPid.size,
    `${WORKERS}`,
    ledger.byPid.size === WORKERS,
  )
}

const headOf = (cookie: string): string =>
  `GET /client HTTP/1.1\r\nHost: chaos\r\nAccept: */*\r\nCookie: theme=dark; sid=${cookie}; seen=1\r\n\r\n`

/** Clients with a cookie each, all of whose requests belong to the worker that had the first one. */
class StickyClients {
  readonly ledger = new Ledger()
  /** Requests that another worker answered. */
  wrong = 0
  /** Where heads have been split. */
  readonly places = new Set<number>()
  /** Clients that were given a cookie and came back with it. */
  returned = 0
  readonly #home = new Map<string, number>()
  readonly #port: number

  constructor(port: number) {
    this.#port = port
  }

  /** All that one client does, over several connections; `of` so many clients, who together split a head everywhere. */
  async client(index: number, of: number): Promise<void> {
    const cookie = createHash('sha1').update(String(index)).digest('hex')
    const head = headOf(cookie)
    await this.#converse(
      cookie,
      Array.from({ length: FOLLOWING }, () => [head]),
    )
    for (let place = 1 + (index % (head.length - 1)); place < head.length; place += of) {
      this.places.add(place)
      const pieces = [head.slice(0, place), head.slice(place)] as const
      await this.#converse(cookie, [pieces, [head.repeat(FOLLOWING)]])
      // What follows the first request is read by the primary too, before it knows whom to give all of it to.
      await this.#converse(cookie, [[pieces[0], pieces[1] + head.repeat(FOLLOWING)]])
    }
    if (index % 20 === 0) await this.#converse(cookie, [[...head]])
    await this.#comeBack()
  }

  /** A client without a cookie is given one, which leads it back to the worker that it came to. */
  async #comeBack(): Promise<void> {
    const connection = new Connection({ port: this.#port })
    const request = 'GET / HTTP/1.1\r\nHost: chaos\r\nConnection: close\r\n\r\n'
    const outcome = await this.ledger.enter(connection.send(request))
    const given = outcome.kind === 'answered' ? /^sid=([^;]*)/.exec(outcome.cookie ?? '')?.[1] : undefined
    if (outcome.kind !== 'answered' || given === undefined) return
    this.returned += 1
    this.#home.set(given, outcome.pid)
    await this.#converse(given, [[headOf(given)], [headOf(given)]])
  }

  /** One connection: says each part when the one before has been answered, a part piece by piece. */
  async #converse(cookie: string, parts: readonly (readonly string[])[]): Promise<void> {
    const connection = new Connection({ port: this.#port })
    for (const pieces of parts) {
      const requests = pieces.join('').split('\r\n\r\n').length - 1
      const answers = Array.from({ length: requests }, () => this.#check(cookie, connection.expect()))
      for (const [index, piece] of pieces.entries()) {
        if (index > 0) await after(BETWEEN)
        await connection.write(piece)
      }
      await Promise.all(answers)
    }
    connection.close()
  }

  async #check(cookie: string, answer: Promise<Outcome>): Promise<void> {
    const outcome = await this.ledger.enter(answer)
    if (outcome.kind !== 'answered') return
    const home = this.#home.get(cookie) ?? outcome.pid
    this.#home.set(cookie, home)
    if (home !== outcome.pid) this.wrong += 1
  }
}

async function transfer(cluster: Cluster, size: Size, report: Report): Promise<void> {
  const { up, down, speed } = TRANSFERS[size]
  const { port } = cluster
  const cookie = 'Cookie: sid=transfers\r\n'
  const grown = await memoryGrowth(cluster, async () => {
    const outcome = await upload({ port, pieces: up * 16, size: 65_536, pause: 0 }, cookie)
    report.figure(`sticky: upload of ${up} MB`, describe(outcome), 'answered', outcome.kind === 'answered')
  })
  report.figure(`sticky: growth of the primary's memory meanwhile, MB`, grown.toFixed(1), `below ${FLAT}`, grown < FLAT)

  const grownMore = await memoryGrowth(cluster, async () => {
    const connection = new Connection({ port })
    connection.throttle(speed * 1e6)
    const outcome = await connection.send(
      `GET /download/${down * 1e6} HTTP/1.1\r\nHost: chaos\r\n${cookie}Connection: close\r\n\r\n`,
    )
    report.figure(
      `sticky: download of ${down} MB at ${speed} MB/s`,
      describe(outcome),
      'answered',
      outcome.kind === 'answered',
    )
  })
  report.figure(
    `sticky: growth of the primary's memory meanwhile, MB`,
    grownMore.toFixed(1),
    `below ${FLAT}`,
    grownMore < FLAT,
  )
}

/** By how much the primary has grown at most, from a moment when it had nothing to throw away, MB. */
async function memoryGrowth(cluster: Cluster, during: () => Promise<void>): Promise<number> {
  await cluster.ask('collect')
  const before = memoryOf(cluster.pid)
  let most = before
  const look = setInterval(() => {
    most = Math.max(most, memoryOf(cluster.pid))
  }, 50)
  await during()
  clearInterval(look)
  return Math.max(most, memoryOf(cluster.pid)) - before
}

function describe(outcome: Outcome): string {
  return outcome.kind === 'answered' ? `answered with ${outcome.status}` : outcome.why
}
