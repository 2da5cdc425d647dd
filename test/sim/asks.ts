/** A call that is to be made. */
export interface Ask {
  readonly to: number | 'any' | 'primary'
  readonly method: string
  readonly timeout: number
  readonly ms: number
  /** Ms from when it was made until its caller gives it up. */
  readonly abortAfter?: number | undefined
  readonly key?: string | undefined
  readonly oversized?: 'question' | 'answer' | undefined
  readonly nested?: Ask | ReadAsk | undefined
}

/** A stream that is to be read. */
export interface ReadAsk {
  readonly to: number | 'any' | 'primary'
  readonly method: 'count'
  /** Of the generator, and of the reader, now and then. */
  readonly ms: number
  readonly pause: number
  readonly items: number
  readonly fails: boolean
  readonly leaveAfter: number
  readonly timeout: number
  readonly idle: number
  /** Undefined: it may take as long as it likes. */
  readonly total: number | undefined
  readonly window: number | undefined
  readonly abortAfter?: number | undefined
  readonly oversized?: 'answer' | undefined
}
