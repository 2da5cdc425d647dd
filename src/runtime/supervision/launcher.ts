import cluster, { type ClusterSettings, type Worker } from 'node:cluster'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readUpBatch } from '../../protocol/codec.js'
import { UsageError } from '../../protocol/errors.js'
import type { DownFrame, UpFrame } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import { standInFor } from '../../protocol/unsendable.js'
import type { Clock } from '../clock.js'
import { DropLog } from '../drop-log.js'
import { look } from '../evidence/look.js'
import { isDebugged } from '../evidence/own-inspector.js'
import type { Sighting } from '../evidence/sighting.js'
import type { Limits, Timeouts } from '../limits.js'
import type { Logger } from '../logger.js'
import { PACKAGE_ROOT } from '../package-root.js'
import { ChannelGuard } from '../transports/channel-guard.js'
import { type IpcOptions, IpcTransport } from '../transports/ipc.js'
import { lineLimit } from '../transports/line-limit.js'
import { NodeChannel } from '../transports/node-channel.js'
import { ReadPace } from '../transports/read-pace.js'
import { writeIdentity } from '../worker-identity.js'
import type { Child, ChildEvents, Launcher, LaunchSettings } from './child.js'
import { Reaper } from './reaper.js'
import type { RecycleOptions } from './recycle-policy.js'
import { WorkerOutput } from './worker-output.js'

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
  /** Workers leave SIGINT, SIGTERM and SIGHUP to the primary until they have drained. */
  readonly signals: boolean
  /** Workers may have direct links to each other. */
  readonly directLinks: boolean
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly recycle: RecycleOptions
  readonly logger: Logger
  readonly clock: Clock
}

/** By `--require`: `--import` would make node load every program as a module, and cost each worker's start some milliseconds. */
const PRELOAD = fileURLToPath(new URL('dist/preload/index.cjs', PACKAGE_ROOT ?? new URL('../', import.meta.url)))

export const isPrimary: boolean = cluster.isPrimary
export const isClusterWorker: boolean = cluster.isWorker

/** Starts workers with `node:cluster`, the preload in front of the user's program. */
export class ClusterLauncher implements Launcher {
  readonly #options: ClusterLauncherOptions
  readonly #pace = new ReadPace()
  readonly #reaper: Reaper

  constructor(options: ClusterLauncherOptions) {
    this.#options = options
    this.#reaper = new Reaper(options)
  }

  launch(ref: ProcessRef, events: ChildEvents, settings: LaunchSettings): Child {
    const { signals, directLinks, limits, timeouts, recycle } = this.#options
    const processes = { ...this.#options.processes, ...settings }
    if (!existsSync(PRELOAD))
      throw new UsageError(
        `${PRELOAD} is not there. Was troupe bundled into the program? Leave it out of the bundle (esbuild: --external:troupe)`,
      )
    cluster.setupPrimary(toSettings(processes))
    const countsRequests = recycle.requests !== undefined
    const told = { signals, limits, timeouts, countsRequests, directLinks }
    const identity = writeIdentity({ ...ref, primary: process.pid, ...told })
    const worker = cluster.fork({ ...processes.env, ...identity })
    // Before the guard, which has to catch what reading throws.
    const channel = new NodeChannel(worker.process, lineLimit(limits.payload))
    guard(worker, ref, events, this.#options, this.#pace)
    this.#reap(worker)
    return new ClusterChild(worker, channel, events, this.#options)
  }

  /** A folder that is to go with this process, however that ends. */
  leavesBehind(folder: string): void {
    this.#reaper.remove(folder)
  }

  /** Every worker has ended, and none is to come. */
  close(): void {
    this.#reaper.close()
  }

  #reap({ process: { pid }, process: child }: Worker): void {
    if (pid === undefined) return
    this.#reaper.watch(pid)
    child.once('exit', () => this.#reaper.forget(pid))
  }

  isDebugged(): boolean {
    return isDebugged()
  }
}

/** Before anything is read of the worker's channel. */
function guard(
  worker: Worker,
  { id }: ProcessRef,
  events: ChildEvents,
  options: ClusterLauncherOptions,
  pace: ReadPace,
) {
  const { limits, logger, clock } = options
  const drops = new DropLog(logger, clock)
  const limit = lineLimit(limits.payload)
  const { guardsLines } = new ChannelGuard(worker.process, {
    limit,
    pace,
    corrupt(verdict) {
      logger.error(`worker ${id} ${verdict}: it is killed`)
      events.corrupt(verdict)
    },
    dropped: (what) => drops.add('forged', `dropped a message (${what}) that worker ${id} has no reason to send`),
    listenerThrew: (error) => logger.error(`a listener of 'message' threw on a message of worker ${id}`, error),
  })
  if (!guardsLines)
    logger.warn(`this version of node keeps a worker's channel elsewhere: what it writes there is not checked`)
}

function toSettings({ env: _, args, execArgv, stdio, silent, ...rest }: ProcessOptions): ClusterSettings {
  return {
    ...rest,
    args: [...(args ?? process.argv.slice(2))],
    execArgv: [...(execArgv ?? process.execArgv), '--require', PRELOAD],
    silent: silent ?? false,
    // stderr through the primary, which passes it on and keeps its tail for the evidence.
    stdio: stdio ?? (silent ? undefined : ['inherit', 'inherit', 'pipe', 'ipc']),
    serialization: 'json',
  }
}

class ClusterChild implements Child {
  readonly link: IpcTransport<DownFrame, UpFrame>
  readonly #worker: Worker
  readonly #output: WorkerOutput

  constructor(
    worker: Worker,
    channel: NodeChannel,
    events: ChildEvents,
    { processes, limits, logger, clock }: ClusterLauncherOptions,
  ) {
    this.#worker = worker
    const { pid } = worker.process
    const drops = new DropLog(logger, clock)
    const options: IpcOptions<UpFrame> = {
      read: readUpBatch,
      limit: limits.link,
      bytes: limits.linkBytes,
      onUnsendable: (error) => logger.error(`a frame for process ${pid} could not be sent`, error),
      onMalformed: (count) => drops.add('malformed', `dropped ${count} malformed frames from process ${pid}`),
    }
    this.link = new IpcTransport<DownFrame, UpFrame>(channel, options, standInFor)
    const forwarded = processes.stdio === undefined && !processes.silent
    const forward = (bytes: Buffer): void => void (forwarded && process.stderr.write(bytes))
    this.#output = new WorkerOutput(worker.process.stderr, { clock, forward })
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
    return this.#output.text()
  }

  look(inspectable: boolean, heard: Promise<void>): Promise<Sighting> {
    const opening = (): void => this.#output.leaveOutLook(heard)
    return look({ process: this.#worker.process, inspectable, opening })
  }

  outputRead(): Promise<void> {
    return this.#output.read()
  }
}
