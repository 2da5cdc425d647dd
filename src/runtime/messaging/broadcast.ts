import type { Overflow } from '../../protocol/contract.js'
import { toRecord } from '../../protocol/error-record.js'
import { CallTimeoutError, type MailboxFullError, type TroupeError } from '../../protocol/errors.js'
import type { AckFrame, MessageFrame, PublishFrame, ReceiptFrame, SubscribeFrame } from '../../protocol/frames.js'
import type { Incarnation, ProcessRef } from '../../protocol/ids.js'
import { inlineIfJson } from '../../protocol/payload-forms.js'
import type { Clock, Timer } from '../clock.js'
import type { DropLog } from '../drop-log.js'
import type { OverflowEvent } from '../overflow-event.js'
import type { Endpoint } from './endpoint.js'
import { OverflowReports } from './overflow.js'

/** One publish with `ack` whose receipt is not complete. */
interface OpenReceipt {
  readonly publisher: Endpoint
  readonly ref: number
  readonly channel: string
  /** Sent to, and not heard from. */
  readonly awaited: Map<Incarnation, ProcessRef>
  readonly acknowledged: ProcessRef[]
  readonly failed: ReceiptFrame['failed'][number][]
  readonly timer: Timer
}

/**
 * The router's side of the channels: which processes have subscribed, and the receipts that are open. All publishes pass
 * here, so every process sees the messages of a channel in one order, and a subscription confirmed here misses none after it.
 */
export class Broadcast {
  readonly #subscribers = new Map<string, Map<Incarnation, Endpoint>>()
  readonly #receipts = new Map<number, OpenReceipt>()
  readonly #clock: Clock
  readonly #ackTimeout: number
  readonly #drops: DropLog
  readonly #overflows: OverflowReports
  #lastReceipt = 0
  /** Whom the last message went to. */
  #reached: readonly Endpoint[] = []
  /** Acknowledgements that no open receipt was waiting for. */
  unexpected = 0

  constructor(clock: Clock, ackTimeout: number, drops: DropLog, overflow: (event: OverflowEvent) => void) {
    this.#drops = drops
    this.#overflows = new OverflowReports(clock, overflow)
    this.#clock = clock
    this.#ackTimeout = ackTimeout
  }

  get openReceipts(): number {
    return this.#receipts.size
  }

  get reached(): readonly Endpoint[] {
    return this.#reached
  }

  subscribe(subscriber: Endpoint, { channel, ref }: SubscribeFrame): void {
    const subscribers = this.#subscribers.get(channel) ?? new Map()
    this.#subscribers.set(channel, subscribers.set(subscriber.ref.incarnation, subscriber))
    subscriber.send({ kind: 'subscribed', ref })
  }

  unsubscribe(subscriber: Endpoint, channel: string): void {
    const subscribers = this.#subscribers.get(channel)
    subscribers?.delete(subscriber.ref.incarnation)
    if (subscribers?.size === 0) this.#subscribers.delete(channel)
  }

