import { type ChildProcess, spawn } from 'node:child_process'
import type { Writable } from 'node:stream'
import type { Clock } from '../clock.js'
import type { Logger } from '../logger.js'
import { REAPER_SCRIPT } from './reaper-script.js'
import { DEFAULT_RESTART, decideRestart } from './restart-policy.js'

/** How often one that dies is started again: somebody may kill it, and a system without a shell has none. */
const RESTART = { ...DEFAULT_RESTART, max: 3, within: 60_000 }
const SHELL = '/bin/sh'
/** What it is called in a list of processes, followed by the primary's pid. */
export const REAPER_NAME = 'troupe-reaper'

/**
 * Ends the workers of a primary that is gone, those too whose event loop is blocked and who cannot see it: one small process
 * per cluster, started with the first worker, that outlives the primary by about a second.
 */
export class Reaper {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #pids = new Set<number>()
  #folder: string | undefined
  #process: ChildProcess | undefined
  #history: readonly number[] = []
  /** None is started any more: the cluster has ended, or there can be none here. */
  #closed = false

  constructor({ clock, logger }: { clock: Clock; logger: Logger }) {
    this.#clock = clock
    this.#logger = logger
  }

  /** That process is to end with this one. */
  watch(pid: number): void {
    this.#pids.add(pid)
    if (this.#process) this.#say(`+ ${pid}`)
    else this.#start()
  }

  /** It has ended; its pid may be another's from now on. */
  forget(pid: number): void {
    this.#pids.delete(pid)
    this.#say(`- ${pid}`)
  }

  /** That folder of sockets is to go with this process. */
  remove(folder: string): void {
    this.#folder = folder
    this.#say(`d ${folder}`)
  }

  /** Every worker has ended, and the reaper does. */
  close(): void {
    this.#closed = true
    this.#process?.stdin?.end()
  }

  #start(): void {
    if (this.#closed) return
    // A session of its own: what ends the primary's whole process group must leave it. No environment: it may hold secrets.
    let reaper: ChildProcess
    try {
      reaper = spawn(SHELL, ['-c', REAPER_SCRIPT, REAPER_NAME, String(process.pid)], {
        stdio: ['pipe', 'ignore', 'ignore'],
        env: { PATH: '/usr/bin:/bin' },
        cwd: '/',
        detached: true,
      })
    } catch (error) {
      return this.#lost((error as Error).message)
    }
    this.#process = reaper
    reaper.once('error', (error) => this.#lost(error.message))
    reaper.once('exit', (code, signal) => this.#lost(`it ended (${signal ?? `code ${code}`})`))
    // Its end, which is reported, may come between two lines.
    reaper.stdin?.on('error', () => {})
    // It waits for this process, not the other way round.
    reaper.unref()
    const pipe: (Writable & { unref?: () => void }) | null = reaper.stdin
    pipe?.unref?.()
    for (const pid of this.#pids) this.#say(`+ ${pid}`)
    if (this.#folder !== undefined) this.#say(`d ${this.#folder}`)
  }

  #say(line: string): void {
    const stdin = this.#process?.stdin
    if (stdin?.writable) stdin.write(`${line}\n`)
  }

  #lost(how: string): void {
    this.#process = undefined
    if (this.#closed) return
    const decision = decideRestart({ code: null, signal: null }, this.#history, this.#clock.now(), RESTART, 0.5)
    if (decision.kind === 'restart') {
      this.#history = decision.history
      this.#clock.after(decision.delay, () => this.#start(), { idle: true })
      return
    }
    this.#closed = true
    this.#logger.warn(
      `${SHELL}, which ends workers with their primary, cannot be kept running: ${how}. A worker that blocks its event loop may outlive a primary that is killed`,
    )
  }
}
