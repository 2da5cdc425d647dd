import { describeTarget } from '../../protocol/address.js'
import { memoryForAnswer } from '../../protocol/binary-parts.js'
import { declaredNameOf } from '../../protocol/declared-errors.js'
import { toRecord } from '../../protocol/error-record.js'
import { CallCycleError, RemoteError, type ThrownRecord, TroupeError } from '../../protocol/errors.js'
import type { ChainLink, FailureFrame, InvokeFrame, ResultFrame } from '../../protocol/frames.js'
import { arePassedOn, type ProcessRef } from '../../protocol/ids.js'
import { encodePayload } from '../../protocol/payload.js'
import { asOpaque, isParts } from '../../protocol/payload-forms.js'
import { isDirect } from '../../protocol/routes.js'
import { toThrown } from '../../protocol/thrown.js'
import type { Clock } from '../clock.js'
import { DropLog } from '../drop-log.js'
import type { Logger } from '../logger.js'
import { dropOwnFrames } from '../own-frames.js'

/** What goes back to the caller; nothing for a cast. */
export type Answer = ResultFrame | FailureFrame | undefined

export interface AnswersOptions {
  readonly self: ProcessRef
  readonly payloadLimit: number
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Puts into words what became of a call: its value, what its method threw, or why it was not run. Of a cast, whose sender
 * waits for nothing, the log is told instead.
 */
export class Answers {
  readonly #options: AnswersOptions
  readonly #drops: DropLog

  constructor(options: AnswersOptions) {
    this.#options = options
    this.#drops = new DropLog(options.logger, options.clock)
  }

  /** Throws what keeps the value from being sent. */
  result(frame: InvokeFrame, value: unknown): Answer {
    if (frame.route === undefined) return undefined
    const memory = memoryForAnswer(frame.route)
    const opaque = !memory && arePassedOn(frame.from.id, this.#options.self.id)
    const payload = encodePayload(value, { opaque, memory, limit: this.#options.payloadLimit, root: 'result' })
    return { kind: 'result', id: frame.route, payload }
  }

  /** The same answer for another call, which may have come another way. */
  repeated(answer: ResultFrame | FailureFrame, { route = 0, from }: InvokeFrame): ResultFrame | FailureFrame {
    if (answer.kind === 'failure' || isDirect(route)) return { ...answer, id: route }
    const { payload } = answer
    const isReadable = !isParts(payload) && !arePassedOn(from.id, this.#options.self.id)
    return { kind: 'result', id: route, payload: isReadable ? payload : asOpaque(payload) }
  }

  /** The method's own error. */
  thrown(frame: InvokeFrame, error: unknown): Answer {
    if (frame.route === undefined) {
      this.#options.logger.error(`the cast ${frame.method} from ${describeTarget(frame.from.id)} threw`, error)
      return undefined
    }
    const details = { ...this.nameOf(frame), from: this.#options.self, thrown: this.#thrownRecord(error) }
    return { kind: 'failure', id: frame.route, error: toRecord(new RemoteError(details)) }
  }

  /** An error of ours about this very call. A schema that throws instead of answering is the method's own fault. */
  failure(frame: InvokeFrame, error: unknown, sent: 'no' | 'yes'): Answer {
    if (!(error instanceof TroupeError)) return this.thrown(frame, error)
    if (frame.route !== undefined) {
      return {
        kind: 'failure',
        id: frame.route,
        error: { code: error.code, details: { ...error.details, ...this.nameOf(frame), sent } },
      }
    }
    this.#options.logger.error(`the cast ${frame.method} from ${describeTarget(frame.from.id)} failed`, error)
    return undefined
  }

  /** It was not run. */
  refusal(frame: InvokeFrame, error: TroupeError): Answer {
    if (frame.route !== undefined) return { kind: 'failure', id: frame.route, error: toRecord(error) }
    this.#drops.add(
      error.code,
      `the cast ${frame.method} from ${describeTarget(frame.from.id)} was dropped: ${error.message}`,
    )
    return undefined
  }

  cycle(frame: InvokeFrame, chain: readonly ChainLink[], reason: string): CallCycleError {
    return new CallCycleError({
      ...this.nameOf(frame),
      reason,
      cycle: chain.map(([, id, method]) => `${describeTarget(id)}.${method}`),
    })
  }

  /** How its errors call it, as long as it has not run. */
  nameOf(frame: InvokeFrame): { target: number | 'primary'; method: string; sent: 'no' } {
    const { id } = this.#options.self
    return { target: id === 0 ? 'primary' : id, method: frame.method, sent: 'no' }
  }

  /** From there on down the stack is ours: the method's own part says all. */
  #thrownRecord(error: unknown): ThrownRecord {
    const thrown = { ...toThrown(error), declared: declaredNameOf(error) }
    return thrown.stack === undefined ? thrown : { ...thrown, stack: dropOwnFrames(thrown.stack) }
  }
}