  publish(publisher: Endpoint, frame: PublishFrame): void {
    const { channel } = frame
    const subscribers = [...(this.#subscribers.get(channel)?.values() ?? [])].filter(
      (subscriber) => frame.self || subscriber !== publisher,
    )
    const receipt = frame.ref === undefined ? undefined : this.#open(publisher, frame, frame.ref, subscribers)
    this.#reached = subscribers
    // The primary has no direct links.
    const from = publisher.ref.incarnation || undefined
    const payload = subscribers.length > 1 ? inlineIfJson(frame.payload) : frame.payload
    // One for all, so that it is written once (`compact.ts`).
    const message = { kind: 'message', channel, payload, receipt, from } as const
    for (const subscriber of subscribers) {
      const refused = subscriber.sendData(message)
      if (refused) this.#overflow(subscriber, message, frame.overflow ?? 'drop-newest', refused)
    }
    if (receipt !== undefined) this.#closeWhenComplete(receipt)
  }

  /** That process does not keep up: the channel says which message it misses. */
  #overflow(subscriber: Endpoint, message: MessageFrame, overflow: Overflow, why: MailboxFullError): void {
    const { channel } = message
    const instead = overflow === 'drop-oldest' ? subscriber.dropOldest(channel) : undefined
    if (instead) subscriber.send(message)
    const missed = instead ?? message
    this.#overflows.add(subscriber.ref, channel, overflow)
    if (missed.receipt === undefined)
      this.#drops.add(
        `message ${subscriber.ref.id}`,
        `a message on ${JSON.stringify(channel)} was dropped: ${why.message}`,
      )
    else {
      this.#fail(missed.receipt, subscriber.ref, why)
      // Of an earlier publish: nobody else looks at it now.
      if (instead) this.#closeWhenComplete(missed.receipt)
    }
    if (overflow !== 'disconnect') return
    this.unsubscribe(subscriber, channel)
    subscriber.send({ kind: 'unsubscribed', channel })
  }

  acknowledge(subscriber: Endpoint, { receipt: id, error }: AckFrame): void {
    const receipt = this.#receipts.get(id)
    if (!receipt?.awaited.delete(subscriber.ref.incarnation)) {
      this.unexpected++
      return
    }
    if (error) receipt.failed.push({ ...subscriber.ref, error })
    else receipt.acknowledged.push(subscriber.ref)
    this.#closeWhenComplete(id)
  }

  /** A process is gone: its subscriptions end, who waits for its acknowledgement learns why, its own receipts are void. */
  gone(endpoint: Endpoint, why: (channel: string) => TroupeError): void {
    for (const channel of [...this.#subscribers.keys()]) this.unsubscribe(endpoint, channel)
    for (const [id, receipt] of [...this.#receipts]) {
      if (receipt.publisher === endpoint) {
        receipt.timer.cancel()
        this.#receipts.delete(id)
      } else if (receipt.awaited.has(endpoint.ref.incarnation)) {
        this.#fail(id, endpoint.ref, why(receipt.channel))
        this.#closeWhenComplete(id)
      }
    }
  }

  #open(publisher: Endpoint, frame: PublishFrame, ref: number, subscribers: readonly Endpoint[]): number {
    const id = ++this.#lastReceipt
    const timeout = frame.deadline === undefined ? this.#ackTimeout : Math.max(0, frame.deadline - this.#clock.now())
    this.#receipts.set(id, {
      publisher,
      ref,
      channel: frame.channel,
      awaited: new Map(subscribers.map((subscriber) => [subscriber.ref.incarnation, subscriber.ref])),
      acknowledged: [],
      failed: [],
      timer: this.#clock.after(timeout, () => this.#expire(id, timeout)),
    })
    return id
  }

  #expire(id: number, timeout: number): void {
    const receipt = this.#receipts.get(id)
    if (!receipt) return
    for (const subscriber of [...receipt.awaited.values()]) {
      const target = subscriber.id === 0 ? 'primary' : subscriber.id
      this.#fail(
        id,
        subscriber,
        new CallTimeoutError({
          target,
          method: acknowledgementOf(receipt.channel),
          sent: 'maybe',
          timeout,
          stage: { kind: 'unknown' },
        }),
      )
    }
    this.#closeWhenComplete(id)
  }

  #fail(id: number, subscriber: ProcessRef, error: TroupeError): void {
    const receipt = this.#receipts.get(id)
    if (receipt?.awaited.delete(subscriber.incarnation)) receipt.failed.push({ ...subscriber, error: toRecord(error) })
  }

  #closeWhenComplete(id: number): void {
    const receipt = this.#receipts.get(id)
    if (!receipt || receipt.awaited.size > 0) return
    this.#receipts.delete(id)
    receipt.timer.cancel()
    const { ref } = receipt
    const acknowledged = receipt.acknowledged.sort(byProcess)
    const failed = receipt.failed.sort(byProcess)
    receipt.publisher.send({ kind: 'receipt', ref, acknowledged, failed })
  }
}

/** How an error names a message that was not acknowledged. */
export function acknowledgementOf(channel: string): string {
  return `the acknowledgement of ${channel}`
}

function byProcess(a: ProcessRef, b: ProcessRef): number {
  return a.id - b.id || a.incarnation - b.incarnation
}
