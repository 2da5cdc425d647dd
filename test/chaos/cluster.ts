import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ClusterOptions, FailedStart, PrimaryCluster, ReloadError, WorkerInfo } from 'troupe'
import { freePort } from '../support/free-port.js'
import { descriptorsOf } from './programs/sockets.mjs'

export const program = (name: string): string => fileURLToPath(new URL(`./programs/${name}.mjs`, import.meta.url))

type Stats = ReturnType<PrimaryCluster<never>['stats']>

/** What can be asked of the primary, see `programs/primary.mjs`. */
interface Orders {
  workers(): WorkerInfo[]
  stats(): Stats
  handOffs(): Record<string, { now: number; most: number }>
  reload(options?: Parameters<PrimaryCluster<never>['reload']>[0]): Awaited<ReturnType<PrimaryCluster<never>['reload']>>
  scale(workers: number): undefined
  stop(options?: { force: boolean }): unknown
  collect(): undefined
}

/** How long the end of something that was told to end is waited for, ms. */
const SOON = 15_000

/** An error that the primary told, by the names it had there. */
export class RemoteFailure extends Error {
  readonly failures: readonly FailedStart[]

  constructor({ name, message, failures = [] }: Partial<ReloadError>) {
    super(message)
    this.name = name ?? 'Error'
    this.failures = failures as readonly FailedStart[]
  }
}

/** A primary and its workers in processes of their own, which serve `programs/app.mjs` at `port`. */
export class Cluster {
  readonly port: number
  /** Where the app writes, and is told, what it is to know: see `programs/app.mjs`. */
  readonly folder: string
  readonly #primary: ChildProcess
  readonly #answers = new Map<number, (message: { value?: unknown; error?: Partial<ReloadError> }) => void>()
  /** Every process that has been a worker, for the end. */
  readonly #pids = new Set<number>()
  #lastOrder = 0
  #stderr = ''
  /** The workers that have ended, whoever ended them. */
  readonly exits: number[] = []

  private constructor(port: number, folder: string, options: ClusterOptions) {
    this.port = port
    this.folder = folder
    this.#primary = fork(program('primary'), [JSON.stringify({ exec: program('app'), ...options })], {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#primary.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk).slice(-4_096)
    })
    this.#primary.on('message', (message) => this.#told(message as Told))
    this.#primary.once('exit', (code, signal) => {
      const message = `the primary has ended with ${signal ?? code}: ${this.#stderr}`
      for (const answer of this.#answers.values()) answer({ error: { message } })
      this.#answers.clear()
    })
  }

  static async start({ env, ...options }: ClusterOptions): Promise<Cluster> {
    const port = await freePort()
    const folder = mkdtempSync(join(tmpdir(), 'troupe-chaos-'))
    const cluster = new Cluster(port, folder, {
      ready: 'listen',
      ...options,
      env: { PORT: String(port), FOLDER: folder, ...env },
    })
    const primary = cluster.#primary
    const started = new Promise<void>((resolve, reject) => {
      primary.on('message', (message) => (message as Told).event === 'started' && resolve())
      primary.once('exit', () => reject(new Error(`the primary did not start: ${cluster.#stderr}`)))
    })
    await started
    await cluster.pids()
    return cluster
  }

  get pid(): number {
    return this.#primary.pid ?? 0
  }

  /** What the primary, and its workers through it, have written last. */
  get stderr(): string {
    return this.#stderr
  }

  ask<O extends keyof Orders>(order: O, ...args: Parameters<Orders[O]>): Promise<ReturnType<Orders[O]>> {
    const id = ++this.#lastOrder
    return new Promise((resolve, reject) => {
      this.#answers.set(id, ({ value, error }) => {
        if (error) reject(new RemoteFailure(error))
        else resolve(value as ReturnType<Orders[O]>)
      })
      this.#primary.send({ id, order, args }, (error) => error && reject(error))
    })
  }

  /** Of the workers that are ready now. */
  async pids(): Promise<number[]> {
    const workers = await this.ask('workers')
    const pids = workers.filter(({ state }) => state === 'ready').map(({ pid }) => pid)
    for (const pid of pids) this.#pids.add(pid)
    return pids
  }

  /** Resolves when so many workers are ready. */
  async ready(workers: number): Promise<void> {
    await eventually(async () => (await this.pids()).length === workers)
  }

  get descriptors(): number {
    return descriptorsOf(this.pid).length
  }

  /** Stops it, and makes sure that no process of it is left. */
  async end(): Promise<void> {
    for (const pid of this.#pids) signal(pid, 'SIGCONT')
    const ended = this.#primary.exitCode === null ? once(this.#primary, 'exit') : undefined
    if (this.#primary.connected) void this.ask('stop', { force: true }).catch(() => {})
    await Promise.race([ended, after(SOON, undefined, { ref: false })])
    this.#primary.kill('SIGKILL')
    for (const pid of this.#pids) signal(pid, 'SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }

  #told({ id, event, detail, ...answer }: Told): void {
    if (event === 'ready' && detail) this.#pids.add(detail.pid)
    if (event === 'exit' && detail) {
      this.#pids.delete(detail.pid)
      this.exits.push(detail.pid)
    }
    if (id === undefined) return
    this.#answers.get(id)?.(answer)
    this.#answers.delete(id)
  }
}

interface Told {
  readonly id?: number
  readonly value?: unknown
  readonly error?: Partial<ReloadError>
  readonly event?: string
  readonly detail?: { readonly pid: number }
}

/** Nothing happens when the process has ended meanwhile, which no look before can exclude. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Whether it became true in time. */
export async function eventually(condition: () => boolean | Promise<boolean>, within = SOON): Promise<boolean> {
  const end = performance.now() + within
  while (!(await condition())) {
    if (performance.now() > end) return false
    await after(20)
  }
  return true
}
