import { readPeerBatch } from '../protocol/codec.js'
import type { Meeting, PeerFrame } from '../protocol/frames.js'
import { standInFor } from '../protocol/unsendable.js'
import type { Limits } from '../runtime/limits.js'
import type { Logger } from '../runtime/logger.js'
import type { MeetingPlace } from '../runtime/messaging/direct/link-broker.js'
import type { DirectPort } from '../runtime/messaging/direct/meetings.js'
import type { PeerTransport } from '../runtime/messaging/direct/peer-link.js'
import { StreamTransport } from '../runtime/transports/stream.js'
import type { SimulationHooks } from './hooks.js'
import { SimulatedStream, type StreamWire } from './simulated-stream.js'
import type { SimulatedWorker } from './simulated-worker.js'
import type { Trace } from './trace.js'
import type { VirtualTime } from './virtual-time.js'

export interface SimulatedMeetingsOptions {
  readonly time: VirtualTime
  readonly trace: Trace
  readonly hooks: SimulationHooks
  readonly logger: Logger
  readonly limits: Limits
  readonly frameLimit: number
  readonly pipeSize: number
  /** Between these two, now. */
  readonly latency: (one: SimulatedWorker, other: SimulatedWorker) => number
}

/** Somebody who listens. */
interface Listener {
  readonly worker: SimulatedWorker
  readonly opened: (stream: SimulatedStream) => void
}

/** The direct links of a simulation: who listens where, and the streams of those who have met. */
export class SimulatedMeetings implements MeetingPlace {
  readonly #options: SimulatedMeetingsOptions
  readonly #listeners = new Map<string, Listener>()
  readonly #streams = new Map<SimulatedWorker, Set<SimulatedStream>>()

  constructor(options: SimulatedMeetingsOptions) {
    this.#options = options
  }

  next(meeting: number): { readonly path: string; readonly secret: string } {
    return { path: `meeting ${meeting}`, secret: '' }
  }

  /** How that worker makes its links. */
  portOf(worker: SimulatedWorker): DirectPort {
    return {
      listen: ({ path, with: ref }, told) => {
        const opened = (stream: SimulatedStream): void => {
          this.#listeners.delete(path)
          told.opened(this.#link(worker, stream, `${ref.id}/${ref.incarnation}`))
        }
        this.#listeners.set(path, { worker, opened })
        worker.loop.soon('listening', () => told.listening(true))
        return () => void this.#listeners.delete(path)
      },
      dial: (meeting, told) => this.#dial(worker, meeting, told),
    }
  }

  /** With the last `tail` writes to each. */
  died(worker: SimulatedWorker, tail: number): void {
    for (const stream of this.#streams.get(worker) ?? []) stream.die(tail)
  }

  #dial(worker: SimulatedWorker, { path, with: ref }: Meeting, told: Parameters<DirectPort['dial']>[1]): () => void {
    const { time, latency } = this.#options
    let cancelled = false
    worker.loop.soon('a connection', () => {
      const listener = this.#listeners.get(path)
      if (cancelled) return
      if (!listener?.worker.alive) return told.failed()
      const wire: StreamWire = {
        pipeSize: this.#options.pipeSize,
        latency: () => latency(worker, listener.worker),
      }
      const [own, other] = SimulatedStream.pair(time, wire, [worker.loop, listener.worker.loop])
      this.#keep(worker, own)
      this.#keep(listener.worker, other)
      told.opened(this.#link(worker, own, `${ref.id}/${ref.incarnation}`))
      time.at(time.now + wire.latency(), listener.worker.loop, () => this.#accept(path, other), {
        what: 'a connection',
      })
    })
    return () => {
      cancelled = true
    }
  }

  #accept(path: string, stream: SimulatedStream): void {
    const listener = this.#listeners.get(path)
    if (listener) listener.opened(stream)
    else stream.end()
  }

  #keep(worker: SimulatedWorker, stream: SimulatedStream): void {
    const streams = this.#streams.get(worker) ?? new Set()
    this.#streams.set(worker, streams.add(stream))
  }

  #link(worker: SimulatedWorker, stream: SimulatedStream, other: string): PeerTransport {
    const { limits, logger, frameLimit } = this.#options
    const options = {
      read: readPeerBatch,
      limit: limits.link,
      bytes: limits.linkBytes,
      frameLimit,
      onMalformed: (count: number) => logger.error(`dropped ${count} malformed frames from ${other}`),
      onUnsendable: (error: unknown) => logger.error(`a frame for ${other} could not be sent`, error),
      onCorrupt: (verdict: string) => logger.error(`worker ${other} ${verdict}`),
    }
    return this.#watched(worker, new StreamTransport<PeerFrame, PeerFrame>(stream, options, standInFor), other)
  }

  /** Tells the trace and the hooks of what passes, and lets these change it. */
  #watched(worker: SimulatedWorker, link: PeerTransport, other: string): PeerTransport {
    const { time, trace, hooks } = this.#options
    const { name } = worker.loop
    const send = (frame: PeerFrame): void => {
      const passing = { worker, direction: 'direct', frame } as const
      trace.add(time.now, name, `to ${other}, directly,`, frame)
      hooks.sent?.(passing)
      const frames = hooks.replace ? (hooks.replace(passing) as readonly PeerFrame[]) : [frame]
      for (const one of frames) link.send(one)
    }
    const receive: PeerTransport['receive'] = (receiver) =>
      link.receive({
        ...receiver,
        frame(frame) {
          trace.add(time.now, name, `from ${other}, directly,`, frame)
          receiver.frame(frame)
        },
      })
    return new Proxy(link, {
      get(target, property) {
        if (property === 'send') return send
        if (property === 'receive') return receive
        const value: unknown = Reflect.get(target, property)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}
