import type { Incarnation, ProcessRef } from '../ids.js'
import type {
  CancelFrame,
  CreditFrame,
  FailureFrame,
  FenceFrame,
  InvokeFrame,
  ItemsFrame,
  ProgressFrame,
  ResultFrame,
} from './messaging.js'

// Direct links between two workers: how the primary brings them together, and what is said on them.

// ---------------------------------------------------------------------- worker -> primary

/** I send to that process: a link of our own would be shorter. Answered by `dial`. */
export interface LinkFrame {
  readonly kind: 'link'
  readonly incarnation: Incarnation
}

/** The answer to `meet`. */
export interface MetFrame {
  readonly kind: 'met'
  readonly meeting: number
  /** It listens at the path. */
  readonly listens: boolean
}

/** What came of that meeting is no link, or not any more. `corrupt`: the other process has written what none of ours writes. */
export interface UnlinkedFrame {
  readonly kind: 'unlinked'
  readonly meeting: number
  readonly corrupt?: string | undefined
  /** What has passed on it last, the oldest first: the other process may be unable to tell. */
  readonly recent?: readonly FrameRecord[] | undefined
}

/** A frame without what it carried: when it passed, whether whoever tells has sent it or got it, and by what it is known. */
export type FrameRecord = readonly [
  at: number,
  sent: boolean,
  kind: string,
  id: number | null,
  /** The method. */
  name: string | null,
]

/** The answer to `part`: no call comes to me on any link any more, and none is left that had come. */
export interface PartedFrame {
  readonly kind: 'parted'
}

/** Calls that I serve for others over links, and how many calls and casts have come since I said so last. */
export interface BusyFrame {
  readonly kind: 'busy'
  readonly calls: number
  readonly served: number
}

// ---------------------------------------------------------------------- primary -> worker

/** Listen there for that process, and take whoever proves the secret. */
export interface MeetFrame extends Meeting {
  readonly kind: 'meet'
}

/** That process listens there for you. */
export interface DialFrame extends Meeting {
  readonly kind: 'dial'
}

/** The answer to `link`: there can be none now. */
export interface UndialledFrame {
  readonly kind: 'undialled'
  readonly incarnation: Incarnation
}

/** Where two processes meet. The number tells which numbers their calls have (`routes.ts`). */
export interface Meeting {
  readonly meeting: number
  readonly with: ProcessRef
  readonly path: string
  readonly secret: string
}

/** You are about to be removed: let no call come to you by a link any more. Answered by `parted`. */
export interface PartFrame {
  readonly kind: 'part'
}

/** That process is dead, and ended so. All that it had sent by way of the primary is before this. */
export interface GoneFrame {
  readonly kind: 'gone'
  readonly incarnation: Incarnation
  readonly ending: EndingRecord
}

/** How a process ended, as its callers are told. */
export interface EndingRecord {
  readonly pid: number
  readonly exitCode: number | null
  readonly signal: string | null
  readonly outOfMemory?: 'yes' | 'no' | 'unknown' | undefined
  readonly output?: string | undefined
}

// ------------------------------------------------------------------------------ on a link

/** The first frame of whoever listened: the secret was right, the link can be used. */
export interface OpenFrame {
  readonly kind: 'open'
}

/** No calls on this link any more, please; answered by `left`, after which there is none. */
export interface LeaveFrame {
  readonly kind: 'leave'
}

export interface LeftFrame {
  readonly kind: 'left'
}

/** A call goes to its target as it would come from the router: under a number that means it, see `routes.ts`. */
export type PeerFrame =
  | InvokeFrame
  | ResultFrame
  | FailureFrame
  | CancelFrame
  | ProgressFrame
  | ItemsFrame
  | CreditFrame
  | FenceFrame
  | OpenFrame
  | LeaveFrame
  | LeftFrame

/** What a worker says to the one who brings two together. */
export type BrokeredFrame = LinkFrame | MetFrame | UnlinkedFrame | PartedFrame
/** The other two are for the router, in their place among what that worker has sent. */
export type LinkingUpFrame = BrokeredFrame | BusyFrame | FenceFrame
export type LinkingDownFrame = MeetFrame | DialFrame | UndialledFrame | PartFrame | GoneFrame | FenceFrame
