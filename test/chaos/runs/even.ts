import { setTimeout as after } from 'node:timers/promises'
import { Connection } from '../clients/connection.js'
import { Cluster } from '../cluster.js'
import type { Report, Run } from '../report.js'

const CONNECTIONS = 400
/** Between two connections of a trickle, ms. */
const TRICKLE = 4
/** What is promised; and what a brief run is held to, whose machine may be busy with all the other tests. */
const MOST = { brief: 1.25, quick: 1.05, full: 1.05 }
const ROUNDS = { brief: 1, quick: 2, full: 5 }

export const even: Run = {
  name: 'even',
  about: `${CONNECTIONS} connections that stay open, and how evenly workers have them`,
  async run(size, report) {
    for (const workers of [2, 4]) {
      const cluster = await Cluster.start({ workers, env: { KEEP_ALIVE: '120000' } })
      try {
        for (let round = 1; round <= ROUNDS[size]; round += 1)
          await spread(`even, ${workers} workers`, cluster, workers, report, MOST[size])
      } finally {
        await cluster.end()
      }
    }
  },
}

async function spread(name: string, cluster: Cluster, workers: number, report: Report, most: number): Promise<void> {
  const crowd = new Crowd(cluster.port, workers)
  const tell = (what: string): void => {
    const { ratio, counts } = crowd.share()
    report.figure(
      `${name}, ${what}: max/mean`,
      `${ratio.toFixed(3)} of ${counts.join(' ')}`,
      `at most ${most}`,
      ratio <= most,
    )
  }
  try {
    await crowd.join(CONNECTIONS)
    tell('a burst')
    await crowd.leave(CONNECTIONS / 2)
    await crowd.join(CONNECTIONS / 2)
    tell('half of them gone and as many come back at once')
    await crowd.leave(CONNECTIONS / 2)
    await crowd.join(CONNECTIONS / 2, TRICKLE)
    tell('half of them gone and as many come back one by one')
    await crowd.leave(CONNECTIONS)
    await crowd.join(CONNECTIONS, TRICKLE)
    tell('a trickle')
    report.note(`${name}, while they come and go: max/mean`, await crowd.comeAndGo())
  } finally {
    await crowd.leave(CONNECTIONS)
  }
}

/** Connections that stay, each with the worker that answered on it: what is counted is what clients have, not what is said. */
class Crowd {
  readonly #port: number
  readonly #workers: number
  readonly #members = new Map<Connection, number>()

  constructor(port: number, workers: number) {
    this.#port = port
    this.#workers = workers
  }

  /** Opens so many, at once or with a pause between; resolves when each has had an answer. */
  async join(count: number, pause = 0): Promise<void> {
    const answers: Promise<void>[] = []
    for (let opened = 0; opened < count; opened += 1) {
      answers.push(this.#joinOne())
      if (pause > 0) await after(pause)
    }
    await Promise.all(answers)
  }

  /** Closes so many of them, by chance. */
  async leave(count: number): Promise<void> {
    const members = [...this.#members.keys()]
    for (let left = 0; left < count && members.length > 0; left += 1) {
      const [one] = members.splice(Math.floor(Math.random() * members.length), 1)
      one?.close()
      this.#members.delete(one as Connection)
    }
    // The workers have to see the ends of them.
    await after(200)
  }

  /** Each stays for half a second or so, and another comes. Gives the shares of many looks at them. */
  async comeAndGo(): Promise<string> {
    const ratios: number[] = []
    const end = performance.now() + 3_000
    const change = async (): Promise<void> => {
      while (performance.now() < end) {
        await after(Math.random() * 1_000)
        const [oldest] = this.#members.keys()
        oldest?.close()
        this.#members.delete(oldest as Connection)
        await this.#joinOne()
      }
    }
    const changes = Array.from({ length: CONNECTIONS }, change)
    while (performance.now() < end) {
      await after(50)
      ratios.push(this.share().ratio)
    }
    await Promise.all(changes)
    ratios.sort((one, other) => one - other)
    const at = (part: number): string => (ratios[Math.floor(ratios.length * part)] ?? 0).toFixed(3)
    return `median ${at(0.5)}, of nine in ten up to ${at(0.9)}`
  }

  share(): { ratio: number; counts: number[] } {
    const counts = new Map<number, number>()
    for (const pid of this.#members.values()) counts.set(pid, (counts.get(pid) ?? 0) + 1)
    const each = [...counts.values(), ...Array<number>(this.#workers).fill(0)].slice(0, this.#workers)
    const mean = this.#members.size / this.#workers
    return { ratio: Math.max(...each) / mean, counts: each }
  }

  async #joinOne(): Promise<void> {
    const connection = new Connection({ port: this.#port })
    const outcome = await connection.send('GET / HTTP/1.1\r\nHost: chaos\r\n\r\n')
    if (outcome.kind !== 'answered') throw new Error(`a connection was not served: ${outcome.why}`)
    this.#members.set(connection, outcome.pid)
  }
}
