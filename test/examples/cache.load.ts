import { HttpConnection, isConnectionError } from './http-connection.js'

/** A connection, and the worker that holds its other end. */
export interface WorkerConnection {
  readonly http: HttpConnection
  readonly worker: number
}

export interface LoadReport {
  reads: number
  /** Reads answered from a cache. */
  hits: number
  /** PUTs and DELETEs that have answered. */
  writes: number
  /** Writes that were refused with 503. */
  unconfirmed: number
  /** Requests without an answer: their worker died. */
  broken: number
  /** Which workers have answered. */
  workers: Set<number>
  /** Reads that began after a write had answered, and gave what was there before it. */
  stale: string[]
}

export interface LoadOptions {
  readonly connections: readonly WorkerConnection[]
  readonly requests: number
  /** Called before each request with how many have been sent. */
  readonly onRequest?: (sent: number) => void
}

/** Few, so that every worker has them all in its cache when one of them changes. */
export const KEYS = Array.from({ length: 24 }, (_, index) => `item-${index}`)
/** Only these are ever deleted: all others, once written, must be found. */
const DELETED_KEYS = new Set(KEYS.filter((_, index) => index % 6 === 0))
/** Of 100 requests. */
const PUTS = 12
const DELETES = 2

/** Opens connections until each worker has as many as wanted, and closes those beyond. */
export async function connectToEach(url: string, workers: number, perWorker: number): Promise<WorkerConnection[]> {
  const kept: WorkerConnection[] = []
  const spare: HttpConnection[] = []
  const held = new Map<number, number>()
  for (let opened = 0; kept.length < workers * perWorker; opened += 1) {
    if (opened === 1_000)
      throw new Error(`${opened} connections did not reach all workers: ${JSON.stringify([...held])}`)
    const http = new HttpConnection(url)
    const worker = await workerOf(http)
    if (worker === undefined) continue
    const count = held.get(worker) ?? 0
    if (count < perWorker) kept.push({ http, worker })
    // Kept open until all are found, so that their worker looks busier than the others.
    else spare.push(http)
    held.set(worker, count + 1)
  }
  for (const http of spare) http.close()
  return kept
}

/** Undefined when the connection broke: a worker may be dying just now. */
async function workerOf(http: HttpConnection): Promise<number | undefined> {
  try {
    const { headers } = await http.send('GET', '/items/hello')
    return Number(headers['x-worker'])
  } catch (error) {
    http.close()
    if (!isConnectionError(error)) throw error
    return undefined
  }
}

/**
 * Sends requests over all connections at once, one at a time over each. For each key it keeps the lowest version that a
 * read may give: that of the last PUT that has answered, or one above what a DELETE has removed.
 */
export async function runLoad({ connections, requests, onRequest }: LoadOptions): Promise<LoadReport> {
  const report: LoadReport = {
    reads: 0,
    hits: 0,
    writes: 0,
    unconfirmed: 0,
    broken: 0,
    workers: new Set(),
    stale: [],
  }
  const lowest = new Map<string, number>()
  let sent = 0

  async function client({ http }: WorkerConnection): Promise<void> {
    while (sent < requests) {
      sent += 1
      onRequest?.(sent)
      const key = KEYS[Math.floor(Math.random() * KEYS.length)]!
      const choice = Math.random() * 100
      try {
        if (choice < PUTS) await write(http, 'PUT', key)
        else if (choice < PUTS + DELETES && DELETED_KEYS.has(key)) await write(http, 'DELETE', key)
        else await read(http, key)
      } catch (error) {
        if (!isConnectionError(error)) throw error
        report.broken += 1
      }
    }
  }

  async function write(http: HttpConnection, method: 'PUT' | 'DELETE', key: string): Promise<void> {
    const put = { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ sent }) }
    const { status, body, headers } = await http.send(method, `/items/${key}`, method === 'PUT' ? put : {})
    report.workers.add(Number(headers['x-worker']))
    if (status === 503) report.unconfirmed += 1
    else if (status === 200 || status === 201) {
      report.writes += 1
      const { version } = JSON.parse(body)
      lowest.set(key, Math.max(lowest.get(key) ?? 0, method === 'PUT' ? version : version + 1))
    } else if (!(status === 404 && method === 'DELETE')) {
      throw new Error(`${method} of ${key} was answered with ${status} ${body}`)
    }
  }

  async function read(http: HttpConnection, key: string): Promise<void> {
    const atLeast = lowest.get(key) ?? 0
    const { status, body, headers } = await http.send('GET', `/items/${key}`)
    report.workers.add(Number(headers['x-worker']))
    report.reads += 1
    if (headers['x-cache'] === 'hit') report.hits += 1
    const version = status === 200 ? JSON.parse(body).version : undefined
    if (status !== 200 && status !== 404) throw new Error(`GET of ${key} was answered with ${status} ${body}`)
    const isStale = version === undefined ? atLeast > 0 && !DELETED_KEYS.has(key) : version < atLeast
    if (isStale) {
      const source = `worker ${headers['x-worker']}, ${headers['x-cache']}`
      report.stale.push(`${key}: expected version ${atLeast} or later, got ${version ?? 'none'} (${source})`)
    }
  }

  await Promise.all(connections.map(client))
  return report
}

export function describeReport(title: string, report: LoadReport): string {
  const { reads, hits, writes, unconfirmed, broken, workers, stale } = report
  return `${title}: ${reads} reads (${hits} from a cache), ${writes} writes, ${unconfirmed} not confirmed, ${broken} broken off, over workers ${[...workers].sort().join(', ')}: ${stale.length} stale reads`
}
