import cluster, { type ClusterSettings, type Worker } from 'node:cluster'
import type { Readable } from 'node:stream'
import { readUpBatch } from '../../protocol/codec.js'
import type { DownFrame, UpFrame } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import { OutputTail } from '../evidence/output-tail.js'
import type { Limits, Timeouts } from '../limits.js'
import type { Logger } from '../logger.js'
import { IpcTransport } from '../transports/ipc.js'
import { writeIdentity } from '../worker-identity.js'
import type { Child, ChildEvents, Launcher } from './child.js'

/** Node's own settings, by node's names and with its meanings; `serialization` is ours, the wire needs JSON. */
export interface ProcessOptions {
  readonly exec: string
  readonly args?: readonly string[] | undefined
  readonly execArgv?: readonly string[] | undefined
  readonly silent?: boolean | undefined
  readonly stdio?: ClusterSettings['stdio'] | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  readonly cwd?: string | undefined
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  readonly inspectPort?: number | (() => number) | undefined
  readonly windowsHide?: boolean | undefined
}

export interface ClusterLauncherOptions {
  readonly processes: ProcessOptions
  /** `os`: workers accept from the shared handle; else node's round robin. */
  readonly sharedHandle: boolean
  /** Workers leave SIGINT and SIGTERM to the primary until they have drained. */
  readonly signals: boolean
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly logger: Logger
}

/** How long the rest of a dead worker's stderr is waited for: a grandchild may hold the pipe open for ever. */
const OUTPUT_GRACE = 100

export const isPrimary: boolean = cluster.isPrimary
export const isClusterWorker: boolean = cluster.isWorker

/** Starts workers with `node:cluster`, the preload in front of the user's program. */
export class ClusterLauncher implements Launcher {
  readonly #options: ClusterLauncherOptions

  constructor(options: ClusterLauncherOptions) {
    this.#options = options
    // Node reads it at the first `setupPrimary` of the process, and never again.
    cluster.schedulingPolicy = options.sharedHandle ? cluster.SCHED_NONE : cluster.SCHED_RR
  }

  launch(ref: ProcessRef, events: ChildEvents): Child {
    const { processes, signals, limits, timeouts } = this.#options
    cluster.setupPrimary(toSettings(processes))
    const identity = writeIdentity({ ...ref, primary: process.pid, signals, limits, timeouts })
    return new ClusterChild(cluster.fork({ ...processes.env, ...identity }), events, this.#options)
  }
}

function toSettings({ env: _, args, execArgv, stdio, silent, ...rest }: ProcessOptions): ClusterSettings {
  return {
    ...rest,
    args: [...(args ?? process.argv.slice(2))],
    execArgv: [...(execArgv ?? process.execArgv), '--import', new URL('../../preload/index.js', import.meta.url).href],
    silent: silent ?? false,
    // stderr through the primary, which passes it on and keeps its tail for the evidence.
    stdio: stdio ?? (silent ? undefined : ['inherit', 'inherit', 'pipe', 'ipc']),
    serialization: 'json',
  }
}

class ClusterChild implements Child {
  readonly link: IpcTransport<DownFrame, UpFrame>
  readonly #worker: Worker
  readonly #tail = new OutputTail()
  readonly #outputRead: Promise<void>

  constructor(worker: Worker, events: ChildEvents, { processes, limits, logger }: ClusterLauncherOptions) {
    this.#worker = worker
    this.link = new IpcTransport(worker.process, {
      read: readUpBatch,
      limit: limits.link,
      onUnsendable: (error) => logger.error(`a frame for process ${worker.process.pid} could not be sent`, error),
      onMalformed: (count) => logger.warn(`dropped ${count} malformed frames from process ${worker.process.pid}`),
    })
    const forward = processes.stdio === undefined && !processes.silent
    this.#outputRead = this.#readOutput(worker.process.stderr, forward)
    worker.on('online', () => events.online())
    worker.on('listening', (address) => events.listening(address))
    worker.on('message', (message, handle) => events.message(message, handle))
    worker.on('disconnect', () => events.disconnected())
    worker.on('exit', (code, signal) => events.exited({ code, signal }))
    // Not started at all, or not to be signalled. Without a pid there will be no `exit`.
    worker.on('error', (error) => {
      if (worker.process.pid === undefined) events.exited({ code: null, signal: null, error })
    })
  }

  get pid(): number {
    return this.#worker.process.pid ?? 0
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#worker.exitedAfterDisconnect = true
    // `worker.kill()` would wait for the worker to disconnect first (nodejs/node#22703).
    this.#worker.process.kill(signal)
  }

  output(): string {
    return this.#tail.text()
  }

  outputRead(): Promise<void> {
    let timer: NodeJS.Timeout
    const limit = new Promise<void>((resolve) => {
      // A primary that was busy for longer has not even looked at the pipe: give it one turn that does.
      timer = setTimeout(() => setImmediate(() => setImmediate(resolve)), OUTPUT_GRACE)
    })
    return Promise.race([this.#outputRead, limit]).finally(() => clearTimeout(timer))
  }

  #readOutput(stderr: Readable | null, forward: boolean): Promise<void> {
    if (!stderr) return Promise.resolve()
    stderr.on('data', (chunk: Buffer) => {
      this.#tail.add(chunk)
      if (forward) process.stderr.write(chunk)
    })
    return new Promise((resolve) => stderr.once('close', resolve))
  }
}
