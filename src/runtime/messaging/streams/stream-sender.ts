import { memoryForAnswer } from '../../../protocol/binary-parts.js'
import type { ItemsFrame, StreamRoom } from '../../../protocol/frames.js'
import { encodePayload } from '../../../protocol/payload.js'
import type { ItemPayload } from '../../../protocol/payload-forms.js'
import { sizeOfItem } from '../../../protocol/payload-size.js'
import { type Clock, nextTurn } from '../../clock.js'
import { type CallContext, runInContext } from '../call-context.js'
import { StreamWindow } from './stream-window.js'

/** Items in one frame, and characters: more would keep what is behind it waiting for longer than it saves. */
const FRAME_ITEMS = 64
const FRAME_BYTES = 64 * 1024
/** A generator that never waits gives way after so many items, or ms, to whatever else this process has to do. */
const TURN_ITEMS = 64
const TURN_TIME = 2

export interface StreamSenderOptions {
  readonly route: number
  readonly room: StreamRoom
  readonly context: CallContext
  readonly clock: Clock
  readonly payloadLimit: number
  /** The method's output schema, applied to each item. */
  readonly validate: ((item: unknown, subject: string) => Promise<unknown>) | undefined
  readonly send: (frame: ItemsFrame) => void
}

/** How it ended: whose error it is matters, the generator's own or ours about an item. */
export type StreamOutcome =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'threw'; readonly error: unknown }
  | { readonly kind: 'refused'; readonly error: unknown }

/**
 * Runs one generator for a reader in another process: asks it for an item when there is room for one, and not before. Items
 * that are there together leave in one frame; a lone one leaves as soon as the generator waits for something.
 */
export class StreamSender {
  readonly #options: StreamSenderOptions
  readonly #window: StreamWindow
  #batch: ItemPayload[] = []
  #batchBytes = 0
  #flushing = false
  /** Set while the generator is held up for want of room. */
  #resume: (() => void) | undefined
  #turnStart: number | undefined
  #turnItems = 0

  constructor(options: StreamSenderOptions) {
    this.#options = options
    this.#window = new StreamWindow(options.room)
  }

  /** The reader has taken more. False when it cannot have. */
  credit(taken: { readonly items: number; readonly bytes: number }): boolean {
    const accepted = this.#window.credit(taken)
    if (accepted && this.#window.isOpen) this.#wake()
    return accepted
  }

  /** Settles when the generator has: after it was left too, because until then it holds its place in the mailbox. */
  async run(items: AsyncIterator<unknown>): Promise<StreamOutcome> {
    const { context } = this.#options
    let closing: Promise<unknown> | undefined
    const close = (): Promise<unknown> => {
      closing ??= runInContext(context, () => closeIterator(items))
      return closing
    }
    const registration = context.onAbort({
      aborted: () => {
        void close()
        this.#wake()
      },
    })
    // Looked at, so that the deadline ends it when the reader is too frozen to say so.
    if (context.deadline !== Number.POSITIVE_INFINITY) void context.signal
    const outcome = await this.#pump(items, close)
    context.offAbort(registration)
    await closing
    this.#flush()
    return outcome
  }

  async #pump(items: AsyncIterator<unknown>, close: () => Promise<unknown>): Promise<StreamOutcome> {
    const { context, clock } = this.#options
    for (;;) {
      if (!this.#window.isOpen) await this.#room()
      if (context.aborted) return { kind: 'returned', value: undefined }
      this.#turnStart ??= clock.now()
      let item: unknown
      try {
        const { done, value } = await runInContext(context, () => items.next())
        if (done) return { kind: 'returned', value: context.aborted ? undefined : value }
        item = value
      } catch (error) {
        return { kind: 'threw', error }
      }
      if (context.aborted) return { kind: 'returned', value: undefined }
      try {
        await this.#add(item)
      } catch (error) {
        void close()
        return { kind: 'refused', error }
      }
      if (++this.#turnItems >= TURN_ITEMS || clock.now() - this.#turnStart >= TURN_TIME) await this.#giveWay()
    }
  }

  /** Encoded now: the generator may use the same object for its next item. */
  #add(value: unknown): Promise<void> | undefined {
    const { route, validate, payloadLimit: limit } = this.#options
    const index = this.#window.sent
    const add = (item: unknown): void => {
      const options = {
        opaque: true,
        memory: memoryForAnswer(route),
        limit,
        root: `items[${index}]`,
      }
      this.#send((encodePayload(item, options) as ItemPayload | undefined) ?? null)
    }
    if (validate) return validate(value, `items[${index}]`).then(add)
    add(value)
    return undefined
  }

  #send(item: ItemPayload): void {
    if (this.#batchBytes + sizeOfItem(item) > FRAME_BYTES) this.#flush()
    this.#window.add(item)
    this.#batch.push(item)
    this.#batchBytes += sizeOfItem(item)
    if (this.#batch.length >= FRAME_ITEMS || this.#batchBytes >= FRAME_BYTES || !this.#window.isOpen)
      return this.#flush()
    if (this.#flushing) return
    this.#flushing = true
    // After every promise that can go on now: then the generator waits for something, and so must not the item.
    process.nextTick(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#batch.length === 0) return
    const items = this.#batch
    this.#batch = []
    this.#batchBytes = 0
    const { context, route, send } = this.#options
    if (!context.aborted) send({ kind: 'items', id: route, first: this.#window.sent - items.length, items })
  }

  async #giveWay(): Promise<void> {
    this.#flush()
    await new Promise<void>((resolve) => nextTurn(this.#options.clock, resolve))
    this.#turnItems = 0
    this.#turnStart = undefined
  }

  /** Resolves when there is room, or nobody reads any more. */
  #room(): Promise<void> | undefined {
    if (this.#options.context.aborted) return undefined
    return new Promise((resolve) => {
      this.#resume = resolve
    })
  }

  #wake(): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
  }
}

/** Runs its `finally` blocks. Nobody is left who could be told what they throw. */
export async function closeIterator(items: AsyncIterator<unknown>): Promise<void> {
  try {
    await items.return?.()
  } catch {
    // See above.
  }
}
