/** Connections as numbers since the start, and what is held now. */
export interface ConnectionStats {
  /** Held for want of a worker, now. */
  readonly waiting: number
  /** Being read from for a sticky policy, now. */
  readonly peeking: number
  /** Sent to a worker that has not taken them yet, now. */
  readonly offered: number
  /** Handed over by the primary. What workers accept for themselves is not counted here. */
  readonly handedOver: number
  /** Offers that came to nothing, because the worker died or refused; another worker got the connection. */
  readonly rerouted: number
  /** Of those, lost on their way because a worker had no file descriptor left. */
  readonly lost: number
  /** Ended without a worker: nobody was ready in time, or too many waited (503 where the port speaks HTTP). */
  readonly turnedAway: number
  /** Ended because no head came in time (408), or one too large (431), or no PROXY header where one was due. */
  readonly timedOut: number
  readonly tooLarge: number
  readonly malformed: number
  /** Requests of sticky ports that came on a connection of another worker; served there, and the connection closed. */
  readonly strays: number
  /** How often a process had to stop accepting because it was running out of file descriptors, workers included. */
  readonly exhausted: number
}
