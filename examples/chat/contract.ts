/**
 * Everything that crosses a process border in this program: what a worker may ask the primary, what a worker may ask
 * another worker, and the channels on which all of them listen. Read this file first.
 *
 * The primary holds the rooms, so that they outlive any worker, and gives messages their order. Workers hold the
 * WebSockets, and nothing that would be missed.
 */
import { channel } from 'troupe'

/** A message as everyone sees it. `seq` counts up by one within a room. */
export interface ChatMessage {
  seq: number
  /** Milliseconds since 1970, on the primary's clock. */
  at: number
  person: string
  name: string
  text: string
}

/**
 * A message as it travels between processes. `client` and `nonce` let a worker tell the author's own page "this is the
 * one you sent"; they are the author's secret, and a worker gives them to nobody else.
 */
export interface PostedMessage extends ChatMessage {
  client: string
  nonce: string
}

/** One person in a room, however many tabs they have open. `person` is public and cannot be turned into a `client`. */
export interface Person {
  person: string
  name: string
}

export interface RoomSummary {
  room: string
  people: number
  /** The newest message's number; 0 while there is none. */
  last: number
}

/** How a refusal is told apart by programs; the reason beside it is for people. */
export type RefusalCode =
  | 'bad-frame'
  | 'bad-name'
  | 'bad-room'
  | 'bad-message'
  | 'name-taken'
  | 'room-full'
  | 'too-many-rooms'
  | 'not-in-room'
  | 'too-fast'
  | 'unavailable'

export interface Refusal {
  code: RefusalCode
  reason: string
}

/** Where a reader stopped: a message number, and the log it belongs to (a room that was given up begins a new one). */
export interface Position {
  log: string
  seq: number
}

export interface JoinRequest {
  /** Numbered by the worker; unique together with the worker's incarnation. */
  connection: number
  /** The page's own random id, the same after a reconnect. */
  client: string
  name: string
  room: string
  since?: Position
}

export interface Joined {
  room: string
  log: string
  you: Person
  people: Person[]
  messages: PostedMessage[]
  /** Whether `messages` continue from `since`; if not, they are the room's recent history and replace what was there. */
  resumed: boolean
  /** Whether older messages than these have been forgotten. */
  truncated: boolean
}

export type Answer<T> = { ok: true; value: T } | { ok: false; refusal: Refusal }

/** A connection somewhere in the cluster: enough for one worker to call another about it. */
export interface ConnectionAddress {
  worker: number
  connection: number
}

export interface PrimaryMethods {
  /** Enters a room, and leaves the one before. Also the way to catch up: joining again with `since` gives the rest. */
  join(request: JoinRequest): Answer<Joined>
  leave(connection: number): void
  /**
   * Gives the message its number and publishes it. The same nonce twice is one message, and gets the same answer. Refused
   * when the connection is not in this room (any more): what was meant for one room is never said in another.
   */
  post(connection: number, room: string, nonce: string, text: string): Answer<{ seq: number }>
  /** Where this person can be reached, if they are in the same room as the one who asks. */
  locate(connection: number, person: string): ConnectionAddress[]
  directory(): RoomSummary[]
  /** The last words of a worker that cannot open its port: the primary says it once, for all of them. */
  cannotListen(reason: ListenProblem): void
}

export interface ListenProblem {
  code: string
  message: string
}

export interface WorkerMethods {
  /** Where this worker listens: all of them on the same address and port. */
  address(): { host: string; port: number }
  /** Called by another worker: `from`, connected there, waves at `to`, connected here. False when `to` is gone. */
  wave(connection: number, to: string, from: Person): boolean
}

export interface Contract {
  primary: PrimaryMethods
  worker: WorkerMethods
}

/** Published by the primary, for every message, in the order of their numbers. */
export const messagePosted = channel<{ room: string; log: string; message: PostedMessage }>('chat.message')
/** Published by the primary soon after somebody came or went: the whole list, so that a missed one does little harm. */
export const presenceChanged = channel<{ room: string; people: Person[] }>('chat.presence')
/** Published by the primary, at most a few times a second. */
export const directoryChanged = channel<RoomSummary[]>('chat.directory')
/** Published from worker to worker: the primary need not know who is typing. */
export const typing = channel<{ room: string; from: Person }>('chat.typing')
