import { readDownBatch, readUpBatch } from '../protocol/codec.js'
import type { AnyContract } from '../protocol/contract.js'
import type { Batch } from '../protocol/frames.js'
import type { ProcessRef } from '../protocol/ids.js'
import { standInFor } from '../protocol/unsendable.js'
import type { Clock } from '../runtime/clock.js'
import type { Limits, Timeouts } from '../runtime/limits.js'
import type { Logger } from '../runtime/logger.js'
import type { Child, ChildEvents, Launcher } from '../runtime/supervision/child.js'
import { IpcTransport } from '../runtime/transports/ipc.js'
import { lineLimit } from '../runtime/transports/line-limit.js'
import type { LinkEnds, Processes, SimulationHooks } from './hooks.js'
import type { Random } from './random.js'
import { SimulatedChannel, type Wire } from './simulated-channel.js'
import { SimulatedMeetings } from './simulated-meetings.js'
import { MACHINE, SimulatedLoop } from './simulated-process.js'
import { SimulatedWorker, type StartPlan, type WorkerProgram } from './simulated-worker.js'
import type { Trace } from './trace.js'
import type { VirtualTime } from './virtual-time.js'

export interface MachineOptions {
  readonly time: VirtualTime
  readonly random: Random
  readonly trace: Trace
  readonly logger: Logger
  readonly program: WorkerProgram<AnyContract>
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly hooks: SimulationHooks
  readonly directLinks: boolean
}

/** How long a message takes, a process until its program runs, and until a dead one is seen to be, in ms. */
const LATENCY = [0.02, 0.4] as const
const START = [30, 80] as const
const EXIT = [0.1, 4] as const
/** A share of the dead are seen as such only after this, while their memory is cleared away. */
const SLOW_EXIT = { share: 0.05, ms: [40, 120] } as const
/** A unix socket's buffer on Linux, bytes. */
const PIPE_SIZE = 212_992

/** The machine of a simulation: its processes, the primary's loop and the workers', and the channels between them. */
export class Machine implements Launcher, Processes {
  readonly primary: SimulatedLoop
  readonly primaryClock: Clock
  readonly workers: SimulatedWorker[] = []
  /** How the next processes of an id start; else as `defaultPlan` says. */
  readonly plans = new Map<number, StartPlan[]>()
  defaultPlan: () => StartPlan = () => ({})
  /** More latency for an id, both ways, ms. */
  readonly delays = new Map<number, number>()
  readonly #options: MachineOptions
  readonly #latency: Random
  readonly #life: Random
  /** Where workers meet; undefined when they do not. */
  readonly meetings: SimulatedMeetings | undefined

  constructor(options: MachineOptions) {
    this.#options = options
    this.#latency = options.random.fork('latency')
    this.#life = options.random.fork('life')
    this.primary = new SimulatedLoop('primary', options.time, options.random.fork('primary'))
    this.primaryClock = this.#clockOf(this.primary)
    const { hooks, limits, directLinks } = options
    const delayOf = ({ id }: SimulatedWorker): number => this.delays.get(id) ?? 0
    this.meetings = directLinks
      ? new SimulatedMeetings({
          ...options,
          frameLimit: hooks.lineLimit ?? lineLimit(limits.payload),
          pipeSize: hooks.pipeSize ?? PIPE_SIZE,
          latency: (one, other) => this.#tick() + Math.max(delayOf(one), delayOf(other)),
        })
      : undefined
  }

  get living(): SimulatedWorker[] {
    return this.workers.filter(({ alive }) => alive)
  }

