import { type ErrorRecord, toRecord } from '../../protocol/error-record.js'
import { ClusterClosedError, RemoteError } from '../../protocol/errors.js'
import type { MessageFrame, MessagingUpFrame, Payload } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import { decodePayload } from '../../protocol/payload.js'
import { isInlineText } from '../../protocol/payload-forms.js'
import { isThenable } from '../../protocol/thenable.js'
import { toThrown } from '../../protocol/thrown.js'
import type { Logger } from '../logger.js'
import { runOutsideCalls } from './call-context.js'

/** What `subscribe` returns. Ends with `unsubscribe()`, or at the end of a `using` block. */
export interface Subscription extends Disposable {
  /**
   * From when it resolves, every later publish reaches the handler: await it, then read what you cache. Rejects with
   * `ClusterClosedError` when the cluster ends before that.
   */
  readonly active: Promise<void>
  /** Resolves when the handler gets nothing any more, with the reason. */
  readonly ended: Promise<SubscriptionEnd>
  unsubscribe(): void
}

/** `overflow`: this process did not keep up with a channel whose `overflow` is `disconnect`, and has missed messages. */
export type SubscriptionEnd = 'unsubscribed' | 'overflow' | 'closed'

export type Handler = (value: unknown) => unknown

/** Of one handler: nothing, why it failed, or that later. */
type Outcome = ErrorRecord | undefined | Promise<ErrorRecord | undefined>

interface LocalChannel {
  /** What ends each one's subscription. */
  readonly handlers: Map<Handler, (reason: SubscriptionEnd) => void>
  /** Resolves when the router has confirmed the subscription. */
  readonly active: Promise<void>
}

const NOBODY: Pick<LocalChannel, 'handlers'> = { handlers: new Map() }

export interface SubscriptionsOptions {
  readonly self: ProcessRef
  readonly logger: Logger
  readonly send: (frame: MessagingUpFrame) => void
}

/** This process's handlers, by channel. The router knows only that this process has some: it sends once, we dispatch. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions
  readonly #channels = new Map<string, LocalChannel>()
  /** Confirmations that are due, by the number that was sent. */
  readonly #confirmations = new Map<number, { readonly confirm: () => void; readonly refuse: (error: Error) => void }>()
  #closed = false
  #lastRef = 0

  constructor(options: SubscriptionsOptions) {
    this.#options = options
  }

  add(channel: string, handler: Handler): Subscription {
    // A function of its own, so that the same handler subscribed twice is called twice and removed once.
    const own: Handler = (value) => handler(value)
    const local = this.#channels.get(channel) ?? this.#open(channel)
    const ended = new Promise<SubscriptionEnd>((end) => {
      local.handlers.set(own, end)
      if (this.#closed) end('closed')
    })
    const unsubscribe = (): void => this.#remove(channel, local, own)
    return { active: local.active, ended, unsubscribe, [Symbol.dispose]: unsubscribe }
  }

  confirm(ref: number): boolean {
    this.#confirmations.get(ref)?.confirm()
    return this.#confirmations.delete(ref)
  }

  /** No confirmation will come any more: whoever waits for one learns it. */
  close(): void {
    this.#closed = true
    for (const { refuse } of this.#confirmations.values()) refuse(new ClusterClosedError({ method: 'subscribe' }))
    this.#confirmations.clear()
    for (const { handlers } of this.#channels.values()) for (const end of handlers.values()) end('closed')
  }

  /** The router sends nothing of that channel any more. Whoever subscribes again begins anew. */
  lose(channel: string): void {
    const local = this.#channels.get(channel)
    this.#channels.delete(channel)
    for (const end of local?.handlers.values() ?? []) end('overflow')
    local?.handlers.clear()
  }

  /** Hands a message to every handler, each with what one decoding gave; answers when an answer is due. */
  dispatch({ channel, payload, receipt }: MessageFrame): void {
    const { handlers } = this.#channels.get(channel) ?? NOBODY
    // Decoded anew for each handler: none can change what another one gets.
    const isParsed = typeof payload === 'object' && !isInlineText(payload)
    const anew = handlers.size > 1 && isParsed ? JSON.stringify(payload) : payload
    const outcomes: Outcome[] = []
    // Those of now: one that a handler adds gets the next message. One that a handler takes away gets nothing more.
    for (const handler of [...handlers.keys()])
      if (handlers.has(handler)) outcomes.push(this.#handle(channel, handler, anew))
    if (receipt === undefined) return
    const answer = (errors: readonly (ErrorRecord | undefined)[]): void => {
      this.#options.send({ kind: 'ack', receipt, error: errors.find((error) => error !== undefined) })
    }
    if (outcomes.some((outcome) => outcome instanceof Promise)) void Promise.all(outcomes).then(answer)
    else answer(outcomes as (ErrorRecord | undefined)[])
  }

  /** Never throws, nor rejects: a handler that throws is reported, spares the others, and fails this process's acknowledgement. */
  #handle(channel: string, handler: Handler, payload: Payload): Outcome {
    try {
      const value = decodePayload(payload, `the message on ${channel}`)
      // In the primary itself, messages come from the very method that publishes them.
      const returned = runOutsideCalls(() => handler(value))
      return isThenable(returned) ? this.#settled(channel, returned) : undefined
    } catch (error) {
      return this.#threw(channel, error)
    }
  }

  async #settled(channel: string, promise: PromiseLike<unknown>): Promise<ErrorRecord | undefined> {
    try {
      await promise
      return undefined
    } catch (error) {
      return this.#threw(channel, error)
    }
  }

  #threw(channel: string, error: unknown): ErrorRecord {
    this.#options.logger.error(`a handler of channel ${JSON.stringify(channel)} threw`, error)
    const { self } = this.#options
    return toRecord(
      new RemoteError({
        target: self.id || 'primary',
        method: `the handler of ${channel}`,
        from: self,
        thrown: toThrown(error),
      }),
    )
  }

  #open(channel: string): LocalChannel {
    const ref = ++this.#lastRef
    const active = new Promise<void>((confirm, refuse) => {
      if (this.#closed) refuse(new ClusterClosedError({ method: 'subscribe' }))
      else this.#confirmations.set(ref, { confirm, refuse })
    })
    // Whoever does not await it has not asked to know.
    active.catch(() => {})
    const local = { handlers: new Map(), active }
    this.#channels.set(channel, local)
    this.#options.send({ kind: 'subscribe', channel, ref })
    return local
  }

  #remove(channel: string, local: LocalChannel, handler: Handler): void {
    local.handlers.get(handler)?.('unsubscribed')
    if (!local.handlers.delete(handler) || local.handlers.size > 0 || this.#channels.get(channel) !== local) return
    this.#channels.delete(channel)
    this.#options.send({ kind: 'unsubscribe', channel })
  }
}
