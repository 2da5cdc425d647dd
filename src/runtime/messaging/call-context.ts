import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import type { ChainLink } from '../../protocol/frames.js'
import type { ProcessRef } from '../../protocol/ids.js'
import type { Clock, Timer } from '../clock.js'
import { Numbered } from '../numbered.js'

/** What a method can know of the call that it serves. Outside a call: no caller, no deadline, a signal that never fires. */
export interface CurrentCall {
  /** Fires when the caller gives up, its deadline passes, or the caller dies. Its reason says which. */
  readonly signal: AbortSignal
  /**
   * When the caller stops waiting, in ms on a clock that all processes of the cluster share: a whole number, never
   * sooner than the timeout asks and less than 1 ms later. `Infinity` outside a call.
   */
  readonly deadline: number
  /** Milliseconds left until then. */
  readonly remaining: number
  /** Who called: `id` 0 is the primary. */
  readonly caller: ProcessRef | undefined
  /** The worker id that serves the call, 0 in the primary. */
  readonly target: number | undefined
  readonly method: string | undefined
}

export interface CallContextFields {
  readonly caller: ProcessRef
  readonly target: number
  readonly method: string
  readonly deadline: number
  /** The calls that wait for this one, this one included. */
  readonly chain: readonly ChainLink[]
}

/** What is told when the running call is given up. */
export interface AbortListener {
  aborted(reason: Error): void
}

/**
 * One running call. Nested calls take their deadline, chain and cancellation from it, until the method has settled:
 * after that the context is inert, and a timer or pool made inside the method inherits nothing.
 */
export class CallContext implements CurrentCall {
  readonly #fields: CallContextFields
  readonly #clock: Clock
  #settled = false
  #abortReason: Error | undefined
  /** Made when the method first looks at `signal`: most methods never do. */
  #controller: AbortController | undefined
  #timer: Timer | undefined
  /** Nested calls that end with this one. Made for the first. */
  #listeners: Numbered<AbortListener> | undefined
  #lastListener = 0

  constructor(fields: CallContextFields, clock: Clock) {
    this.#fields = fields
    this.#clock = clock
  }

  get caller(): ProcessRef {
    return this.#fields.caller
  }

  get target(): number {
    return this.#fields.target
  }

  get method(): string {
    return this.#fields.method
  }

  get deadline(): number {
    return this.#fields.deadline
  }

  get chain(): readonly ChainLink[] {
    return this.#fields.chain
  }

  get settled(): boolean {
    return this.#settled
  }

  get aborted(): boolean {
    return this.#abortReason !== undefined
  }

  /** Why it was given up. */
  get reason(): Error | undefined {
    return this.#abortReason
  }

  get remaining(): number {
    return Math.max(0, this.deadline - this.#clock.now())
  }

  get signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal
    this.#controller = new AbortController()
    if (this.#abortReason) this.#controller.abort(this.#abortReason)
    else if (!this.#settled && this.deadline !== Number.POSITIVE_INFINITY) {
      // The caller's cancel normally comes first; this is for a caller that is frozen.
      this.#timer = this.#clock.after(
        this.remaining,
        () => this.abort(new DOMException('The deadline of the call has passed', 'TimeoutError')),
        { idle: true },
      )
    }
    return this.#controller.signal
  }

  /** Tells the listener of the abort, at once if that has been. Returns the number that takes it back. */
  onAbort(listener: AbortListener): number {
    if (this.#abortReason) {
      listener.aborted(this.#abortReason)
      return 0
    }
    this.#listeners ??= new Numbered()
    this.#listeners.set(++this.#lastListener, listener)
    return this.#lastListener
  }

  offAbort(number: number): void {
    this.#listeners?.delete(number)
  }

  abort(reason: Error): void {
    if (this.#settled || this.#abortReason) return
    this.#abortReason = reason
    this.#timer?.cancel()
    this.#controller?.abort(reason)
    const listeners = this.#listeners?.values() ?? []
    this.#listeners = undefined
    for (const listener of listeners) listener.aborted(reason)
  }

  settle(): void {
    this.#settled = true
    this.#timer?.cancel()
    this.#listeners = undefined
  }
}

/** One per copy of the library, because `currentCall` is a plain function. Costs nothing until the first call is run. */
const storage = new AsyncLocalStorage<CallContext>()
let resourceRestores: boolean | undefined

export function runInContext<A extends unknown[], T>(context: CallContext, run: (...args: A) => T, ...args: A): T {
  resourceRestores ??= probeResourceRestores()
  return resourceRestores
    ? newResource().runInAsyncScope(enter<A, T>, undefined, context, run, args)
    : storage.run(context, run, ...args)
}

/**
 * Node 24 keeps the stores in an immutable frame, and `run` makes one to enter and one to leave, which costs more than all the rest.
 * Leaving a resource restores the frame that it was made in. Node 20 and 22 keep in the resource what `enterWith` sets.
 */
function probeResourceRestores(): boolean {
  const resource = newResource()
  const probe = new AsyncLocalStorage<boolean>()
  resource.runInAsyncScope(() => probe.enterWith(true))
  const isKept = resource.runInAsyncScope(() => probe.getStore()) === true
  probe.disable()
  return !isKept
}

const newResource = (): AsyncResource => new AsyncResource('TroupeCall', RESOURCE)
const RESOURCE = { requireManualDestroy: true }

function enter<A extends unknown[], T>(context: CallContext, run: (...args: A) => T, args: A): T {
  storage.enterWith(context)
  return run(...args)
}

/** Runs what belongs to no call, though one may have led to it. */
export function runOutsideCalls<T>(run: () => T): T {
  // Nearly always there is none, and `exit` takes the storage out of service and back.
  return storage.getStore() === undefined ? run() : storage.exit(run)
}

/** The running call that the current code belongs to, if it still runs. */
export function activeContext(): CallContext | undefined {
  const context = storage.getStore()
  return context && !context.settled ? context : undefined
}

/** Says why. */
export interface GivenUp {
  readonly reason: unknown
}

/** Who has given up already what is about to begin: its signal, or the running call that it belongs to. */
export function givenUpBy(signal: AbortSignal | undefined, context: CallContext | undefined): GivenUp | undefined {
  if (signal?.aborted) return signal
  return context?.aborted ? context : undefined
}

const OUTSIDE: CurrentCall = Object.freeze({
  signal: new AbortController().signal,
  deadline: Number.POSITIVE_INFINITY,
  remaining: Number.POSITIVE_INFINITY,
  caller: undefined,
  target: undefined,
  method: undefined,
})

/** The call that the running method serves. Outside a method, or after it has settled, an inert one. */
export function currentCall(): CurrentCall {
  return activeContext() ?? OUTSIDE
}