  launch(ref: ProcessRef, events: ChildEvents): Child {
    const { time, random, trace } = this.#options
    const name = `worker ${ref.id}/${ref.incarnation}`
    const { meetings } = this
    const loop = new SimulatedLoop(name, time, random.fork(name))
    const [primaryEnd, workerEnd] = SimulatedChannel.pair(
      time,
      [this.primary, this.#wire('down', () => worker)],
      [loop, this.#wire('up', () => worker)],
    )
    const own: LinkEnds = {
      primary: new IpcTransport(primaryEnd, { read: readUpBatch, ...this.#ipc(name) }, standInFor),
      worker: new IpcTransport(workerEnd, { read: readDownBatch, ...this.#ipc('the primary') }, standInFor),
    }
    const inPrimary = (what: string, ms: number, run: () => void): void => {
      time.at(time.now + ms + this.#tick(), this.primary, run, { what: `the ${what} of ${name}` })
    }
    const worker: SimulatedWorker = new SimulatedWorker({
      ...this.#options,
      ref,
      loop,
      clock: this.#clockOf(loop),
      channel: workerEnd,
      link: () => links.worker,
      get direct() {
        return meetings?.portOf(worker)
      },
      died: (tail) => meetings?.died(worker, tail),
      events,
      inPrimary,
      note: (what) => trace.add(time.now, name, what),
      exitDelay: () => {
        const [min, max] = this.#life.chance(SLOW_EXIT.share) ? SLOW_EXIT.ms : EXIT
        return this.#life.between(min, max)
      },
    })
    const links = this.#options.hooks.links?.(own, worker) ?? own
    this.workers.push(worker)
    trace.add(time.now, name, 'is started')
    const plan = this.plans.get(ref.id)?.shift() ?? this.defaultPlan()
    const delay = plan.delay ?? this.#life.between(...START)
    time.at(time.now + delay, loop, () => worker.start(plan), { what: 'a start' })
    return {
      pid: worker.pid,
      link: links.primary,
      kill: (signal) => {
        trace.add(time.now, 'primary', `sends ${signal} to ${name}`)
        time.at(time.now + this.#tick(), MACHINE, () => worker.signal(signal), { what: signal })
      },
      output: () => worker.stderr,
      outputRead: () => Promise.resolve(),
    }
  }

  #clockOf(loop: SimulatedLoop): Clock {
    return this.#options.hooks.clock?.(loop.clock, loop.name) ?? loop.clock
  }

  #tick(): number {
    return this.#latency.between(...LATENCY)
  }

  #ipc(other: string) {
    const { logger, limits } = this.#options
    return {
      limit: limits.link,
      bytes: limits.linkBytes,
      onUnsendable: (error: unknown) => logger.error(`a frame for ${other} could not be sent`, error),
      onMalformed: (count: number) => logger.error(`dropped ${count} malformed frames from ${other}`),
    }
  }

  /** What is seen of a channel in one direction, for the trace and for the hooks. */
  #wire(direction: 'up' | 'down', workerOf: () => SimulatedWorker): Wire {
    const { time, trace, hooks, limits } = this.#options
    const { replace } = hooks
    return {
      lineLimit: hooks.lineLimit ?? lineLimit(limits.payload),
      pipeSize: hooks.pipeSize ?? PIPE_SIZE,
      latency: () => this.#tick() + (this.delays.get(workerOf().id) ?? 0),
      sent: (message) => {
        const worker = workerOf()
        const batch = message as Batch<{ kind: string }>
        const [process, what] = direction === 'up' ? [worker.loop.name, 'sends'] : ['primary', `to ${worker.name}`]
        for (const frame of batch.frames) {
          trace.add(time.now, process, what, frame)
          hooks.sent?.({ worker, direction, frame })
        }
        if (!replace) return message
        return { ...batch, frames: batch.frames.flatMap((frame) => replace({ worker, direction, frame })) }
      },
      refused: (message) => {
        const { frames } = message as Batch<{ kind: string }>
        const [frame] = frames
        // Of many it is not known which one was too long: they are sent apart.
        if (!frame || frames.length > 1) return
        const worker = workerOf()
        const [process, what] =
          direction === 'up' ? [worker.loop.name, 'cannot send'] : ['primary', `cannot send to ${worker.name}`]
        trace.add(time.now, process, `${what} a ${frame.kind}`)
        hooks.refused?.({ worker, direction, frame })
      },
      arrived: (message) => {
        const worker = workerOf()
        const [process, what] = direction === 'up' ? ['primary', `from ${worker.name}`] : [worker.loop.name, 'receives']
        for (const frame of (message as Batch<{ kind: string }>).frames) {
          trace.add(time.now, process, what, frame)
        }
      },
    }
  }
}
