import type { PartMemory } from '../../protocol/binary-parts.js'
import { type CallDetails, PayloadError } from '../../protocol/errors.js'
import type { MessagingDownFrame, MessagingUpFrame, Payload, WireTarget } from '../../protocol/frames.js'
import { arePassedOn, type ProcessRef } from '../../protocol/ids.js'
import { encodePayload } from '../../protocol/payload.js'
import type { Clock } from '../clock.js'
import type { Limits, Timeouts } from '../limits.js'
import type { Logger } from '../logger.js'
import { Actor } from './actor.js'
import { CallEvidence } from './call-evidence.js'
import { nameOf } from './call-name.js'
import { Caller } from './caller.js'
import { OutgoingCasts } from './casts/outgoing-casts.js'
import type { MessagingLink } from './messaging-link.js'
import type { RegisteredMethod } from './method-registry.js'
import { Publisher } from './publisher.js'
import { StreamCalls } from './streams/stream-calls.js'
import { Subscriptions } from './subscriptions.js'

export interface PeerOptions {
  readonly self: ProcessRef
  readonly link: MessagingLink
  readonly methods: ReadonlyMap<string, RegisteredMethod>
  /** Methods that run at once in this process. */
  readonly concurrency: number
  readonly limits: Limits
  readonly timeouts: Timeouts
  readonly clock: Clock
  readonly logger: Logger
}

/** One process's end of the messaging, over one link to the router: what it calls, runs, publishes and hears. */
export class Peer {
  readonly caller: Caller
  readonly casts: OutgoingCasts
  readonly streams: StreamCalls
  readonly actor: Actor
  readonly publisher: Publisher
  readonly subscriptions: Subscriptions
  readonly #options: PeerOptions
  readonly #evidence: CallEvidence
  /** Frames that nobody here was waiting for: late, doubled, or from nowhere. */
  dropped = 0

  constructor(options: PeerOptions) {
    this.#options = options
    const { self, link, methods, concurrency, clock, logger, limits } = options
    const send = (frame: MessagingUpFrame): void => link.send(frame)
    const evidence = new CallEvidence(clock, (id) => this.caller.isOpen(id) || this.streams.isOpen(id))
    this.#evidence = evidence
    this.caller = new Caller({ ...options, evidence })
    this.casts = new OutgoingCasts(options)
    this.streams = new StreamCalls({ link, clock, limits, evidence, nextId: () => this.caller.nextId() })
    this.publisher = new Publisher(options)
    this.subscriptions = new Subscriptions({ self, logger, send })
    this.actor = new Actor({
      self,
      methods,
      concurrency,
      limits,
      clock,
      logger,
      reply: send,
      yield: send,
      tell: send,
    })
  }

  /** Encodes what is sent to there: opaque where the primary passes it on, inline elsewhere. */
  encodeArgs(args: readonly unknown[], to: WireTarget, method: string): Payload {
    const memory = this.#options.link.memoryFor?.(to)
    const opaque = !memory && arePassedOn(to, this.#options.self.id)
    return this.#encode(args, opaque, 'args', nameOf(to, method), memory)
  }

  /** A value for a channel: encoded once however many processes it goes to. */
  encodeMessage(value: unknown, channel: string): Payload {
    return this.#encode(value, this.#options.self.id !== 0, 'value', { method: `publish to ${channel}` })
  }

  /** A frame from the router. */
  receive(frame: MessagingDownFrame): void {
    switch (frame.kind) {
      case 'invoke':
        return this.actor.invoke(frame)
      case 'cancel':
        return this.actor.cancel(frame.id)
      case 'message':
        return this.subscriptions.dispatch(frame)
      case 'progress':
        return this.#evidence.progress(frame)
      case 'held':
        return this.#evidence.hold(frame)
      case 'items':
        return this.#expected(this.streams.items(frame))
      case 'credit':
        return this.#expected(this.actor.credit(frame))
      case 'result':
      case 'failure':
        return this.#expected(this.caller.settle(frame) || this.streams.settle(frame))
      case 'passed':
        return this.#expected(this.casts.passed(frame))
      case 'dropped':
        return this.#expected(this.casts.dropped(frame))
      case 'receipt':
        return this.#expected(this.publisher.settle(frame))
      case 'unsubscribed':
        return this.subscriptions.lose(frame.channel)
      // Of direct links, which whoever has any has taken out.
      case 'fence':
        return this.#expected(false)
      case 'subscribed':
        return this.#expected(this.subscriptions.confirm(frame.ref))
    }
  }

  /** The link has ended: nothing that waits will be answered, and nothing new is taken. */
  close(): void {
    this.caller.close()
    this.casts.close()
    this.streams.close()
    this.publisher.close()
    this.subscriptions.close()
  }

  #encode(value: unknown, opaque: boolean, root: string, name: CallDetails, memory?: PartMemory): Payload {
    try {
      return encodePayload(value, { opaque, memory, limit: this.#options.limits.payload, root })
    } catch (error) {
      if (!(error instanceof PayloadError)) throw error
      throw new PayloadError({ path: error.path, reason: error.reason, ...name, sent: 'no' })
    }
  }

  #expected(found: boolean): void {
    if (!found) this.dropped++
  }
}
